"""``clearcall data``: what it prints, leaves behind and exits with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

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


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "GOPR0001_11_00"
    folder.mkdir()
    for number in range(20):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(folder / f"{number:06}.png")
    return folder


def test_blur_writes_pairs_that_check_finds_sound(run, frames: Path, tmp_path: Path):
    out = tmp_path / "set" / "train"
    assert run("blur", frames, "-o", out, "--frames", "7-9")[:2] == (0, f"{frames} -> {out}: 2 pairs made\n")
    status, printed, _ = run("blur", frames, "-o", out, "--frames", "7-9")
    assert (status, printed) == (0, f"{frames} -> {out}: 0 pairs made, 2 were there already\n")
    status, printed, _ = run("check", tmp_path / "set")
    assert status == 0
    assert "train: 2 pairs in 1 sequence" in printed


@pytest.mark.parametrize(
    ("options", "sentence", "status"),
    [
        (["--frames", "many"], "write it as 7-15", 6),
        (["--frames", "9-7"], "makes no sense", 6),
        (["--frames", "7", "--stride", "0"], "stride", 2),
        (["--frames", "60"], "fewer frames", 3),
    ],
)
def test_blur_refuses_in_one_sentence(run, frames: Path, tmp_path: Path, options, sentence, status):
    found, out, err = run("blur", frames, "-o", tmp_path / "out", *options)
    assert (found, out) == (status, "")
    assert sentence in err
    assert status == 2 or len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
