"""Live sinks: the virtual camera by a backend of pyvirtualcam's own interface, clips, y4m; fitting."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import pyvirtualcam
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcall.errors import MissingExtraError, OutputError
from clearcall.media.video import VideoSource, to_rgb
from clearcall.runtime import sink as sinks
from clearcall.runtime.fit import fit
from clearcall.runtime.sink import ClipFile, SinkClosed, VirtualCamera, Y4MPipe


def grey(level: int, width: int = 64, height: int = 36) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


class LoopbackDevice:
    """A backend that keeps what it is sent."""

    opened: list[LoopbackDevice]
    is_unplugged = False

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None) -> None:
        self.size, self.fps, self.name = (width, height), fps, device or "/dev/video10"
        self.fourcc = fourcc
        self.frames: list[np.ndarray] = []
        self.closed = 0
        self.opened.append(self)

    def send(self, frame: np.ndarray) -> None:
        if self.is_unplugged:
            raise RuntimeError("device is gone")
        self.frames.append(frame.reshape(self.size[1], self.size[0], 3).copy())

    def close(self) -> None:
        self.closed += 1

    def device(self) -> str:
        return self.name

    def native_fourcc(self) -> None:
        return None


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[LoopbackDevice]]:
    monkeypatch.setattr(pyvirtualcam.camera, "BACKENDS", {})
    monkeypatch.setattr(LoopbackDevice, "opened", [], raising=False)
    pyvirtualcam.register_backend("loopback", LoopbackDevice)
    return LoopbackDevice


def test_the_virtual_camera_gets_every_frame_in_the_first_ones_size(loopback: type[LoopbackDevice]):
    noise = np.random.default_rng(1).integers(0, 256, (36, 64, 3), dtype=np.uint8)
    with VirtualCamera("/dev/video7") as camera:
        camera.start(Fraction(25))
        camera.show(noise)
        camera.show(grey(90, 128, 72))
        camera.refresh()
    (device,) = loopback.opened
    assert (device.size, device.fps, device.closed) == ((64, 36), 25, 1)
    assert camera.label == "the virtual camera /dev/video7"
    assert (device.frames[0] == noise).all()
    assert (device.frames[1] == 90).all()


def test_odd_sizes_become_even(loopback: type[LoopbackDevice]):
    with VirtualCamera() as camera:
        camera.show(grey(90, 65, 37))
    assert loopback.opened[0].size == (64, 36)


def test_a_virtual_camera_that_goes_away(loopback: type[LoopbackDevice], monkeypatch: pytest.MonkeyPatch):
    with VirtualCamera() as camera:
        camera.show(grey(1))
        monkeypatch.setattr(loopback, "is_unplugged", True)
        with pytest.raises(OutputError, match="takes no more pictures"):
            camera.show(grey(2))
    assert loopback.opened[0].closed == 1


@pytest.mark.parametrize(("system", "remedy"), [("linux", "exclusive_caps=1"), ("darwin", "OBS Studio")])
def test_no_virtual_camera_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch, system: str, remedy: str):
    monkeypatch.setattr(pyvirtualcam.camera, "BACKENDS", {})
    monkeypatch.setattr(sinks, "_SYSTEM", system)
    with VirtualCamera() as camera, pytest.raises(OutputError, match=remedy):
        camera.show(grey(1))


def test_without_pyvirtualcam_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(MissingExtraError, match=r"clearcall\[virtual-camera\]"):
        VirtualCamera()


def written(path: Path) -> list[int]:
    with VideoSource(path) as source:
        assert source.info.rate == 10
        return [int(to_rgb(frame)[0, 0, 0]) for frame in source.frames()]


def record(path: Path, times: list[float], **options: bool) -> None:
    now = [0.0]
    with ClipFile(path, clock=lambda: now[0], **options) as clip:
        clip.start(Fraction(10))
        for number, moment in enumerate(times):
            now[0] = moment
            clip.show(grey(20 * number))


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ([0, 0.1, 0.2, 0.3], [0, 20, 40, 60]),
        ([0, 0.14, 0.16, 0.38, 0.41], [0, 20, 40, 60, 80]),
        ([0, 0.1, 0.4, 0.5], [0, 20, 40, 40, 60]),
        ([0, 0.01, 0.02, 0.03, 0.3], [0, 20, 80]),
    ],
    ids=["on time", "jitter", "a gap is filled", "a crowd is thinned"],
)
def test_a_clip_keeps_time(tmp_path: Path, times: list[float], shown: list[int]):
    record(tmp_path / "clip.mkv", times)
    assert written(tmp_path / "clip.mkv") == pytest.approx(shown, abs=3)


def test_frames_of_another_size_are_fitted_into_the_clip(tmp_path: Path):
    with ClipFile(tmp_path / "clip.mp4") as clip:
        clip.show(grey(100, 65, 37))
        clip.show(grey(100, 32, 18))
    with VideoSource(tmp_path / "clip.mp4") as source:
        assert (source.info.width, source.info.height) == (64, 36)


def test_a_clip_never_replaces_a_file_unasked(tmp_path: Path):
    path = tmp_path / "clip.mkv"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        record(path, [0])
    assert path.read_text() == "precious"
    record(path, [0], force=True)
    assert written(path)


def test_a_clip_that_fails_or_stays_empty_leaves_nothing(tmp_path: Path):
    with ClipFile(tmp_path / "empty.mp4"):
        pass
    with pytest.raises(ZeroDivisionError), ClipFile(tmp_path / "failed.mp4") as clip:
        clip.show(grey(1))
        raise ZeroDivisionError
    with pytest.raises(OutputError, match=r"use one of \.mp4"), ClipFile(tmp_path / "clip.gif"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("width", "height"), [(64, 36), (1280, 720)])
def test_y4m_is_what_ffmpeg_reads(width: int, height: int):
    now = [0.0]
    stream = io.BytesIO()
    with Y4MPipe(stream, clock=lambda: now[0]) as pipe:
        pipe.start(Fraction(30000, 1001))
        for number in range(3):
            now[0] = number * 1001 / 30000
            pipe.show(grey(80 * number, width, height))
        pipe.show(grey(0, 10, 10))
    stream.seek(0)
    with av.open(stream) as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)
    assert [(frame.width, frame.height) for frame in frames] == [(width, height)] * 4
    assert [int(to_rgb(frame)[0, 0, 0]) for frame in frames[:3]] == pytest.approx([0, 80, 160], abs=1)


def test_a_reader_that_ends_closes_the_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "wb", buffering=0)
    with stream, Y4MPipe(stream) as pipe, pytest.raises(SinkClosed, match="has ended"):
        pipe.show(grey(1))


@settings(deadline=None)
@given(
    width=st.integers(1, 80),
    height=st.integers(1, 80),
    new_width=st.integers(1, 80),
    new_height=st.integers(1, 80),
)
def test_fitting_gives_the_size_and_keeps_the_shape(width: int, height: int, new_width: int, new_height: int):
    fitted = fit(grey(255, width, height), new_width, new_height)
    assert fitted.shape == (new_height, new_width, 3)
    across = (fitted[:, :, 0] > 0).any(axis=0).sum()
    down = (fitted[:, :, 0] > 0).any(axis=1).sum()
    scale = min(new_width / width, new_height / height)
    assert abs(across - width * scale) <= 1
    assert abs(down - height * scale) <= 1
