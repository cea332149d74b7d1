"""``clearcall degrade``: lines, exit statuses, folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearcall.degrade import PROFILES


def clearcall(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from clearcall.cli import main; main()", "degrade", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (72, 128, 3), dtype=np.uint8)).save(path)
    return path


def test_the_list_shows_every_profile():
    done = clearcall("--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(PROFILES)


def test_a_picture_and_its_bitrate(picture: Path, tmp_path: Path):
    done = clearcall(picture, "-o", tmp_path / "out.png", "--profile", "vp8-360p-500k")
    assert done.returncode == 0, done.stderr
    assert "sent as 128x72 at 30 frames/s" in done.stdout
    assert "kbit/s" in done.stdout
    assert Image.open(tmp_path / "out.png").size == (128, 72)


def test_seeds_and_as_sent(picture: Path, tmp_path: Path):
    for name, seed in [("a.png", "1"), ("b.png", "1"), ("c.png", "2")]:
        clearcall(picture, "-o", tmp_path / name, "--profile", "h264-half-crf28", "--seed", seed, "--as-sent")
    first, again, other = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png", "c.png"))
    assert first.shape == (36, 64, 3)
    assert (first == again).all()
    assert (first != other).any()


def test_one_bad_file_does_not_stop_a_folder(picture: Path, tmp_path: Path):
    folder = tmp_path / "calls"
    (folder / "monday").mkdir(parents=True)
    picture.rename(folder / "monday" / "face.png")
    (folder / "broken.mp4").write_text("no film")
    (folder / "notes.txt").write_text("notes")
    done = clearcall(folder, "-o", tmp_path / "out", "--profile", "bicubic-x2")
    assert done.returncode == 1
    assert "1 files degraded, 1 failed, 1 neither" in done.stdout
    assert "broken.mp4" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["face.png"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["face.png", "-o", "out.png", "--profile", "h264-360-400k"], 6, "h264-360p-400k"),
        (["absent.png", "-o", "out.png", "--profile", "clean"], 3, "absent.png"),
        (["face.png", "-o", "nowhere/out.png", "--profile", "clean"], 4, "nowhere"),
        (["face.png", "-o", "face.png", "--profile", "clean"], 4, "own result"),
        (["face.png", "-o", "out.xyz", "--profile", "clean"], 4, ".xyz"),
    ],
)
def test_mistakes_are_one_sentence(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, words: str
):
    monkeypatch.chdir(tmp_path)
    done = clearcall(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]
