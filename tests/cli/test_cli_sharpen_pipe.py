"""``clearcall sharpen`` in a pipeline, between real programs."""

from __future__ import annotations

import array
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import imageio_ffmpeg
import numpy as np
import pytest

import clearcall
from clearcall.media.colour import Colours, to_planes
from clearcall.media.siting import lines_of
from clearcall.media.video import VideoSource

MakeVideo = Callable[..., Path]
SHARPEN = [sys.executable, "-m", "clearcall", "sharpen"]
FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error"]


def sharpen(*arguments: object, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*SHARPEN, *map(str, arguments)], input=given, capture_output=True, check=False, timeout=120)


def y4m_of(video: Path, *options: str) -> bytes:
    """The video as the real ffmpeg writes it to a pipe."""
    command = [*FFMPEG, "-i", str(video), *options, "-f", "yuv4mpegpipe", "-strict", "-1", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def decoded(y4m: bytes, path: Path) -> list[av.VideoFrame]:
    path.write_bytes(y4m)
    with VideoSource(path) as source:
        return list(source.frames())


def test_between_two_ffmpegs(make_video: MakeVideo, tmp_path: Path) -> None:
    """All three programs run at once."""
    source = make_video("a.mp4", pts=range(0, 40040, 1001), size=(96, 64))
    reading = subprocess.Popen([*FFMPEG, "-i", source, "-f", "yuv4mpegpipe", "-"], stdout=subprocess.PIPE)
    ours = subprocess.Popen([*SHARPEN, "-", "-o", "-"], stdin=reading.stdout, stdout=subprocess.PIPE)
    writing = subprocess.Popen([*FFMPEG, "-i", "-", "-c:v", "ffv1", tmp_path / "b.mkv"], stdin=ours.stdout)
    for process in (reading, ours):
        process.stdout.close()
    assert [process.wait(timeout=120) for process in (reading, ours, writing)] == [0, 0, 0]
    sharpener = clearcall.load().following()
    with VideoSource(source) as before, VideoSource(tmp_path / "b.mkv") as after:
        assert after.info.rate == Fraction(30000, 1001)
        pairs = list(zip(before.frames(), after.frames(), strict=True))
    assert len(pairs) == 40
    for frame, sharp in pairs:
        expected = sharpener.sharpen_yuv(*to_planes(frame), colours=Colours(siting="left"))
        for plane, found in zip(expected, to_planes(sharp), strict=True):
            np.testing.assert_array_equal(plane, found)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "gray", "yuv420p10le"])
def test_the_header_stays_and_nothing_but_video_is_written(make_video: MakeVideo, tmp_path: Path, pixels: str) -> None:
    y4m = y4m_of(make_video("a.mp4", size=(63, 47), codec="ffv1", pixel_format="yuv444p"), "-pix_fmt", pixels)
    done = sharpen("-", "-o", "-", given=y4m)
    assert done.returncode == 0, done.stderr
    header, _, rest = done.stdout.partition(b"FRAME")
    assert header == y4m.partition(b"FRAME")[0]
    assert len(rest) == len(y4m) - len(header) - 5
    assert b"12 frames" in done.stderr
    before, after = decoded(y4m, tmp_path / "a.y4m")[6], decoded(done.stdout, tmp_path / "b.y4m")[6]
    dtype = np.uint16 if pixels.endswith("le") else np.uint8
    luma, sharp = (lines_of(frame.planes[0], dtype)[:, :63].astype(int) for frame in (before, after))
    assert 0 < np.abs(luma - sharp).mean() < (3 if dtype is np.uint8 else 12)


def test_a_file_to_a_pipe_and_any_stream_to_a_file(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mkv", sound="aac", rotation=90)
    done = sharpen(source, "-o", "-")
    assert (done.returncode, done.stdout[:35]) == (0, b"YUV4MPEG2 W48 H64 F30000:1001 Ip A0")
    assert b"sound and the like left out" in done.stderr
    assert len(decoded(done.stdout, tmp_path / "a.y4m")) == 12
    stored = sharpen("-", "-o", tmp_path / "b.mp4", given=source.read_bytes())
    assert stored.returncode == 0, stored.stderr
    with VideoSource(tmp_path / "b.mp4") as video:
        assert (len(video.container.streams.audio), video.info.rotation) == (2, 90)
        assert sum(1 for _ in video.frames()) == 12
    again = sharpen("-", "-o", tmp_path / "c.mkv", given=done.stdout)
    assert again.returncode == 0, again.stderr


def test_a_reader_that_ends_is_no_error_to_speak_of(make_video: MakeVideo) -> None:
    source = make_video("a.mp4", size=(320, 240), pts=range(0, 60060, 1001))
    process = subprocess.Popen([*SHARPEN, source, "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(100)
    process.stdout.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_silent_writer_can_be_interrupted(sent: signal.Signals) -> None:
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # else a process that ignores it passes that on
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*SHARPEN, "-", "-o", "-"], **pipes)
    signal.signal(signal.SIGINT, ours)
    process.stdin.write(b"YUV4MPEG2 W4 H2 F25:1\nFRAME\n" + bytes(12))
    process.stdin.flush()
    assert process.stdout.read(10) == b"YUV4MPEG2 "
    process.send_signal(sent)
    assert process.wait(timeout=60) == 130
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_reader_that_stands_still_can_be_left(make_video: MakeVideo, sent: signal.Signals) -> None:
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    source = make_video("a.mkv", size=(320, 240), pts=range(0, 60060, 1001))  # more than a pipe holds
    process = subprocess.Popen([*SHARPEN, source, "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, ours)
    assert process.stdout.read(10) == b"YUV4MPEG2 "
    before = -1
    while before != (before := unread(process.stdout)):  # until it grows no more: the pipe is full
        time.sleep(1)
    assert before > 0
    process.send_signal(sent)
    assert process.wait(timeout=60) == 130
    for stream in (process.stdout, process.stderr):
        stream.close()


def unread(pipe: IO[bytes]) -> int:
    """How many bytes wait in a pipe."""
    waiting = array.array("i", [0])
    fcntl.ioctl(pipe.fileno(), termios.FIONREAD, waiting)
    return waiting[0]


def test_each_frame_is_out_before_the_next_is_in() -> None:
    process = subprocess.Popen(
        [*SHARPEN, "-", "-o", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    header, frame = b"YUV4MPEG2 W16 H16 F25:1 C420jpeg\n", b"FRAME\n" + bytes(384)
    process.stdin.write(header)
    for number in range(3):
        process.stdin.write(frame)
        process.stdin.flush()
        expected = len(frame) + (len(header) + len(b" A0:0") if number == 0 else 0)
        assert len(process.stdout.read(expected)) == expected
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    process.stdout.close()


@pytest.mark.parametrize(
    ("given", "arguments", "status", "sentence"),
    [
        (b"text " * 500, ("-", "-o", "-"), 3, "is no video that can be read front to back"),
        (b"text " * 500, ("-", "-o", "b.mp4"), 3, "is no video that can be read front to back"),
        (b"YUV4MPEG2 W4 H2\nFRAME\n" + bytes(13), ("-", "-o", "-"), 3, "Frame 1 from standard input doesn't begin"),
        (b"", (".", "-o", "-"), 4, "Standard output takes one video"),
    ],
)
def test_errors_are_one_sentence_and_a_status(
    given: bytes, arguments: tuple[str, ...], status: int, sentence: str, tmp_path: Path
) -> None:
    done = subprocess.run([*SHARPEN, *arguments], input=given, capture_output=True, check=False, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    error = done.stderr.decode()
    assert error.startswith("clearcall: ")
    assert len(error.strip().splitlines()) == 1
    assert sentence in error
    assert list(tmp_path.iterdir()) == []


def test_terminals_are_refused(make_video: MakeVideo) -> None:
    ours, theirs = pty.openpty()
    source = make_video("a.mp4")
    out = subprocess.run([*SHARPEN, source, "-o", "-"], stdout=theirs, stderr=subprocess.PIPE, check=False)
    given = subprocess.run([*SHARPEN, "-", "-o", "-"], stdin=theirs, capture_output=True, check=False)
    assert (out.returncode, given.returncode) == (4, 3)
    assert b"Video can't go to a terminal" in out.stderr
    assert b"Video can't come from a terminal" in given.stderr
    os.close(ours)
    os.close(theirs)
