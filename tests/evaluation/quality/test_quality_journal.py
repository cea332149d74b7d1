"""The journal survives anything; what isn't its run is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcall.errors import OutputError
from clearcall.evaluation.quality.journal import NAME, Journal

ABOUT = {"seed": 0, "models": {"small": "abc"}}
ENTRIES = [{"name": f"{index}.png", "ssim": index / 7, "psnr": float("inf")} for index in range(4)]


def written(folder: Path) -> Path:
    with Journal(folder / NAME, ABOUT) as journal:
        for entry in ENTRIES:
            journal.add("record", entry)
    return folder / NAME


@settings(deadline=None, max_examples=8)
@given(st.floats(0, 1))
def test_cut_anywhere_it_keeps_every_whole_line_and_goes_on(tmp_path_factory: pytest.TempPathFactory, share) -> None:
    path = written(tmp_path_factory.mktemp("run"))
    whole = path.read_bytes()
    cut = whole[: round(len(whole) * share)]
    path.write_bytes(cut)
    with Journal(path, ABOUT) as journal:
        kept = [content for _, content in journal.entries]
        assert kept == ENTRIES[: max(cut.count(b"\n") - 1, 0)]
        for entry in ENTRIES[len(kept) :]:
            journal.add("record", entry)
    assert path.read_bytes() == whole


def test_another_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="start anew with --force"):
        Journal(path, {**ABOUT, "seed": 1})
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not JSON\n", b"[1]\n", b'{"seed": 0}\n', b"\xff\xfe\n"])
def test_what_is_no_journal_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(OutputError, match="is not the journal of a run"):
        Journal(tmp_path / NAME, ABOUT)
    assert (tmp_path / NAME).read_bytes() == content


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Can't write"):
        Journal(tmp_path / "missing" / NAME, ABOUT)
