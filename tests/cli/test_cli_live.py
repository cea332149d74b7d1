"""``clearcall live``: files, pipes, Ctrl-C, and mistakes in one sentence each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clearcall.cli.live import describe, parse_size
from clearcall.errors import RecipeError
from clearcall.media.video import VideoSink, VideoSource
from clearcall.runtime.live import LiveStatus

RUN = [sys.executable, "-c", "from clearcall.cli import main; main()", "live"]
NO_DISPLAY = {name: value for name, value in os.environ.items() if name != "DISPLAY"}


def live(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*RUN, *map(str, arguments)],
        capture_output=True,
        check=False,
        timeout=90,
        env=NO_DISPLAY,
        stdin=subprocess.DEVNULL,
    )


def test_a_file_into_a_file(tmp_path: Path):
    with VideoSink(tmp_path / "in.mkv", width=64, height=36, rate=Fraction(20)) as clip:
        for level in range(0, 200, 20):
            clip.write(np.full((36, 64, 3), level, np.uint8))
    done = live(tmp_path / "in.mkv", "--to", tmp_path / "out.mp4")
    summary = done.stderr.decode()
    assert done.returncode == 0, summary
    assert "of 64x36 in" in summary
    assert "ms per frame, real-time factor" in summary
    assert "the source has ended" in summary
    with VideoSource(tmp_path / "out.mp4") as video:
        assert video.info.rate == 20
        assert 1 <= len(list(video.frames())) <= 15


def test_y4m_on_standard_output_for_some_seconds(tmp_path: Path):
    done = live("test", "--size", "64x36", "--fps", "12.5", "--to", "-", "--seconds", "0.5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"YUV4MPEG2 W64 H36 F25:2 ")
    assert b"0.5 s are over" in done.stderr
    (tmp_path / "out.y4m").write_bytes(done.stdout)
    with av.open(str(tmp_path / "out.y4m")) as container:
        frames = list(container.decode(video=0))
    assert {(frame.width, frame.height) for frame in frames} == {(64, 36)}


def test_one_live_into_another():
    first = [*RUN, "test", "--size", "64x36", "--to", "-", "--seconds", "0.5"]
    with subprocess.Popen(first, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as sending:
        second = subprocess.run(
            [*RUN, "-", "--to", "-"], stdin=sending.stdout, capture_output=True, check=False, timeout=90
        )
    assert (sending.returncode, second.returncode) == (0, 0), second.stderr
    assert second.stdout.startswith(b"YUV4MPEG2 W64 H36 F30:1")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_with_a_summary(sent: signal.Signals):
    command = [*RUN, "test", "--size", "64x36", "--to", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(9) == b"YUV4MPEG2"
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert b"interrupted" in errors
    assert b"Traceback" not in errors


def test_a_reader_that_ends_ends_it():
    command = [*RUN, "test", "--size", "640x360", "--to", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(9)
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
    assert process.returncode == 0, errors
    assert b"the program that read the pictures has ended" in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["test"], 4, "There is no display"),
        (["camera:/dev/absent", "--to", "out.mp4"], 3, "There is no camera /dev/absent"),
        (["absent.mp4", "--to", "out.mp4"], 3, "There is no file absent.mp4"),
        (["screen", "--to", "out.mp4"], 3, "DISPLAY is not set"),
        (["-", "--to", "out.mp4"], 3, "Standard input gives no video"),
        (["test", "--to", "out.mp4", "--size", "12"], 6, "give width x height in pixels"),
        (["test", "--to", "out.mp4", "--model", "smal"], 5, "the nearest is small"),
        (["test", "--to", "out.mp4", "--device", "toaster"], 6, "There is no device toaster; choose one of auto, cpu"),
        (["test", "--to", "out.mp4", "--device", "directml"], 9, "or use --device cpu"),
        (["test", "--to", "out.gif"], 4, "use one of .mp4"),
        (["test", "--to", "nowhere/out.mp4"], 4, "nowhere"),
        (["test", "--to", "taken.mp4"], 4, "--force"),
        (["test", "--to", "virtual-camera:/dev/absent"], 4, "No virtual camera can be opened"),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, words: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.mp4").write_text("taken")
    done = live(*arguments)
    told = done.stderr.decode()
    assert done.returncode == status, told
    assert words in told
    assert len(told.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["taken.mp4"]


@pytest.mark.parametrize("text", ["", "12", "0x4", "axb", "10x10x10", "99999x2", "-4x4"])
def test_sizes_that_are_none(text: str):
    with pytest.raises(RecipeError, match="is not a size"):
        parse_size(text)


def test_a_summary_in_words():
    status = LiveStatus(2.0, 1, 0.5, 12.34, 0.37, 3, 0, "pass-through", 1, (1280, 720), ended="2 s are over")
    assert describe(status) == (
        "1 frame of 1280x720 in 2.0 s (0.5 fps), 12.3 ms per frame, real-time factor 0.37, 3 dropped, "
        "1 passed through unsharpened; 2 s are over"
    )
