"""The live core, with a made-up clock and sharpener; the real model in one test."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import pytest

import clearcall
from clearcall.errors import BundleError, InputError
from clearcall.frame import Frame
from clearcall.media.colour import Colours
from clearcall.runtime.stream import PASS_THROUGH, LiveStream, lighter_models

PATIENCE = 20.0


class Clock:
    """Goes forward only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeModel:
    """Inverts a frame, and lets the clock go on by its cost."""

    clock: Clock
    seconds: float = 0.0
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)
    strengths: list[float] = field(default_factory=list)
    fails: bool = False
    compiling: threading.Event | None = None
    prepared: set[tuple[int, int, bool]] | None = None

    def is_ready(self, width: int, height: int, strength: float = 1.0, *, colours: Colours | None = None) -> bool:
        return self.prepared is None or (width, height, strength != 1) in self.prepared

    def prepare(self, width: int, height: int, strength: float = 1.0, *, colours: Colours | None = None) -> None:
        if self.is_ready(width, height, strength):
            return
        assert self.compiling is None or self.compiling.wait(PATIENCE)
        if self.prepared is not None:
            self.prepared.add((width, height, strength != 1))

    def sharpen(self, frame: Frame, strength: float = 1.0) -> Frame:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(PATIENCE)
        if self.fails:
            raise RuntimeError("the network is on fire")
        self.strengths.append(strength)
        self.clock.now += self.seconds
        return 255 - frame


class Call:
    """A stream with everything made up; ``send`` waits for the frame's delivery."""

    def __init__(self, models: dict[str, FakeModel], clock: Clock, **options: object) -> None:
        self.clock = clock
        self.sent = clock.now
        self.messages: list[str] = []
        self.delivered: queue.SimpleQueue[tuple[Frame, Frame | None]] = queue.SimpleQueue()
        settings: dict[str, object] = {
            "to_pixels": lambda item: item,
            "model": next(iter(models)),
            "on_message": self.messages.append,
            "load_model": models.__getitem__,
            "rungs": lambda name: [name, *(other for other in models if other > name)],
            "clock": clock,
        }
        self.stream: LiveStream[Frame] = LiveStream(
            lambda item, sharp: self.delivered.put((item, sharp)),
            **{**settings, **options},  # type: ignore[arg-type]
        )
        self.stream.prepare(np.zeros((4, 6, 3), np.uint8))

    def send(self, value: int = 0, size: tuple[int, int] = (4, 6)) -> Frame | None:
        self.sent += 1 / 30
        self.clock.now = self.sent  # the camera goes on at its pace, whatever the model takes
        self.stream.submit(np.full((*size, 3), value, np.uint8))
        sharp = self.delivered.get(timeout=PATIENCE)[1]
        while self.stream.stats().frames_out < self.stream.stats().frames_in:
            threading.Event().wait(0)  # the frame is delivered a moment before it is counted
        return sharp

    def settle(self) -> None:
        """Wait until whatever is being loaded or compiled in the background is ready."""
        self.stream._shelf._join()


Start = Callable[..., Call]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start() -> Iterator[Start]:
    calls: list[Call] = []

    def begin(models: dict[str, FakeModel], clock: Clock, **options: object) -> Call:
        calls.append(Call(models, clock, **options))
        return calls[-1]

    yield begin
    for call in calls:
        call.stream.stop()


def test_frames_come_back_sharpened_and_are_counted(start: Start, clock: Clock) -> None:
    call = start({"a": FakeModel(clock, 0.01)}, clock)
    for value in range(5):
        sharp = call.send(value)
        assert sharp is not None
        assert sharp[0, 0, 0] == 255 - value
    call.stream.stop()
    stats = call.stream.stats()
    assert (stats.frames_in, stats.frames_out, stats.frames_dropped, stats.frames_sharpened) == (5, 5, 0, 5)
    assert stats.stage_ms["sharpen"] == pytest.approx(10.0)
    assert stats.stage_seconds["sharpen"] == pytest.approx(0.05)
    assert stats.latency_ms == pytest.approx(10.0)
    assert (stats.running, stats.level, stats.size, stats.message) == ("a", 0, (6, 4), "")


def test_newest_frame_wins_and_nothing_piles_up(start: Start, clock: Clock) -> None:
    gate = threading.Event()
    model = FakeModel(clock, gate=gate)
    call = start({"a": model}, clock)
    call.stream.submit(np.full((2, 2, 3), 1, np.uint8))
    assert model.entered.wait(PATIENCE)
    for value in range(2, 52):
        call.stream.submit(np.full((2, 2, 3), value, np.uint8))
    gate.set()
    first, second = (call.delivered.get(timeout=PATIENCE)[0][0, 0, 0] for _ in range(2))
    call.stream.stop()
    assert (first, second) == (1, 51)
    assert call.delivered.empty()
    stats = call.stream.stats()
    assert (stats.frames_in, stats.frames_out, stats.frames_dropped) == (51, 2, 49)


def test_overload_goes_down_the_ladder_and_comes_back_after_quiet(start: Start, clock: Clock) -> None:
    heavy, light = FakeModel(clock, 0.2), FakeModel(clock, 0.1)
    call = start({"a": heavy, "b": light}, clock)
    seen = []
    for _ in range(60):
        call.send()
        call.settle()
        seen.append(call.stream.stats().running)
    assert [name for name, _ in groupby(seen)] == ["a", PASS_THROUGH, "b", PASS_THROUGH], "b is loaded when needed"
    assert call.send(7) is None
    heavy.seconds = light.seconds = 0.001
    for _ in range(30 * 30):
        call.send()
    assert call.stream.stats().running == "a"
    assert "can't keep up with a; b takes over" in call.messages[0]
    assert "can't keep up with b; the original picture takes over" in call.messages[1]
    assert "b is back" in call.messages[2]
    assert "a is back" in call.messages[3]


def test_model_in_time_stays(start: Start, clock: Clock) -> None:
    call = start({"a": FakeModel(clock, 0.012)}, clock)
    for _ in range(300):
        assert call.send() is not None
    assert call.messages == []


def test_lighter_models_are_loaded_only_when_they_are_needed(start: Start, clock: Clock) -> None:
    models = {"a": FakeModel(clock, 0.2), "b": FakeModel(clock, 0.01), "c": FakeModel(clock)}
    loaded: list[str] = []

    def load(name: str) -> FakeModel:
        loaded.append(name)
        return models[name]

    call = start(models, clock, load_model=load)
    call.send()
    assert loaded == ["a"]
    for _ in range(60):
        call.send()
        call.settle()
    assert loaded == ["a", "b"]
    assert call.stream.stats().running == "b"


def test_while_a_model_compiles_for_a_new_size_the_original_goes_on(start: Start, clock: Clock) -> None:
    model = FakeModel(clock, compiling=threading.Event(), prepared={(6, 4, False)})
    call = start({"a": model}, clock)
    assert call.send() is not None
    for value in range(20):
        assert call.send(value, size=(8, 10)) is None
        assert call.stream.stats().running == PASS_THROUGH
    assert call.send() is not None, "the size before is still at hand"
    model.compiling.set()
    call.settle()
    sharp = call.send(3, size=(8, 10))
    assert sharp is not None
    assert (sharp.shape, sharp[0, 0, 0]) == ((8, 10, 3), 252)
    assert (call.messages, call.stream.stats().frames_dropped) == ([], 0)


def test_while_a_model_compiles_for_a_strength_the_one_before_stays(start: Start, clock: Clock) -> None:
    model = FakeModel(clock, compiling=threading.Event(), prepared={(6, 4, False)})
    call = start({"a": model}, clock)
    call.send()
    call.stream.change(strength=0.5)
    assert call.send() is not None
    model.compiling.set()
    call.settle()
    call.send()
    assert model.strengths == [1.0, 1.0, 0.5]


def test_real_model_compiles_in_the_background_and_the_stream_goes_on() -> None:
    """The real model, whose compiling is held up: frames of two sizes go on all the while."""
    model = clearcall.load("small", threads=1)
    held, begun = threading.Event(), threading.Event()
    compile_model = model._engine._compile  # type: ignore[attr-defined]

    def hold(*size: object, blended: object) -> object:
        begun.set()
        assert held.wait(PATIENCE)
        return compile_model(*size, blended=blended)

    delivered: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
    with LiveStream[Frame](
        lambda _item, sharp: delivered.put(sharp), to_pixels=lambda item: item, load_model=lambda _: model
    ) as stream:

        def send(frame: Frame) -> Frame | None:
            stream.submit(frame)
            return delivered.get(timeout=PATIENCE)

        small, large = np.full((32, 48, 3), 90, np.uint8), np.full((64, 96, 3), 90, np.uint8)
        stream.prepare(small)
        assert send(small) is not None
        model._engine._compile = hold  # type: ignore[attr-defined]
        assert send(large) is None
        assert begun.wait(PATIENCE)
        assert send(large) is None
        assert send(small) is not None
        held.set()
        stream._shelf._join()
        assert send(large) is not None


def test_frames_that_a_model_is_late_for_count_from_its_first(start: Start, clock: Clock) -> None:
    call = start({"a": FakeModel(clock, 0.012, prepared=set())}, clock)
    for width in range(2, 32):
        call.send(size=(2, width))
        call.settle()
        assert call.send(size=(2, width)) is not None
    assert call.messages == []


def test_resolution_change_is_followed(start: Start, clock: Clock) -> None:
    call = start({"a": FakeModel(clock)}, clock)
    for size in ((4, 6), (9, 16), (3, 5), (4, 6)):
        sharp = call.send(size=size)
        assert sharp is not None
        assert sharp.shape == (*size, 3)
        assert call.stream.stats().size == size[::-1]


def test_model_and_strength_change_at_any_time(start: Start, clock: Clock) -> None:
    first, second = FakeModel(clock), FakeModel(clock)
    call = start({"a": first, "b": second}, clock)
    call.send()
    call.stream.change(strength=0.5)
    call.send()
    call.stream.change(model="b")
    assert call.send() is None, "b is being loaded"
    call.settle()
    call.send()
    assert (first.strengths, second.strengths) == ([1.0, 0.5], [0.5])
    call.stream.change(strength=0)
    assert call.send() is None
    with pytest.raises(InputError, match="strength"):
        call.stream.change(strength=2.5)
    with pytest.raises(InputError, match="strength"):
        LiveStream[Frame](lambda *_: None, to_pixels=lambda item: item, strength=-1)


def test_failing_model_is_left_out_with_a_message_and_the_call_goes_on(start: Start, clock: Clock) -> None:
    call = start({"a": FakeModel(clock, fails=True), "b": FakeModel(clock)}, clock)
    assert call.send() is None
    assert call.send() is None, "b is being loaded"
    call.settle()
    assert call.send() is not None
    assert call.messages == ["The model a failed, b goes on: RuntimeError: the network is on fire"]


def test_model_that_cannot_be_loaded_leaves_the_original(start: Start, clock: Clock) -> None:
    def refuse(name: str) -> FakeModel:
        raise BundleError(f"There is no model {name}.")

    call = start({"a": FakeModel(clock)}, clock, load_model=refuse)
    assert call.send() is None
    call.settle()
    assert call.send() is None
    assert call.messages == ["The model a failed, the original picture goes on: There is no model a."]


def test_unknown_model_says_so_with_the_real_loader() -> None:
    messages: list[str] = []
    delivered: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
    with LiveStream[Frame](
        lambda _item, sharp: delivered.put(sharp), to_pixels=lambda item: item, model="smal", on_message=messages.append
    ) as stream:
        for _ in range(2):
            stream.submit(np.zeros((4, 4, 3), np.uint8))
            assert delivered.get(timeout=PATIENCE) is None
            stream._shelf._join()
    assert "the nearest is small" in messages[0]


def test_frame_that_cannot_be_read_passes(start: Start, clock: Clock) -> None:
    def unreadable(_: Frame) -> Frame:
        raise ValueError("odd planes")

    call = start({"a": FakeModel(clock)}, clock, to_pixels=unreadable)
    assert call.send() is None
    assert "odd planes" in call.messages[0]


def test_failing_delivery_ends_the_stream(clock: Clock) -> None:
    def broken(_item: Frame, _sharp: Frame | None) -> None:
        raise OSError("the window is gone")

    stream = LiveStream[Frame](broken, to_pixels=lambda item: item, load_model=lambda _: FakeModel(clock))
    stream.submit(np.zeros((4, 4, 3), np.uint8))
    stream._thread.join(PATIENCE)
    assert isinstance(stream.failure, OSError)
    stream.submit(np.zeros((4, 4, 3), np.uint8))
    stream.stop()
    assert stream.stats().frames_out == 0


def test_stop_is_clean_and_can_be_repeated(start: Start, clock: Clock) -> None:
    call = start({"a": FakeModel(clock)}, clock)
    call.send()
    call.stream.stop()
    call.stream.stop()
    call.stream.submit(np.zeros((4, 4, 3), np.uint8))
    assert call.delivered.empty()
    assert not call.stream._thread.is_alive()
    assert call.stream.stats().frames_dropped == 1


def test_models_are_freed_when_the_stream_ends(clock: Clock) -> None:
    """Whoever still holds the stream, as a session's callbacks do, doesn't hold megabytes of compiled graphs."""
    loaded: list[weakref.ref[FakeModel]] = []

    def load(_: str) -> FakeModel:
        model = FakeModel(clock)
        loaded.append(weakref.ref(model))
        return model

    call = Call({"a": FakeModel(clock)}, clock, load_model=load)
    assert call.send() is not None
    assert loaded[0]() is not None
    call.stream.stop()
    assert loaded[0]() is None


def test_real_model_gives_what_sharpen_gives() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
    delivered: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
    with LiveStream[Frame](
        lambda _item, sharp: delivered.put(sharp), to_pixels=lambda item: item, model="large", strength=0.7
    ) as stream:
        stream.prepare(frame)
        stream.submit(frame)
        sharp = delivered.get(timeout=PATIENCE)
    assert sharp is not None
    np.testing.assert_array_equal(sharp, clearcall.load("large").sharpen(frame, 0.7))


def test_ladder_of_bundled_models_starts_with_the_one_asked_for() -> None:
    assert lighter_models("small")[0] == "small"
    assert lighter_models("no such model") == ["no such model"]


def test_only_models_of_links_take_over() -> None:
    assert lighter_models("large") == ["large", "small", "nano"]
    assert lighter_models("deblur") == ["deblur", "small", "nano"]


def test_models_load_in_many_threads_at_once() -> None:
    frame = np.zeros((16, 16, 3), np.uint8)
    shapes: list[tuple[int, ...]] = []
    threads = [
        threading.Thread(target=lambda: shapes.append(clearcall.load("small", threads=1).sharpen(frame).shape))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 3)
    assert shapes == [frame.shape] * 4
