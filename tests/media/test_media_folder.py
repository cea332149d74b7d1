"""Folders of results appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from clearcall.errors import InputError, OutputError
from clearcall.media.folder import atomic_folder


def test_nothing_shows_at_the_final_name_until_it_is_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out", force=False) as unfinished:
        (unfinished / "a.txt").write_text("1")
        assert not (tmp_path / "out").exists()
    assert [file.name for file in tmp_path.rglob("*")] == ["out", "a.txt"]


@pytest.mark.parametrize("error", [InputError("bad"), KeyboardInterrupt(), ValueError()])
def test_a_failure_leaves_no_trace(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), atomic_folder(tmp_path / "out", force=False) as unfinished:
        (unfinished / "a.txt").write_text("1")
        raise error
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_needs_force_and_keeps_what_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    (out / "mine.txt").write_text("mine")
    (out / "a.txt").write_text("old")
    with pytest.raises(OutputError, match="--force"), atomic_folder(out, force=False):
        pass
    with atomic_folder(out, force=True) as unfinished:
        (unfinished / "a.txt").write_text("new")
        (unfinished / "sub").mkdir()
        (unfinished / "sub" / "b.txt").write_text("new")
    assert {str(f.relative_to(out)): f.read_text() for f in out.rglob("*.txt")} == {
        "mine.txt": "mine",
        "a.txt": "new",
        "sub/b.txt": "new",
    }
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    with atomic_folder(tmp_path, force=False) as unfinished:
        (unfinished / "a.txt").write_text("1")
    assert (tmp_path / "a.txt").read_text() == "1"


def test_a_file_at_the_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="is a file"), atomic_folder(tmp_path / "out", force=True):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_a_missing_parent_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create it first"), atomic_folder(tmp_path / "a" / "b", force=False):
        pass


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    sentence = pytest.raises(OutputError, match=r"no room left .*free some space")
    with sentence, atomic_folder(tmp_path / "out", force=False):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())
