"""Videos on disk: frames out of anything FFmpeg opens, and constant-rate clips in."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, cast

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.stream import VideoStream
from numpy.typing import NDArray

from clearcall.errors import InputError, OutputError
from clearcall.media.colour import Colours, from_rgb, to_rgb
from clearcall.media.pipe import PipeInput
from clearcall.media.siting import LEFT

__all__ = ["VIDEO_SUFFIXES", "FrameTime", "VideoInfo", "VideoSink", "VideoSource", "to_rgb"]

_SUFFIXES: Final = "mp4 m4v mov mkv webm avi ts mts m2ts mpg mpeg flv wmv asf 3gp ogv mxf nut"
VIDEO_SUFFIXES: Final = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""The suffixes (lower case) by which a folder's videos are known; single files may have any."""

_ENDS_EARLY_SECONDS: Final = 0.25
_PIPE_BYTES: Final = 2**20
_GENERATE_PTS: Final = 0x0001
"""FFmpeg's AVFMT_FLAG_GENPTS, set by PyAV; for H.264 in AVI it makes times up that are late by two frames."""

_BT709: Final = Colours(matrix=1, range=1, primaries=1, transfer=1, siting=LEFT)

_Item: TypeAlias = "av.VideoFrame | av.Packet[Any]"


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before all of it is read.

    Attributes:
        width: Pixels across, as coded (before rotation).
        height: Pixels down, as coded.
        rate: Average frames per second, or None if not known.
        frames: How many frames there are, estimated; or None.
        duration: Seconds of the video stream, or None.
        pixel_format: FFmpeg's name of the pixel format, as in ``"yuv420p"``.
        rotation: Degrees, counter-clockwise, by which players turn the picture.
        display_matrix: The nine numbers behind ``rotation`` (flips too), or None.
        start: Seconds at which the file starts.
        first: The first frame that decodes, for its colour tags.
    """

    width: int
    height: int
    rate: Fraction | None
    frames: int | None
    duration: float | None
    pixel_format: str
    rotation: int
    display_matrix: tuple[int, ...] | None
    start: Fraction
    first: av.VideoFrame


@dataclass(frozen=True)
class FrameTime:
    """When a frame is shown; kept apart from the frame so that this can be let go.

    Attributes:
        pts: When it appears, in ticks of ``time_base``; None if the file doesn't say.
        duration: For how many ticks; 0 if the file doesn't say.
        time_base: Seconds of a tick, or None.
        line: The line before the frame in y4m; None elsewhere.
    """

    pts: int | None
    duration: int
    time_base: Fraction | None
    line: bytes | None = None

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Self:
        """Read the time of a decoded frame.

        Args:
            frame: A decoded frame.

        Returns:
            Its time.
        """
        line = frame.opaque if isinstance(frame.opaque, bytes) else None
        return cls(frame.pts, frame.duration, frame.time_base, line)


class VideoSource:
    """A video file to read frames from; damaged frames are passed over and counted.

    Use it in a ``with`` block, and read it once.

    Args:
        path: Any file that FFmpeg opens and that has a video stream.
        pipe: Where the bytes come from instead, front to back; ``path`` is then a name for messages.

    Attributes:
        info: What is known beforehand.
        damaged: Frames that couldn't be decoded, so far.
        is_truncated: Set when reading has ended before the end of the video that its header promised.

    Raises:
        InputError: On entry: the file is missing, a folder, not a video, without a video stream, or
            without a single frame that decodes.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "clip.mkv"
        >>> with VideoSink(path, width=16, height=16, rate=Fraction(25)) as sink:
        ...     for brightness in (0, 255):
        ...         sink.write(np.full((16, 16, 3), brightness, np.uint8))
        >>> with VideoSource(path) as source:
        ...     [to_rgb(frame)[0, 0, 0].item() for frame in source.frames()]
        [0, 255]
    """

    def __init__(self, path: Path, pipe: PipeInput | None = None) -> None:
        self.path = path
        self.damaged = 0
        self.is_truncated = False
        self._pipe = pipe
        self._early: list[_Item] = []

    def __enter__(self) -> Self:
        self.container = _open(self.path, self._pipe)
        try:
            self.stream = _main_video(self.container, self.path)
            self.stream.thread_type = "AUTO"
            self._coming = self._items()
            self.info = _describe(self.container, self.stream, self._first_frame())
        except BaseException:
            self.container.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    def stop(self) -> None:
        """Let a read that waits for a pipe find the end."""
        if self._pipe is not None:
            self._pipe.stop()

    def frames(self) -> Iterator[av.VideoFrame]:
        """Decode the video stream, in order of presentation.

        Yields:
            Every frame that decodes, with its exact ``pts`` and ``time_base``.
        """
        for item in self.read():
            if isinstance(item, av.VideoFrame):
                yield item

    def read(self, copied: Sequence[av.stream.Stream] = ()) -> Iterator[av.VideoFrame | av.Packet[Any]]:
        """Read the file once, front to back.

        Args:
            copied: Streams of ``container`` whose packets are wanted as they are.

        Yields:
            Decoded frames of the video stream, and packets of ``copied``, as they come in the file.
        """
        end_of_frames = end_of_all = self.info.start
        wanted = {stream.index for stream in copied}
        for item in itertools.chain(self._early, self._coming):
            if isinstance(item, av.VideoFrame):
                end_of_frames = max(end_of_frames, _end(item))
                yield item
            elif item.stream.index in wanted:
                end_of_all = max(end_of_all, _end(item))
                yield item
        if self.info.duration is not None:
            has_own_duration = self.stream.duration is not None
            end = end_of_frames if has_own_duration else max(end_of_frames, end_of_all)
            self.is_truncated |= end - self.info.start < self.info.duration - _ENDS_EARLY_SECONDS

    def _first_frame(self) -> av.VideoFrame:
        """Read up to the first frame that decodes; what was read is kept for ``read``."""
        for item in self._coming:
            self._early.append(item)
            if isinstance(item, av.VideoFrame):
                return item
        raise InputError(f"{self.path} has a video stream in which no frame decodes.")

    def _items(self) -> Iterator[_Item]:
        for packet in self._packets():
            if packet.stream.index == self.stream.index:
                for frame in self._decode(packet):
                    if frame.pts is None:
                        frame.pts = frame.dts
                    yield frame
            elif packet.size or packet.dts is not None:
                yield packet

    def _packets(self) -> Iterator[av.Packet[Any]]:
        """Demux; an error in the middle of the file is its end, of which the decoder still holds frames."""
        try:
            yield from self.container.demux()
        except av.FFmpegError:
            self.is_truncated = True
            last: av.Packet[Any] = av.Packet()
            last.stream = self.stream
            yield last

    def _decode(self, packet: av.Packet[Any]) -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except av.FFmpegError:
            self.damaged += 1
            return []


class VideoSink:
    """A new constant-rate video in BT.709 limited range, tagged as such.

    Use it in a ``with`` block.

    Args:
        path: Where to; the suffix names the container.
        width: Pixels across.
        height: Pixels down.
        rate: Frames per second, exactly (``Fraction(30000, 1001)`` for 29.97).
        codec: An FFmpeg encoder.
        crf: Constant quality, for encoders that have it (lower is better).
        options: More encoder options, as in ``{"preset": "veryfast"}``.

    Raises:
        OutputError: The encoder is unknown, or can't write this size or container.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        rate: Fraction,
        codec: str = "libx264",
        crf: float = 18.0,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self._shape = (height, width, 3)
        self._count = 0
        try:
            self._container = av.open(f"file:{path}", "w")
            self._stream = cast("VideoStream", self._container.add_stream(codec, rate))
        except (ValueError, av.FFmpegError) as error:
            raise OutputError(f"{path.suffix} files can't be written with {codec} here ({error}).") from error
        encoder = self._stream.codec_context
        encoder.width, encoder.height = width, height
        encoder.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        encoder.time_base = 1 / rate
        encoder.options = {"crf": f"{crf:g}", "chroma_sample_location": LEFT, **(options or {})}
        encoder.thread_type = "AUTO"
        _BT709.stamp(encoder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with contextlib.suppress(av.FFmpegError):
                self._container.close()
            return
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def write(self, rgb: NDArray[np.uint8]) -> None:
        """Append one frame.

        Args:
            rgb: HWC RGB uint8 of the sink's width and height.

        Raises:
            InputError: The frame has another shape.
        """
        if rgb.shape != self._shape:
            height, width, _ = self._shape
            raise InputError(f"A frame of shape {rgb.shape} was given for a video of {width}x{height}.")
        frame = from_rgb(rgb, self._stream.codec_context.pix_fmt or "yuv420p", _BT709)
        frame.pts, frame.time_base = self._count, self._stream.codec_context.time_base
        self._count += 1
        self._container.mux(self._stream.encode(frame))


def side_data_of(frame: av.VideoFrame, kind: SideDataType) -> bytes | None:
    """Find what a decoder has attached to a frame.

    Args:
        frame: A decoded frame.
        kind: What to look for.

    Returns:
        Its bytes, or None.
    """
    entries = cast("Iterable[SideData]", frame.side_data)
    return next((bytes(entry) for entry in entries if entry.type is kind), None)


def _open(path: Path, pipe: PipeInput | None) -> av.container.InputContainer:
    if pipe is not None:
        return _open_pipe(pipe)
    if not path.exists():
        raise InputError(f"There is no file {path}; check the name.")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a video.")
    try:
        container = av.open(f"file:{path}", "r", metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise InputError(f"{path} may not be read; change its permissions.") from error
        raise InputError(f"{path} is not a picture or video that can be read, or is damaged or cut off.") from error
    if container.format.name == "avi":
        container.flags &= ~_GENERATE_PTS
    return container


def _open_pipe(pipe: PipeInput) -> av.container.InputContainer:
    try:
        return av.open(pipe, "r", metadata_errors="replace", buffer_size=_PIPE_BYTES)
    except (av.FFmpegError, ValueError) as error:
        raise InputError(
            f"What comes from {pipe.label} is no video that can be read front to back; send y4m, Matroska or MPEG-TS."
        ) from error


def _main_video(container: av.container.InputContainer, path: Path) -> VideoStream:
    stream = container.streams.best("video")
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        raise InputError(f"{path} has no video stream, so there is nothing to sharpen in it.")
    if stream.codec_context is None:
        raise InputError(f"{path} has a video stream whose codec FFmpeg can't decode here.")
    return cast("VideoStream", stream)


def _describe(container: av.container.InputContainer, stream: VideoStream, first: av.VideoFrame) -> VideoInfo:
    duration = _duration(container, stream)
    matrix = side_data_of(first, SideDataType.DISPLAYMATRIX)
    rate = stream.average_rate or stream.guessed_rate or None
    estimate = round(duration * rate) if duration and rate else None
    return VideoInfo(
        width=first.width,
        height=first.height,
        rate=rate,
        frames=stream.frames or estimate,
        duration=duration,
        pixel_format=first.format.name,
        rotation=first.rotation,
        display_matrix=None if matrix is None else tuple(np.frombuffer(matrix, np.int32).tolist()),
        start=Fraction(container.start_time or 0, av.time_base),
        first=first,
    )


def _end(item: av.VideoFrame | av.Packet[Any]) -> Fraction:
    """When a frame or packet ends, in seconds (0 where it doesn't say)."""
    start = item.pts if item.pts is not None else item.dts
    if start is None or item.time_base is None:
        return Fraction(0)
    return (start + (item.duration or 0)) * item.time_base


def _duration(container: av.container.InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None
