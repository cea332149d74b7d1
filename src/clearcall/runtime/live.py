"""``clearcall live``: from a source through the live core to a sink, until someone ends it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from clearcall.errors import ClearcallError, InputError
from clearcall.frame import Frame
from clearcall.runtime.camera import LiveSource
from clearcall.runtime.device import AUTO
from clearcall.runtime.loading import load
from clearcall.runtime.pixels import Pixels, to_frame
from clearcall.runtime.shelf import SharpensLive
from clearcall.runtime.sink import Sink, SinkClosed
from clearcall.runtime.stream import LiveStats, LiveStream

_TICK_SECONDS: Final = 0.02
_STATUS_SECONDS: Final = 0.5
_SILENCE_SECONDS: Final = 5.0
_FIRST_FRAME_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 0.5
_JOIN_SECONDS: Final = 2.0
_USUAL_RATE: Final = Fraction(30)
_MAX_RATE: Final = 240


@dataclass(frozen=True)
class LiveStatus:
    """How a live session goes.

    Attributes:
        seconds: Since the first frame.
        shown: Frames that the sink took.
        frame_rate: Frames per second that the sink took, lately (in a summary: over all).
        frame_ms: Milliseconds that a frame took to sharpen, lately (in a summary: on average).
        real_time_factor: Time to sharpen a frame over the time between frames; below 1 keeps up.
        dropped: Frames that a newer one replaced.
        sharpened: Frames that a model sharpened.
        running: The model that runs, or ``pass-through``.
        level: Step of the overload ladder; 0 is the model that was asked for.
        size: Width and height of the frames, once one came.
        ended: Why it ended, in words; empty while it goes on.
        error: What ended it, if it was an error.
    """

    seconds: float
    shown: int
    frame_rate: float
    frame_ms: float
    real_time_factor: float
    dropped: int
    sharpened: int
    running: str
    level: int
    size: tuple[int, int] | None
    ended: str = ""
    error: Exception | None = None


class LiveSession:
    """Runs one source into one sink.

    Args:
        open_source: Opens the source; called in the thread that reads it, and again when a camera was lost.
        model: Name of a bundled model, or the folder of a bundle.
        strength: From 0 (original) over 1 (the model's output) to 2 (exaggerated).
        device: What runs the model; see ``clearcall.load``.
        lost_seconds: How long to wait for a lost camera to come back.

    Attributes:
        overtaken: Sharpened frames that a newer one replaced before the sink took them.
        error: What ended the source, if it was an error.

    Raises:
        BundleError: No such model, or a damaged one.
        InputError: The strength is out of range.
        RecipeError: No such device.
        MissingHardwareError: The device is not at hand.
        MissingExtraError: The device needs ONNX Runtime or PyTorch, which is not installed.

    Example:
        >>> from clearcall.runtime.camera import open_source
        >>> from clearcall.runtime.sink import Y4MPipe
        >>> import io
        >>> y4m = io.BytesIO()
        >>> session = LiveSession(lambda: open_source("test", size=(64, 36)))
        >>> session.run(Y4MPipe(y4m), seconds=0.2).error, y4m.getvalue()[:16]
        (None, b'YUV4MPEG2 W64 H3')
    """

    def __init__(
        self,
        open_source: Callable[[], LiveSource],
        *,
        model: str = "small",
        strength: float = 1.0,
        device: str = AUTO,
        lost_seconds: float = 30.0,
    ) -> None:
        self._open_source = open_source
        self._model, self._strength = model, strength
        self._lost_seconds = lost_seconds
        self._device = device
        self._loaded = load(model, device=device)
        self._stopped = threading.Event()
        self._fresh = threading.Event()
        self._newest: deque[Pixels] = deque(maxlen=1)
        self._source: LiveSource | None = None
        self.error: Exception | None = None
        self._on_message: Callable[[str], None] = lambda _: None
        self._stream: LiveStream[Pixels] | None = None
        self.overtaken = 0

    def run(
        self,
        sink: Sink,
        *,
        seconds: float | None = None,
        on_status: Callable[[LiveStatus], None] | None = None,
        on_message: Callable[[str], None] | None = None,
    ) -> LiveStatus:
        """Run until the source ends, the sink is closed, the time is over, or Ctrl-C.

        Args:
            sink: Where the frames go; it is entered and left here, in this thread.
            seconds: Stop after that long, counted from the first frame; where none comes, after 10 s at least.
            on_status: Called twice a second.
            on_message: Called, from any thread, with a sentence when something happens that a person should know.

        Returns:
            A summary. Where an error ended the session after it had begun (a camera that was lost and didn't come
            back), it is in ``error``; what the sink got until then is whole.

        Raises:
            InputError: The source can't be opened, or gave no frame.
            OutputError: The sink can't be opened, or takes no more.
        """
        self._on_message = on_message or self._on_message
        with sink, self._make_stream() as stream:
            self._stream = stream
            pump = _Pump(self, stream, sink, seconds, on_status)
            reader = threading.Thread(target=self._read, args=(stream,), name="clearcall-source", daemon=True)
            reader.start()
            try:
                ended = pump.run(reader)
            except KeyboardInterrupt:
                ended = "interrupted"
            finally:
                summary = pump.summary()
                self.stop()
                reader.join(_JOIN_SECONDS)
        return replace(summary, ended=ended, error=self.error)

    def stop(self) -> None:
        """End the session soon; for any thread."""
        self._stopped.set()
        if self._source is not None:
            self._source.stop()

    def toggle(self) -> None:
        """Switch between the sharpened and the original picture."""
        if self._stream is not None:
            self._stream.change(strength=0.0 if self._stream.stats().strength else self._strength)

    def take(self) -> Frame | None:
        """Fetch the newest frame that has been delivered; None when none came within a moment."""
        self._fresh.wait(_TICK_SECONDS)
        self._fresh.clear()
        return to_frame(self._newest.popleft()) if self._newest else None

    def say(self, message: str) -> None:
        """Tell a person what happened."""
        self._on_message(message)

    @property
    def rate(self) -> Fraction:
        """Frames per second of the source, as far as known."""
        rate = self._source.rate if self._source is not None else None
        return rate if rate and 1 <= rate <= _MAX_RATE else _USUAL_RATE

    def _make_stream(self) -> LiveStream[Pixels]:
        return LiveStream(
            self._deliver,
            to_pixels=lambda pixels: pixels,
            model=self._model,
            strength=self._strength,
            on_message=lambda message: self._on_message(message),
            load_model=self._load,
        )

    def _load(self, name: str) -> SharpensLive:
        return self._loaded if name == self._model else load(name, device=self._device)

    def _deliver(self, pixels: Pixels, sharp: Pixels | None) -> None:
        self.overtaken += len(self._newest)
        self._newest.append(pixels if sharp is None else sharp)
        self._fresh.set()

    def _read(self, stream: LiveStream[Pixels]) -> None:
        """Hand every frame of the source to the stream; wait for a lost camera to come back."""
        lost_at: float | None = None
        while not self._stopped.is_set():
            try:
                with self._open_source() as source:
                    self._source = source
                    for pixels in source.frames():
                        if not stream.stats().frames_in:
                            stream.prepare(pixels)
                        stream.submit(pixels)
                        if self._stopped.is_set():
                            return
                        if lost_at is not None:
                            self.say("The picture is back.")
                            lost_at = None
                return
            except ClearcallError as error:
                if lost_at is None:
                    lost_at = self._note_loss(error)
                if lost_at is None or time.monotonic() - lost_at > self._lost_seconds:
                    self.error = error
                    return
            except Exception as error:  # told in the thread that runs the session
                self.error = error
                return
            self._stopped.wait(_RETRY_SECONDS)

    def _note_loss(self, error: ClearcallError) -> float | None:
        """When a device was lost that worked before, tell it and give the time; None for other errors."""
        if self._source is None or not self._source.is_endless or self._lost_seconds <= 0:
            return None
        self.say(f"{error} Waiting for it for {self._lost_seconds:g} s.")
        return time.monotonic()


class _Pump:
    """Moves delivered frames into the sink, in the thread of the sink, and keeps the figures."""

    def __init__(
        self,
        session: LiveSession,
        stream: LiveStream[Pixels],
        sink: Sink,
        seconds: float | None,
        on_status: Callable[[LiveStatus], None] | None,
    ) -> None:
        self._session, self._stream, self._sink = session, stream, sink
        self._seconds = seconds
        self._on_status = on_status
        self._started = self._last = self._last_status = time.monotonic()
        self._shown_before = 0
        self._size: tuple[int, int] | None = None
        self._told_silence = False
        self.shown = 0

    def run(self, reader: threading.Thread) -> str:
        """Run until the end; gives its reason in words."""
        try:
            while not self._is_time_over():
                if self._stream.failure is not None:
                    raise self._stream.failure
                is_over = not reader.is_alive() and self._is_drained()
                frame = self._session.take()
                self._show(frame)
                self._tell()
                if is_over and frame is None:
                    return self._ended("the source has ended")
        except SinkClosed as closed:
            return str(closed)
        return self._ended(f"{self._seconds:g} s are over")

    def summary(self) -> LiveStatus:
        """The figures over the whole session so far."""
        stats, seconds = self._stream.stats(), self._last - self._started
        spent = stats.stage_seconds["unpack"] + stats.stage_seconds["sharpen"]
        frame_ms = 1e3 * spent / max(1, stats.frames_sharpened)
        rate = (self.shown - 1) / seconds if seconds > 0 else 0.0
        return self._status(stats, rate, frame_ms)

    def _is_time_over(self) -> bool:
        if self._seconds is None:
            return False
        patience = self._seconds if self.shown else max(self._seconds, _FIRST_FRAME_SECONDS)
        return time.monotonic() - self._started > patience

    def _ended(self, reason: str) -> str:
        if not self.shown:
            raise self._session.error or InputError("No picture came, so nothing was sharpened; check the source.")
        return reason

    def _show(self, frame: Frame | None) -> None:
        now = time.monotonic()
        if frame is None:
            self._note_silence(now)
            self._sink.refresh()
            return
        if not self.shown:
            self._started = self._last = self._last_status = now
            self._sink.start(self._session.rate)
        self._sink.show(frame)
        self.shown += 1
        self._last, self._told_silence = now, False
        self._size = (frame.shape[1], frame.shape[0])

    def _note_silence(self, now: float) -> None:
        if not self._told_silence and now - self._last > _SILENCE_SECONDS:
            self._told_silence = True
            self._session.say(f"No picture has come for {_SILENCE_SECONDS:g} s; check the source, Ctrl-C ends.")

    def _tell(self) -> None:
        now = time.monotonic()
        passed = now - self._last_status
        if self._on_status is None or passed < _STATUS_SECONDS:
            return
        stats = self._stream.stats()
        rate = (self.shown - self._shown_before) / passed
        self._last_status, self._shown_before = now, self.shown
        self._on_status(self._status(stats, rate, stats.stage_ms["unpack"] + stats.stage_ms["sharpen"]))

    def _status(self, stats: LiveStats, rate: float, frame_ms: float) -> LiveStatus:
        return LiveStatus(
            seconds=self._last - self._started,
            shown=self.shown,
            frame_rate=rate,
            frame_ms=frame_ms,
            real_time_factor=frame_ms / 1e3 * float(self._session.rate),
            dropped=stats.frames_dropped + self._session.overtaken,
            sharpened=stats.frames_sharpened,
            running=stats.running,
            level=stats.level,
            size=self._size,
        )

    def _is_drained(self) -> bool:
        stats = self._stream.stats()
        return stats.frames_in <= stats.frames_out + stats.frames_dropped
