"""y4m as a source and as an output of video, a frame at a time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import IO, Any, ClassVar, Final, Self

import av
import numpy as np
from numpy.typing import NDArray

from clearcall.errors import InputError
from clearcall.media.colour import Colours, is_deep
from clearcall.media.form import FrameForm
from clearcall.media.pipe import PipeInput
from clearcall.media.video import FrameTime, VideoSource
from clearcall.media.y4m import Header

FRAME: Final = b"FRAME"
"""What each frame begins with."""

_LONGEST_LINE: Final = 4096
_MOST_DRIFT: Final = 2
"""Frames by which times may differ from a constant rate before that is said."""


class Y4MSource:
    """Reads y4m from a pipe, a frame at a time, in constant memory.

    Args:
        pipe: Where from.

    Attributes:
        header: The first line.
        count: Frames read so far.
        damaged: None: what is damaged in y4m is its end.
        is_truncated: Never; see ``error``.
        error: Why reading has ended before the end, if it did; frames before that are whole.

    Raises:
        InputError: It doesn't begin as y4m does.
    """

    def __init__(self, pipe: PipeInput) -> None:
        self._pipe = pipe
        self.header = Header.parse(_line(pipe), pipe.label)
        self.error: InputError | None = None
        self.count = self.damaged = 0
        self.is_truncated = False

    def read(self, copied: object = ()) -> Iterator[av.VideoFrame]:
        """Read the frames up to the end or the first error, which is then in ``error``.

        Args:
            copied: Not used; there is nothing else in y4m.

        Yields:
            Frames without times; ``opaque`` has the first line of each.
        """
        try:
            while (line := _line(self._pipe)) or self._pipe.peek(1):
                yield self._frame(line)
        except InputError as error:
            self.error = error

    def stop(self) -> None:
        """Let a read that waits find the end."""
        self._pipe.stop()

    def _frame(self, line: bytes) -> av.VideoFrame:
        if line.split(b" ", 1)[0] != FRAME:
            raise InputError(
                f"Frame {self.count} from {self._pipe.label} doesn't begin with FRAME, so the y4m is damaged; "
                f"the {self.count} frames before it were sharpened."
            )
        header = self.header
        frame = av.VideoFrame(header.width, header.height, header.pixel_format)
        header.colours.stamp(frame)
        for plane, length in _lines_of(frame):
            self._fill(plane, length)
        frame.opaque = line
        self.count += 1
        return frame

    def _fill(self, plane: Any, length: int) -> None:
        memory = memoryview(plane).cast("B")
        if length == plane.line_size:
            self._take(memory[: length * plane.height])
            return
        lines = np.empty((plane.height, length), np.uint8)
        self._take(lines.data.cast("B"))
        np.asarray(memory).reshape(plane.height, -1)[:, :length] = lines

    def _take(self, target: memoryview) -> None:
        if self._pipe.fill(target) < len(target):
            raise InputError(
                f"What comes from {self._pipe.label} ends in the middle of frame {self.count}; "
                f"the {self.count} frames before it were sharpened."
            )


class Y4MWriter:
    """Writes frames as y4m; each is out when ``write`` returns.

    Args:
        stream: Where to, without a buffer of its own.
        header: The first line, written with the first frame.

    Example:
        >>> import io
        >>> stream = io.BytesIO()
        >>> Y4MWriter(stream, Header(2, 2, colour_space="mono")).write(av.VideoFrame(2, 2, "gray"))
        >>> len(stream.getvalue().split(b"FRAME")[1])
        5
    """

    def __init__(self, stream: IO[bytes], header: Header) -> None:
        self._stream = stream
        self._header = header
        self._begun = False

    def write(self, frame: av.VideoFrame, line: bytes = FRAME, copies: int = 1) -> None:
        """Write a frame.

        Args:
            frame: Of the header's size and pixel format.
            line: Its first line.
            copies: How often.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        if not self._begun:
            self._put(bytes(self._header))
            self._begun = True
        planes = [_packed(plane, length) for plane, length in _lines_of(frame)]
        for _ in range(copies):
            self._put(line + b"\n")
            for plane in planes:
                self._put(plane)
        self._stream.flush()

    def finish(self) -> None:
        """Write the header if no frame has come, so that the stream is y4m all the same."""
        if not self._begun:
            self._put(bytes(self._header))

    def _put(self, content: bytes | memoryview) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[self._stream.write(rest) :]


class Y4MSink:
    """y4m as the output of a video: every frame once, at the header's rate.

    Args:
        stream: Where to, without a buffer of its own.
        header: The first line.
        colours: Of the frames that are given, as the header can't say all of it; None takes the header's.
        turns: Quarter turns, counter-clockwise, that the frames need.

    Attributes:
        copied: Streams whose packets are taken: none.
        form: The form in which frames are written.
        notes: What is lost, a phrase each.
        patience: Seconds that an interrupt leaves to a write under way: a reader may have stopped for ever.
    """

    patience: ClassVar[float | None] = 1.0

    def __init__(self, stream: IO[bytes], header: Header, colours: Colours | None = None, turns: int = 0) -> None:
        self.copied: list[av.stream.Stream] = []
        self.form = FrameForm(header.pixel_format, header.width, header.height, colours or header.colours, turns)
        self.notes: list[str] = []
        self._writer = Y4MWriter(stream, header)
        self._rate = header.rate
        self._start: Fraction | None = None
        self._count = 0
        self._drift = Fraction(0)

    @classmethod
    def beside(cls, stream: IO[bytes], source: VideoSource) -> Self:
        """Make the output for any video: its pictures at its average rate, without anything else.

        Args:
            stream: Where to.
            source: The opened video.
        """
        info, turns = source.info, round(source.info.rotation / 90) % 4
        header = Header.of(info.first, info.rate, source.stream.sample_aspect_ratio, turns)
        colours = Colours.of(info.first).fit(header.pixel_format, info.height)
        sink = cls(stream, header, colours, turns)
        if len(source.container.streams) > 1:
            sink.notes.append("y4m holds pictures alone: sound and the like left out")
        return sink

    def write(self, pixels: NDArray[Any] | av.VideoFrame, time: FrameTime) -> None:
        """Write a frame.

        Args:
            pixels: HWC RGB, uint8 or uint16; or a frame in ``form``.
            time: Of the frame; y4m has a constant rate, but its first line may say more.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        frame = pixels if isinstance(pixels, av.VideoFrame) else self.form.from_rgb(pixels)
        self._writer.write(frame, time.line or FRAME)
        self._note_drift(time)

    def copy(self, packet: av.Packet[Any]) -> None:
        """Pass over a packet; there are none, as nothing is ``copied``."""

    def finish(self) -> None:
        """End the stream."""
        self._writer.finish()
        if self._rate and self._drift * self._rate > _MOST_DRIFT:
            self.notes.append(f"y4m has no times: frames written one after another for {float(self._rate):g} a second")

    def _note_drift(self, time: FrameTime) -> None:
        if self._rate and time.pts is not None and time.time_base is not None:
            now = time.pts * time.time_base
            self._start = now if self._start is None else self._start
            self._drift = max(self._drift, abs(now - self._start - self._count / self._rate))
        self._count += 1


def _line(pipe: PipeInput) -> bytes:
    """A line without its line feed; what is there at the end without one."""
    line = b""
    while (byte := pipe.read(1)) not in (b"", b"\n"):
        line += byte
        if len(line) > _LONGEST_LINE:
            raise InputError(f"What comes from {pipe.label} is not y4m, or damaged: a line of it has no end.")
    return line


def _lines_of(frame: av.VideoFrame) -> list[tuple[Any, int]]:
    """Each plane with the bytes of a line that are picture; lines may be farther apart."""
    return [(plane, plane.width * (2 if is_deep(frame) else 1)) for plane in frame.planes]


def _packed(plane: Any, length: int) -> memoryview:
    memory = memoryview(plane).cast("B")
    if length == plane.line_size:
        return memory[: length * plane.height]
    lines: NDArray[np.uint8] = np.frombuffer(memory, np.uint8).reshape(plane.height, -1)[:, :length]
    return np.ascontiguousarray(lines).data.cast("B")
