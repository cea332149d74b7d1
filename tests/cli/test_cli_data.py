"""``clearcall data``: what it prints, leaves behind and exits with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from clearcall.cli import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Run ``clearcall data`` in this process; gives exit status, output and error output."""

    def clearcall(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["clearcall", "data", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return clearcall


def test_check_prints_counts_and_says_that_nothing_is_wrong(run, tmp_path: Path, make_pairs):
    make_pairs(tmp_path / "GOPRO_Large", "train/GOPR0372_07_00", 3)
    status, out, err = run("check", tmp_path)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"{tmp_path}: the official GoPro layout",
        "train: 3 pairs in 1 sequence",
        "  GOPR0372_07_00: 3",
        "nothing is wrong",
    ]


def test_check_names_what_is_wrong_and_fails(run, tmp_path: Path, make_pairs):
    make_pairs(tmp_path, "train/GOPR0477_11_00", 2, official=False)
    gone = tmp_path / "train" / "blur" / "GOPR0477_11_00_0001.png"
    gone.unlink()
    status, out, err = run("check", tmp_path)
    assert status == 1
    assert "train: 1 pairs in 1 sequence" in out
    assert "nothing is wrong" not in out
    assert err.splitlines() == [
        "sharp pictures without a blurred one: 1",
        f"  {tmp_path / 'train' / 'sharp' / gone.name}",
    ]
    status, out, _ = run("check", tmp_path, "--json")
    assert status == 1
    content = json.loads(out)
    assert content["layout"] == "flat"
    assert content["counts"] == {"train": {"GOPR0477_11_00": 1}}
    assert list(content["findings"]) == ["sharp pictures without a blurred one"]


def test_check_refuses_a_missing_folder_in_one_sentence(run, tmp_path: Path):
    status, out, err = run("check", tmp_path / "none")
    assert (status, out) == (3, "")
    assert len(err.strip().splitlines()) == 1
