"""Live sources: test pictures, files at their own pace, pipes, and cameras that fail in every way."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from clearcall.errors import InputError
from clearcall.media.video import VideoSink
from clearcall.runtime import camera
from clearcall.runtime.camera import open_source
from clearcall.runtime.pixels import to_frame
from clearcall.runtime.sink import Y4MPipe

GREYS = [0, 50, 100, 150, 200]
AV_OPEN = av.open


def grey(level: int, width: int = 64, height: int = 36) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def y4m(levels: list[int]) -> bytes:
    now = [0.0]
    stream = io.BytesIO()
    pipe = Y4MPipe(stream, clock=lambda: now[0])
    pipe.start(Fraction(25))
    for number, level in enumerate(levels):
        now[0] = number / 25
        pipe.show(grey(level))
    return stream.getvalue()


def jpegs_with_a_damaged_one(levels: list[int], damaged: int) -> bytes:
    stream = io.BytesIO()
    with av.open(stream, "w", format="matroska") as container:
        video = container.add_stream("mjpeg", 25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p"
        for number, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(grey(level, 64, 48), "rgb24")
            frame.pts = number
            for packet in video.encode(frame):
                if number == damaged:
                    broken = av.Packet(b"\xff\xd8\xff garbage")
                    broken.pts = broken.dts = packet.pts
                    broken.stream, broken.time_base = video, packet.time_base
                    container.mux(broken)
                else:
                    container.mux(packet)
    return stream.getvalue()


def levels_of(source: camera.LiveSource) -> list[int]:
    return [int(to_frame(pixels)[0, 0, 0]) for pixels in source.frames()]


@pytest.fixture
def feed(tmp_path: Path) -> Callable[[bytes], str]:
    """A named pipe into which a program writes some bytes, and ends."""

    def make(content: bytes) -> str:
        path = tmp_path / "pipe"
        os.mkfifo(path)
        threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
        return str(path)

    return make


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, str]]]:
    """Cameras of /dev that answer as told: an errno to fail with, or seconds of test picture."""

    def plug_in(**answers: Callable[[dict[str, str]], float | int]) -> list[dict[str, str]]:
        asked = []

        def fake_open(file: str, _: str, *, options: dict[str, str], **kind: str) -> av.container.InputContainer:
            asked.append({"file": file, **kind, **options})
            answer = answers[Path(file).name](options)
            if isinstance(answer, int):
                raise av.error.err_check(-answer, file) or AssertionError
            return AV_OPEN(f"testsrc2=size=64x36:duration={answer},format=yuv420p", format="lavfi")

        monkeypatch.setattr(camera, "list_cameras", lambda: [f"/dev/{name}" for name in answers])
        monkeypatch.setattr(camera.av, "open", fake_open)
        return asked

    return plug_in


def test_the_test_picture_comes_at_its_pace():
    started = time.monotonic()
    with open_source("test", size=(320, 180), rate=Fraction(50)) as source:
        first, *others = map(to_frame, islice(source.frames(), 6))
    assert time.monotonic() - started > 0.09
    assert (source.rate, source.is_endless) == (50, False)
    assert {frame.shape for frame in [first, *others]} == {(180, 320, 3)}
    assert (first != others[-1]).any()


def test_a_file_comes_whole_in_order_and_at_its_pace(tmp_path: Path):
    with VideoSink(tmp_path / "clip.mkv", width=64, height=36, rate=Fraction(30)) as sink:
        for level in GREYS:
            sink.write(grey(level))
    started = time.monotonic()
    with open_source(str(tmp_path / "clip.mkv")) as source:
        assert levels_of(source) == pytest.approx(GREYS, abs=2)
    assert source.rate == 30
    assert time.monotonic() - started > 0.13


def test_a_turned_ten_bit_file_comes_upright_in_eight_bits(tmp_path: Path):
    with av.open(str(tmp_path / "phone.mkv"), "w") as container:
        # x265 gives a single frame among B frames a decoding time of chance, which a container refuses now and then.
        stream = container.add_stream("libx265", 30, options={"x265-params": "log-level=none:bframes=0"})
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p10le"
        stream.set_display_rotation(90)
        left_white = grey(0, 128, 64)
        left_white[:, :64] = 255
        frame = av.VideoFrame.from_ndarray(left_white, "rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 30)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_source(str(tmp_path / "phone.mkv")) as source:
        upright = next(source.frames())
    assert (upright.shape, upright.dtype) == ((128, 64, 3), np.uint8)
    assert upright[:60].mean() < 5
    assert upright[-60:].mean() > 250


def test_planes_come_as_they_were_decoded(feed: Callable[[bytes], str]):
    with open_source(feed(y4m([9]))) as source:
        pixels = next(source.frames())
    assert isinstance(pixels, av.VideoFrame)
    assert pixels.format.name == "yuv420p"


def test_pictures_are_fitted_into_the_size_that_was_asked_for(feed: Callable[[bytes], str]):
    with open_source(feed(y4m([255])), size=(32, 32)) as source:
        frame = next(source.frames())
    assert frame.shape == (32, 32, 3)
    assert (frame[0, 16].tolist(), frame[16, 16].tolist()) == ([0, 0, 0], [255, 255, 255])


def test_a_pipe_that_closes_is_the_end(feed: Callable[[bytes], str]):
    with open_source(feed(y4m(GREYS))) as source:
        assert levels_of(source) == GREYS
    assert source.rate == 25


def test_a_pipe_that_breaks_off_within_a_frame_gives_the_whole_ones(feed: Callable[[bytes], str]):
    with open_source(feed(y4m(GREYS)[:-1000])) as source:
        assert levels_of(source) == GREYS[:-1]


def test_a_damaged_frame_is_passed_over(feed: Callable[[bytes], str]):
    with open_source(feed(jpegs_with_a_damaged_one(GREYS, damaged=1))) as source:
        assert levels_of(source) == pytest.approx([GREYS[0], *GREYS[2:]], abs=3)


def test_stopping_does_not_wait_for_the_next_frame():
    with open_source("test", size=(64, 36), rate=Fraction(1, 600)) as source:
        frames = source.frames()
        next(frames)
        threading.Timer(0.05, source.stop).start()
        assert list(frames) == []


def test_a_camera_is_asked_for_jpeg_in_the_wanted_mode_first(cameras):
    asked = cameras(video0=lambda options: errno.EINVAL if options else 0.1)
    with open_source(size=(640, 360), rate=Fraction(15)) as source:
        assert to_frame(next(source.frames())).shape == (36, 64, 3)
    assert asked[0] == {
        "file": "/dev/video0",
        "format": "v4l2",
        "video_size": "640x360",
        "framerate": "15",
        "input_format": "mjpeg",
    }
    assert [len(request) for request in asked] == [5, 4, 3, 2]
    assert source.label == "the camera /dev/video0"


def test_the_first_camera_that_works_is_taken(cameras):
    cameras(video0=lambda options: errno.ENODEV, video1=lambda options: 0.1)
    with open_source("camera") as source:
        assert source.label == "the camera /dev/video1"


def test_a_camera_that_sends_no_more_is_lost(cameras):
    cameras(video0=lambda options: 0.2)
    with open_source() as source, pytest.raises(InputError, match="The camera /dev/video0 was lost in the middle"):
        list(source.frames())
    assert source.is_endless


def test_a_camera_that_is_unplugged_is_lost(cameras, monkeypatch: pytest.MonkeyPatch):
    def unplugged(container, stream):
        yield from list(container.demux(stream))[:2]
        raise av.error.OSError(errno.ENODEV, "No such device")

    cameras(video0=lambda options: 0.2)
    monkeypatch.setattr(camera, "_demux", unplugged)
    with open_source() as source, pytest.raises(InputError, match=r"No such device.*plug it in"):
        list(source.frames())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "may not be used: add yourself to the group video"),
        (errno.EBUSY, "in use by another program; close that one"),
        (errno.ENODEV, "There is no camera /dev/video0; cameras here: /dev/video0"),
        (errno.ENOTTY, "is not a camera"),
        (errno.EIO, "can't be opened (Input/output error); unplug it"),
    ],
)
def test_why_a_camera_does_not_open(cameras, number: int, words: str):
    cameras(video0=lambda options: number)
    with pytest.raises(InputError) as caught:
        open_source("camera:/dev/video0")
    assert words in str(caught.value)


def test_no_camera_at_all(cameras):
    cameras()
    with pytest.raises(InputError, match="No camera was found; plug one in"):
        open_source()


def test_real_devices_that_are_none(tmp_path: Path):
    (tmp_path / "file").write_text("no camera")
    with pytest.raises(InputError, match="There is no camera"):
        open_source(f"camera:{tmp_path / 'absent'}")
    with pytest.raises(InputError, match="is not a camera"):
        open_source(f"camera:{tmp_path / 'file'}")


def test_no_screen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(InputError, match="DISPLAY is not set"):
        open_source("screen")
    with pytest.raises(InputError, match="The screen :9876 can't be taken"):
        open_source("screen::9876")


def test_what_is_no_video(feed: Callable[[bytes], str], tmp_path: Path):
    with pytest.raises(InputError, match="There is no file"):
        open_source(str(tmp_path / "absent.mp4"))
    with pytest.raises(InputError, match="gives no video that can be read"):
        open_source(feed(b"no video" * 1000))


@pytest.mark.parametrize(("system", "words"), [("darwin", "System Settings"), ("win32", "desktop apps")])
def test_permission_on_other_systems(cameras, monkeypatch: pytest.MonkeyPatch, system: str, words: str):
    monkeypatch.setattr(camera, "_SYSTEM", system)
    asked = cameras(**{"none": lambda options: errno.EIO, "video=Integrated": lambda options: errno.EIO})
    monkeypatch.setattr(camera, "_camera", lambda name: camera._Device("none", "fake", f"the camera {name}"))
    with pytest.raises(InputError, match=words):
        open_source("camera:0")
    assert "input_format" not in asked[0]


def test_a_device_that_is_not_ready_yet_is_asked_again():
    class Container:
        answers = iter([av.error.BlockingIOError(errno.EAGAIN, "not yet"), ["packet"]])

        def demux(self, _):
            answer = next(self.answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

    assert list(camera._demux(Container(), None)) == ["packet"]
