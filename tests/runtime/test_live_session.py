"""A live session from source to sink: frames, ends, lost cameras, failing models; with the bundled model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import clearcall
from clearcall.errors import BundleError, InputError, RecipeError
from clearcall.media.colour import Colours, from_planes, to_planes, to_rgb
from clearcall.media.video import VideoSink
from clearcall.runtime import live
from clearcall.runtime.camera import open_source
from clearcall.runtime.live import LiveSession, LiveStatus
from clearcall.runtime.sink import SinkClosed

WAIT = 60.0
SHARP = clearcall.load("small")


def noise(seed: int, width: int = 64, height: int = 36) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Source:
    """Frames that the test hands out; ends, or is lost, when told."""

    label = "the camera under test"
    rate = Fraction(25)

    def __init__(
        self, frames: list[np.ndarray], *, is_endless: bool = False, lost: bool = False, holds: bool = False
    ) -> None:
        self._frames, self.is_endless, self._lost, self._holds = frames, is_endless, lost, holds
        self.stopped = threading.Event()
        self.closed = False

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def stop(self) -> None:
        self.stopped.set()

    def frames(self) -> Iterator[np.ndarray]:
        yield from self._frames
        if self._lost:
            raise InputError("The camera under test was lost in the middle (No such device); plug it in again.")
        if self._holds:
            assert self.stopped.wait(WAIT)


class Still(Source):
    """A camera that sends the same frame again and again."""

    def __init__(self, frame: np.ndarray) -> None:
        super().__init__([frame], is_endless=True)

    def frames(self) -> Iterator[np.ndarray]:
        while not self.stopped.wait(0.01):
            yield self._frames[0]


class Sink:
    """Keeps what it is shown."""

    label = "the test"

    def __init__(self, on_show: Callable[[Sink], None] | None = None) -> None:
        self.frames: list[np.ndarray] = []
        self.rate: Fraction | None = None
        self.left_by: object = "not left"
        self._on_show = on_show

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.left_by = kind

    def start(self, rate: Fraction) -> None:
        self.rate = rate

    def show(self, frame: np.ndarray) -> None:
        self.frames.append(frame)
        if self._on_show is not None:
            self._on_show(self)

    def refresh(self) -> None:
        pass


def sharpened(frame: av.VideoFrame) -> np.ndarray:
    """What the planes of a decoded frame become, as RGB."""
    colours = Colours.of(frame)
    return to_rgb(from_planes(*SHARP.sharpen_yuv(*to_planes(frame), colours=colours), colours))


def test_a_file_goes_through_sharpened_to_its_last_frame(tmp_path: Path):
    with VideoSink(tmp_path / "call.mkv", width=64, height=36, rate=Fraction(20)) as clip:
        for seed in range(6):
            clip.write(noise(seed))
    with open_source(str(tmp_path / "call.mkv")) as source:
        expected = [sharpened(frame) for frame in source.frames()]
    sink = Sink()
    statuses: list[LiveStatus] = []
    summary = LiveSession(lambda: open_source(str(tmp_path / "call.mkv"))).run(sink, on_status=statuses.append)
    assert all(any((frame == sharp).all() for sharp in expected) for frame in sink.frames)
    assert (sink.frames[-1] == expected[-1]).all()
    assert (summary.shown + summary.dropped, summary.shown) == (6, len(sink.frames))
    assert (summary.sharpened >= summary.shown, summary.running, summary.level) == (True, "small", 0)
    assert (summary.size, summary.ended, summary.error) == ((64, 36), "the source has ended", None)
    assert sink.rate == 20
    assert sink.left_by is None
    assert summary.real_time_factor == pytest.approx(summary.frame_ms / 1000 * 20)


def test_other_sizes_in_the_middle_are_followed():
    sizes = [noise(1), noise(2, 33, 21)]
    expected = SHARP.sharpen(sizes[1])

    class Turned(Still):
        def frames(self) -> Iterator[np.ndarray]:
            yield sizes[0]
            yield from super().frames()

    def show(sink: Sink) -> None:
        if np.array_equal(sink.frames[-1], expected):
            raise SinkClosed("seen")

    sink = Sink(show)
    assert LiveSession(lambda: Turned(sizes[1])).run(sink, seconds=WAIT).ended == "seen"


def test_strength_zero_is_the_original():
    frame = noise(1)
    sink = Sink()
    summary = LiveSession(lambda: Source([frame]), strength=0).run(sink)
    assert (sink.frames[0] == frame).all()
    assert (summary.sharpened, summary.running) == (0, "pass-through")


def test_the_switch_between_sharp_and_original():
    # Models leave pure noise as it is, so there has to be something to sharpen.
    frame = np.asarray(Image.fromarray(noise(1, 32, 18)).resize((64, 36), Image.Resampling.BILINEAR))
    were_original = []

    def show(sink: Sink) -> None:
        were_original.append(bool((sink.frames[-1] == frame).all()))
        if were_original[-1] != were_original[0]:
            raise SinkClosed("seen")
        if len(were_original) == 1:
            session.toggle()

    session = LiveSession(lambda: Still(frame))
    assert session.run(Sink(show), seconds=WAIT).ended == "seen"
    assert (were_original[0], were_original[-1]) == (False, True)


def test_it_stops_after_the_seconds_given():
    source = Still(noise(1))
    summary = LiveSession(lambda: source).run(Sink(), seconds=0.3)
    assert summary.ended == "0.3 s are over"
    assert (source.closed, summary.error) == (True, None)


def test_closing_the_sink_ends_it_well():
    def close(_: Sink) -> None:
        raise SinkClosed("the window was closed")

    sink = Sink(close)
    summary = LiveSession(lambda: Still(noise(1))).run(sink)
    assert (summary.ended, sink.left_by) == ("the window was closed", None)
    assert (summary.shown, summary.seconds, summary.frame_rate) == (0, 0, 0)


def test_ctrl_c_ends_it_well():
    def interrupt(_: Sink) -> None:
        raise KeyboardInterrupt

    source, sink = Still(noise(1)), Sink(interrupt)
    summary = LiveSession(lambda: source).run(sink)
    assert (summary.ended, sink.left_by, source.closed) == ("interrupted", None, True)


def test_a_slow_sink_gets_the_newest_frame():
    frames = [noise(seed) for seed in range(20)]
    all_read = threading.Event()

    class Burst(Source):
        def frames(self) -> Iterator[np.ndarray]:
            yield from frames
            all_read.set()

    sink = Sink(lambda _: all_read.wait(WAIT))
    summary = LiveSession(lambda: Burst([]), strength=0).run(sink)
    assert (sink.frames[-1] == frames[-1]).all()
    assert summary.shown + summary.dropped == len(frames)


def test_a_lost_camera_that_comes_back():
    sources = iter([Source([noise(1)], is_endless=True, lost=True), InputError("busy"), Still(noise(2))])
    messages: list[str] = []

    def reopen() -> Source:
        source = next(sources)
        if isinstance(source, InputError):
            raise source
        return source

    def show(sink: Sink) -> None:
        if (sink.frames[-1] == noise(2)).all():
            raise SinkClosed("seen")

    summary = LiveSession(reopen, strength=0).run(Sink(show), seconds=WAIT, on_message=messages.append)
    assert (summary.ended, summary.error) == ("seen", None)
    assert messages == [
        "The camera under test was lost in the middle (No such device); plug it in again. Waiting for it for 30 s.",
        "The picture is back.",
    ]


def test_a_lost_camera_that_stays_away_ends_it_with_an_error_and_a_whole_recording():
    sink = Sink()
    sources = iter([Source([noise(1)], is_endless=True, lost=True)])

    def reopen() -> Source:
        for source in sources:
            return source
        raise InputError("There is no camera /dev/video0.")

    summary = LiveSession(reopen, lost_seconds=0.01).run(sink)
    assert (summary.shown, summary.ended) == (1, "the source has ended")
    assert "no camera" in str(summary.error)
    assert sink.left_by is None


def test_a_source_that_does_not_open_or_is_empty_is_an_error(monkeypatch: pytest.MonkeyPatch):
    def refuse() -> Source:
        raise InputError("There is no camera.")

    sink = Sink()
    with pytest.raises(InputError, match=r"There is no camera\."):
        LiveSession(refuse).run(sink)
    assert sink.left_by is InputError
    with pytest.raises(InputError, match="No picture came"):
        LiveSession(lambda: Source([])).run(Sink())
    monkeypatch.setattr(live, "_FIRST_FRAME_SECONDS", 0.0)
    with pytest.raises(InputError, match="No picture came"):
        LiveSession(lambda: Source([], holds=True)).run(Sink(), seconds=0.05)


def test_silence_is_told_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "_SILENCE_SECONDS", 0.02)
    messages: list[str] = []
    LiveSession(lambda: Source([noise(1)], holds=True)).run(Sink(), seconds=0.4, on_message=messages.append)
    assert sum("No picture has come" in message for message in messages) in {1, 2}


def test_a_model_that_fails_leaves_the_original_and_a_message(monkeypatch: pytest.MonkeyPatch):
    class Failing:
        def is_ready(self, *size: object, **colours: object) -> bool:
            return True

        def prepare(self, *size: object, **colours: object) -> None:
            raise AssertionError("it is ready")

        def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
            raise RuntimeError("out of order")

    monkeypatch.setattr(live, "load", lambda name, device: Failing())
    frame, sink = noise(1), Sink()
    messages: list[str] = []
    summary = LiveSession(lambda: Source([frame])).run(sink, on_message=messages.append)
    assert (sink.frames[0] == frame).all()
    assert (summary.sharpened, summary.error) == (0, None)
    assert "out of order" in messages[0]


def test_a_session_runs_on_the_device_that_was_asked_for(monkeypatch: pytest.MonkeyPatch):
    loaded = []

    def remembering(model: str, **options: str) -> clearcall.Sharpener:
        loaded.append(clearcall.load(model, **options))
        return loaded[-1]

    monkeypatch.setattr("clearcall.runtime.live.load", remembering)
    summary = LiveSession(lambda: Still(noise(1)), device="onnxruntime").run(Sink(), seconds=0.2)
    assert summary.sharpened > 0
    assert {sharpener.device.split()[0] for sharpener in loaded} == {"onnxruntime"}


def test_an_unknown_model_and_strength_are_refused_at_once():
    with pytest.raises(BundleError, match="nearest is small"):
        LiveSession(lambda: Still(noise(1)), model="smal")
    with pytest.raises(RecipeError, match="no device toaster"):
        LiveSession(lambda: Still(noise(1)), device="toaster")
    with pytest.raises(InputError, match="strength"):
        LiveSession(lambda: Still(noise(1)), strength=3).run(Sink())
