"""The live core: frames of a call are sharpened as they come, and the newest always wins.

WebRTC sessions, ``clearcall live`` and others are thin adapters over ``LiveStream``. Work is done in one thread a
stream; a frame that comes while another is worked on waits in a mailbox of one, so delay never grows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from clearcall.bundle import Card, bundled_models, read_bundle
from clearcall.errors import ClearcallError
from clearcall.runtime.ladder import Ladder
from clearcall.runtime.loading import load
from clearcall.runtime.mailbox import Mailbox
from clearcall.runtime.pixels import Pixels, Shape, sharpen_pixels
from clearcall.runtime.sharpener import check_strength
from clearcall.runtime.shelf import SharpensLive, Shelf

PASS_THROUGH = "pass-through"  # noqa: S105 - not a password
"""What ``LiveStats.running`` says while frames go on as they came."""

STAGES: Final = ("wait", "unpack", "sharpen", "deliver")
"""What a frame goes through: the mailbox, to pixels, the model, and out again."""

_SMOOTHING: Final = 0.1
_LATE_FRAMES: Final = 1.5
"""A frame is late when it took longer than one and a half frame intervals."""
_MIN_LATE: Final = 0.03
_MAX_INTERVAL: Final = 0.2
_STOP_SECONDS: Final = 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class LiveStats:
    """The state of a stream at one moment.

    Attributes:
        frames_in: Frames submitted.
        frames_out: Frames delivered, sharpened or not.
        frames_dropped: Frames that a newer one replaced before their turn came.
        frames_sharpened: Frames delivered that a model sharpened.
        stage_ms: Milliseconds a frame in each of ``STAGES``, smoothed over about ten frames.
        stage_seconds: Seconds spent in each of ``STAGES`` since the start.
        latency_ms: Milliseconds from submission to delivery, smoothed.
        level: Step of the overload ladder: 0 is the model that was asked for.
        running: The model that ran last, or ``PASS_THROUGH``.
        model: The model that was asked for.
        strength: From 0 to 2.
        size: Width and height of the latest frame that was sharpened.
        message: The latest thing that a person should know, or an empty string.
    """

    frames_in: int
    frames_out: int
    frames_dropped: int
    frames_sharpened: int
    stage_ms: Mapping[str, float]
    stage_seconds: Mapping[str, float]
    latency_ms: float
    level: int
    running: str
    model: str
    strength: float
    size: tuple[int, int] | None
    message: str


@dataclass
class _Tally:
    frames_in: int = 0
    frames_out: int = 0
    frames_dropped: int = 0
    frames_sharpened: int = 0
    stage_ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    stage_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    latency_ms: float = 0.0

    def add(self, stages: dict[str, float]) -> None:
        """Count a delivered frame and its seconds in each stage."""
        weight = 1.0 if self.frames_out == 0 else _SMOOTHING
        self.frames_out += 1
        for stage, seconds in stages.items():
            self.stage_seconds[stage] += seconds
            self.stage_ms[stage] += weight * (1e3 * seconds - self.stage_ms[stage])
        self.latency_ms += weight * (1e3 * sum(stages.values()) - self.latency_ms)


class _Laps:
    """Seconds between marks."""

    def __init__(self, clock: Callable[[], float], start: float) -> None:
        self._clock = clock
        self.now = start
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def mark(self, stage: str) -> None:
        """Count the time since the last mark for a stage."""
        before, self.now = self.now, self._clock()
        self.seconds[stage] += self.now - before


class LiveStream(Generic[T]):
    """Sharpens the frames of one call in a thread of its own; the newest frame wins.

    When frames are late time and again, the next lighter model takes over, and at the end of the ladder the original
    picture; the better one comes back after a quiet spell. While a model is loaded, or compiled for a new frame size,
    the original picture goes on. A model that fails is left out with a message, and the call goes on.

    Args:
        deliver: Called in the stream's thread with each submitted item and its sharpened pixels, of the kind that
            ``to_pixels`` gave, or None when the original should go on. What it raises ends the stream; see
            ``failure``.
        to_pixels: Gives the pixels of an item: uint8 HWC RGB, or a frame of 8-bit 4:2:0 planes, which is faster (see
            ``clearcall.runtime.pixels``); called in the stream's thread.
        model: Name of a bundled model, or the folder of a bundle.
        strength: From 0 (original) over 1 (the model's output) to 2 (exaggerated).
        on_message: Called in the stream's thread with a sentence for a person when something changes.
        load_model: Loads a model by name; called in a thread of its own.
        rungs: Names the models of the ladder, best first, for the one that was asked for.
        clock: Seconds that only go forward.

    Raises:
        InputError: The strength is out of range.

    Example:
        >>> import queue
        >>> import numpy as np
        >>> delivered = queue.SimpleQueue()
        >>> with LiveStream(lambda item, sharp: delivered.put(item), to_pixels=lambda item: item) as stream:
        ...     stream.submit(np.full((32, 32, 3), 128, np.uint8))
        ...     delivered.get(timeout=20).shape
        (32, 32, 3)
    """

    def __init__(
        self,
        deliver: Callable[[T, Pixels | None], None],
        *,
        to_pixels: Callable[[T], Pixels],
        model: str | Path = "small",
        strength: float = 1.0,
        on_message: Callable[[str], None] | None = None,
        load_model: Callable[[str], SharpensLive] = load,
        rungs: Callable[[str], list[str]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_strength(strength)
        self._deliver = deliver
        self._to_pixels = to_pixels
        self._on_message = on_message
        self._shelf = Shelf(load_model)
        self._rungs_of = rungs or lighter_models
        self._clock = clock
        self._lock = threading.Lock()
        self._mailbox = Mailbox[tuple[T, float]]()
        self._tally = _Tally()
        self._interval = _MAX_INTERVAL
        self._last_submit: float | None = None
        self._wanted, self._strength = str(model), strength
        self._climbed_for: str | None = None
        self._rungs: list[str] = []
        self._ladder = Ladder(0)
        self._applied = strength
        self._running, self._message = PASS_THROUGH, ""
        self._size: tuple[int, int] | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="clearcall-live", daemon=True)
        self._thread.start()

    def prepare(self, pixels: Pixels) -> None:
        """Wait until the model is ready for pixels of a kind and size, so that the first frame is sharpened, too.

        To be called before the first ``submit``. A model that fails is left out when a frame comes.

        Args:
            pixels: Like those to come.
        """
        self._follow_model()
        name = self._model_now()
        if name is not None and self._strength:
            with suppress(Exception):
                self._shelf.find(name, Shape.of(pixels), self._strength, wait=True)

    def submit(self, item: T) -> None:
        """Hand over a frame; never waits. An earlier one that is still waiting is dropped.

        Args:
            item: What ``to_pixels`` and ``deliver`` understand; it must not be changed afterwards.
        """
        now = self._clock()
        with self._lock:
            self._tally.frames_in += 1
            if self._last_submit is not None:
                gap = min(now - self._last_submit, _MAX_INTERVAL)
                self._interval += _SMOOTHING * (gap - self._interval)
            self._last_submit = now
            self._tally.frames_dropped += self._mailbox.put((item, now))

    def change(self, *, model: str | Path | None = None, strength: float | None = None) -> None:
        """Use another model or strength from the next frame on.

        Args:
            model: As in the constructor; until it is loaded, the original goes on.
            strength: As in the constructor.

        Raises:
            InputError: The strength is out of range.
        """
        if strength is not None:
            check_strength(strength)
        with self._lock:
            self._wanted = self._wanted if model is None else str(model)
            self._strength = self._strength if strength is None else strength

    def stats(self) -> LiveStats:
        """Counters and state at this moment."""
        with self._lock:
            tally = self._tally
            return LiveStats(
                frames_in=tally.frames_in,
                frames_out=tally.frames_out,
                frames_dropped=tally.frames_dropped,
                frames_sharpened=tally.frames_sharpened,
                stage_ms=dict(tally.stage_ms),
                stage_seconds=dict(tally.stage_seconds),
                latency_ms=tally.latency_ms,
                level=self._ladder.level,
                running=self._running,
                model=self._wanted,
                strength=self._strength,
                size=self._size,
                message=self._message,
            )

    @property
    def failure(self) -> BaseException | None:
        """What ``deliver`` raised, which ended the stream; None while all is well."""
        return self._failure

    def stop(self) -> None:
        """End the stream: nothing is delivered once this returns (or, from its own thread, after ``deliver``)."""
        with self._lock:
            self._tally.frames_dropped += self._mailbox.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(_STOP_SECONDS)
            self._shelf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _work(self) -> None:
        while (entry := self._mailbox.take()) is not None:
            try:
                self._pass_on(*entry)
            except BaseException as error:
                self._failure = error
                self._mailbox.close()

    def _pass_on(self, item: T, submitted: float) -> None:
        """Sharpen an item, deliver it, and take note of the time it took."""
        laps = _Laps(self._clock, submitted)
        laps.mark("wait")
        self._follow_model()
        sharp, self._running = self._sharpen(item, laps)
        self._deliver(item, sharp)
        laps.mark("deliver")
        with self._lock:
            self._tally.add(laps.seconds)
            self._tally.frames_sharpened += sharp is not None
            late_after = max(_LATE_FRAMES * self._interval, _MIN_LATE)
        self._climb((laps.now - submitted) / late_after, now=laps.now)

    def _sharpen(self, item: T, laps: _Laps) -> tuple[Pixels | None, str]:
        """Sharpen by the ladder's model, and name it; None when the original should go on."""
        name, strength = self._model_now(), self._strength
        if name is None or strength == 0:
            return None, PASS_THROUGH
        try:
            pixels = self._to_pixels(item)
        except Exception as error:
            self._say(f"A frame can't be sharpened, the original goes on: {_reason(error)}")
            return None, PASS_THROUGH
        laps.mark("unpack")
        shape = Shape.of(pixels)
        self._size = (shape.width, shape.height)
        try:
            sharp = self._apply(name, pixels, shape, strength)
        except Exception as error:
            self._leave_out(name, error)
            return None, PASS_THROUGH
        laps.mark("sharpen")
        return sharp, PASS_THROUGH if sharp is None else name

    def _apply(self, name: str, pixels: Pixels, shape: Shape, strength: float) -> Pixels | None:
        """Sharpen by a model; None while it isn't ready. While it isn't for a new strength, the one before stays."""
        for applied in dict.fromkeys((strength, self._applied)):
            model = self._shelf.find_for(name, pixels, applied)
            if model is not None:
                self._applied = applied
                return sharpen_pixels(model, pixels, shape, applied)
        return None

    def _model_now(self) -> str | None:
        level = self._ladder.level
        return self._rungs[level] if level < len(self._rungs) else None

    def _follow_model(self) -> None:
        """Start a new ladder when another model was asked for."""
        wanted = self._wanted
        if wanted == self._climbed_for:
            return
        self._climbed_for = wanted
        try:
            self._rungs = self._rungs_of(wanted)
        except ClearcallError as error:
            self._rungs = []
            self._say(f"The original picture goes on: {error}")
        self._shelf.keep(self._rungs)
        self._ladder = Ladder(len(self._rungs))

    def _leave_out(self, name: str, error: Exception) -> None:
        """Go on without a model that failed."""
        self._rungs = [rung for rung in self._rungs if rung != name]
        self._shelf.keep(self._rungs)
        self._ladder = Ladder(len(self._rungs))
        instead = self._rungs[0] if self._rungs else "the original picture"
        self._say(f"The model {name} failed, {instead} goes on: {_reason(error)}")

    def _climb(self, lateness: float, now: float) -> None:
        before = self._ladder.level
        after = self._ladder.observe(late=lateness > 1, now=now, weight=int(lateness))
        if after == before:
            return
        names = [*self._rungs, "the original picture"]
        if after > before:
            self._say(f"This computer can't keep up with {names[before]}; {names[after]} takes over for now.")
        else:
            self._say(f"There is time again: {names[after]} is back.")

    def _say(self, message: str) -> None:
        repeated, self._message = message == self._message, message
        if self._on_message is not None and not repeated:
            self._on_message(message)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ClearcallError) else f"{type(error).__name__}: {error}"


def lighter_models(model: str) -> list[str]:
    """The models of an overload ladder: the one asked for, then the bundled ones that cost less, dearest first.

    A model of pairs, as that for motion blur is, takes over from no other: it wasn't trained for links.

    Args:
        model: Name of a bundled model, or the folder of a bundle.

    Returns:
        Names for ``clearcall.load``; the first is ``model``.

    Raises:
        BundleError: A bundle that is damaged.

    Example:
        >>> lighter_models("small")[0]
        'small'
    """
    cards = {name: read_bundle(folder).card for name, folder in bundled_models().items()}
    if model not in cards and not Path(model).is_dir():
        return [model]
    cost = _cost(cards[model] if model in cards else read_bundle(Path(model)).card)
    lighter = [name for name, card in cards.items() if name != model and _cost(card) < cost and _knows_links(card)]
    return [model, *sorted(lighter, key=lambda name: _cost(cards[name]), reverse=True)]


def _knows_links(card: Card) -> bool:
    return card.training.get("source") != "paired"


def _cost(card: Card) -> float:
    """Multiplications a pixel: every weight is used once at each position of the strided grid."""
    return card.parameters / card.student.get("stride", 1) ** 2
