"""Outputs are whole or not there at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clearcall.errors import OutputError
from clearcall.media.atomic import atomic_output


def test_the_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    final = tmp_path / "clip.mp4"
    with atomic_output(final, force=False) as unfinished:
        assert unfinished.parent == tmp_path
        assert unfinished.suffix == ".mp4"
        unfinished.write_bytes(b"whole")
        assert not final.exists()
    assert final.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_any_exception_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic_output(tmp_path / "clip.mp4", force=False) as unfinished:
        unfinished.write_bytes(b"half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_keeps_what_was_there(tmp_path: Path) -> None:
    final = tmp_path / "clip.mp4"
    final.write_bytes(b"old")
    with pytest.raises(ValueError, match="bad"), atomic_output(final, force=True) as unfinished:
        unfinished.write_bytes(b"new")
        raise ValueError("bad")
    assert final.read_bytes() == b"old"


def test_an_existing_file_needs_force(tmp_path: Path) -> None:
    final = tmp_path / "clip.mp4"
    final.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"exists already; add --force"), atomic_output(final, force=False):
        pytest.fail("the block must not run")
    with atomic_output(final, force=True) as unfinished:
        unfinished.write_bytes(b"new")
    assert final.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    final = tmp_path / "clip.mp4"
    with pytest.raises(OutputError, match="exists already"), atomic_output(final, force=False):
        final.write_bytes(b"of someone else")
    assert final.read_bytes() == b"of someone else"
    assert list(tmp_path.iterdir()) == [final]


def test_permissions_are_those_of_any_new_file_or_of_the_one_replaced(tmp_path: Path) -> None:
    usual, new, old = tmp_path / "usual", tmp_path / "new", tmp_path / "old"
    usual.write_bytes(b"")
    old.write_bytes(b"")
    old.chmod(0o640)
    for final in (new, old):
        with atomic_output(final, force=True) as unfinished:
            unfinished.write_bytes(b"x")
    assert new.stat().st_mode == usual.stat().st_mode
    assert old.stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_output(tmp_path / "link", force=False) as unfinished:
        unfinished.write_bytes(b"x")
    assert (tmp_path / "real").read_bytes() == b"x"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (".", "is a folder"),
        ("missing/clip.mp4", "is missing; create it first"),
        (os.devnull, "is not an ordinary file"),
        ("/proc/clip.mp4", "create it first|Can't write"),
        ("a" * 300 + ".mp4", "Can't write"),
        ("file/clip.mp4", "Can't write|is missing"),
    ],
)
def test_names_that_can_not_be_written(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=sentence), atomic_output(tmp_path / name, force=True):
        pytest.fail("the block must not run")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on file sizes fails just as a full disk does, and needs no special disk."""
    program = """
import resource, sys
from pathlib import Path
from clearcall.media.atomic import atomic_output
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with atomic_output(Path(sys.argv[1]), force=False) as unfinished:
    unfinished.write_bytes(bytes(5000))
"""
    final = tmp_path / "clip.mp4"
    ran = subprocess.run([sys.executable, "-c", program, final], capture_output=True, text=True, check=False)
    assert ran.stderr.strip().splitlines()[-1] == (
        f"clearcall.errors.OutputError: There is no room left to write {final}; "
        "free some space or choose another disk with -o."
    )
    assert list(tmp_path.iterdir()) == []
