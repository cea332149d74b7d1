"""A new video with other pixels and the same of everything else: sound, subtitles, times, colours, metadata."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, cast

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from clearcall.errors import OutputError
from clearcall.media.atomic import is_disk_full
from clearcall.media.colour import Colours, from_rgb
from clearcall.media.encoder import Encoding, choose_encoder, choose_pixel_format
from clearcall.media.picture import PICTURE_SUFFIXES
from clearcall.media.siting import CENTRE, LEFT
from clearcall.media.video import VideoInfo, VideoSource

_VARIABLE_FPS: Final = 0x0400
"""FFmpeg's AVFMT_VARIABLE_FPS."""

_ESSENTIAL: Final = frozenset({"audio", "subtitle"})
_HOMES: Final = {".mkv": "matroska", ".mp4": "mp4", ".mov": "mov", ".webm": "webm", ".ts": "mpegts"}
"""Containers to advise, by suffix, where the wanted one can't hold a stream."""

_TURNING: Final = frozenset({"mp4", "mov", "matroska", "webm", "3gp", "3g2", "ipod"})
"""Containers (FFmpeg's names) that store how the picture is to be turned."""

_STALE: Final = frozenset({"encoder", "major_brand", "minor_version", "compatible_brands"})
_QUANTISER: Final = 3 * 118
"""Quality of encoders without CRF: quantiser 3 in FFmpeg's units (FF_QP2LAMBDA)."""

_BITS_PER_PIXEL: Final = 0.2
"""The same for encoders that know only a bitrate."""

_USUAL_SITING: Final = {"libx264": LEFT, "libx265": LEFT}
"""Where decoders take the colour samples to be, if the encoder doesn't say (the others: centre)."""

_NO_TEXT: Final = b"\0\0"
"""A packet that ends a subtitle in MP4; the muxer writes these itself."""

_STALE_OF_STREAM: Final = ("BPS", "DURATION", "NUMBER_OF_", "_STATISTICS_", "encoder")
_DEFAULT_RATE: Final = Fraction(30)


class Timed(Protocol):
    """A frame or what is left of it: when it is shown."""

    @property
    def pts(self) -> int | None:
        """When it appears, in ticks of ``time_base``; None if it isn't known."""

    @property
    def duration(self) -> int:
        """For how many ticks; 0 if it isn't known."""

    @property
    def time_base(self) -> Fraction | None:
        """Seconds of a tick."""


class RemuxSink:
    """The output beside a source: write the new frames, pass on the packets of the streams that are copied.

    Every audio and subtitle stream must fit the container; attachments, data streams and cover pictures are
    copied where they fit and else named in ``notes``. How the picture is to be turned is stored where the
    container can store it (MP4, MOV, Matroska, WebM, 3GP); in the others the pixels themselves are turned.
    Frames that come in another size than the first (calls change it) are scaled to the first's.

    Use it in a ``with`` block and end with ``finish``.

    Args:
        path: Where to; the suffix names the container.
        source: The opened source.
        encoding: What the user asks of the encoder.

    Attributes:
        copied: The source's streams whose packets ``copy`` takes.
        notes: What couldn't be kept, a sentence each.

    Raises:
        OutputError: The container is unknown, or can't hold the video or one of the audio and subtitle
            streams, or the encoder refuses its options.
        RecipeError: An unknown codec or an option that it doesn't have.
    """

    def __init__(self, path: Path, source: VideoSource, encoding: Encoding) -> None:
        self.path = path
        self.copied: list[Stream] = []
        self.notes: list[str] = []
        self._source = source
        self._last_pts: int | None = None
        self._outputs: dict[int, Stream] = {}
        self._container = _create(path, source)
        try:
            self._turns = _turns_to_bake(self._container, source.info)
            self._add_streams(encoding)
            self._container.set_chapters(source.container.chapters())
            self._start(encoding)
        except BaseException:
            self._abandon()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abandon()

    def finish(self) -> None:
        """Write what the encoder still holds, and the end of the file; without it the file is not whole."""
        with self._naming_errors():
            self._container.mux(self._video.encode(None))
            self._container.close()

    def write(self, rgb: NDArray[Any], time: Timed) -> None:
        """Encode one frame.

        Args:
            rgb: HWC RGB, uint8 or uint16.
            time: When it is shown: the decoded frame, or its ``FrameTime``.
        """
        if self._turns:
            rgb = np.rot90(rgb, self._turns)
        encoder = self._video.codec_context
        frame = from_rgb(rgb, encoder.pix_fmt or "yuv420p", self._colours, (encoder.width, encoder.height))
        frame.time_base = encoder.time_base
        frame.pts = self._next_pts(time)
        frame.duration = _ticks(time.duration, time.time_base, encoder.time_base)
        with self._naming_errors():
            self._container.mux(self._video.encode(frame))

    def copy(self, packet: av.Packet[Any]) -> None:
        """Pass on a packet of a copied stream, untouched.

        Args:
            packet: As demuxed from the source.
        """
        if packet.stream.type == "subtitle" and _codec_name(packet.stream) == "mov_text" and bytes(packet) == _NO_TEXT:
            return
        packet.stream = self._outputs[packet.stream.index]
        with self._naming_errors():
            self._container.mux(packet)

    @contextlib.contextmanager
    def _naming_errors(self) -> Iterator[None]:
        """Say of FFmpeg's errors which file they are about; a full disk is said by ``atomic_output``."""
        try:
            yield
        except av.FFmpegError as error:
            if is_disk_full(error):
                raise
            raise OutputError(
                f"{self._source.path.name} can't be written as {self.path.suffix} ({error.strerror}); "
                "try .mkv, or another --codec."
            ) from error

    def _next_pts(self, time: Timed) -> int:
        """The time in the encoder's ticks; frames without one, or out of order, follow the last."""
        base = self._video.codec_context.time_base
        floor = None if self._last_pts is None else self._last_pts + 1
        pts = floor or 0 if time.pts is None else _ticks(time.pts, time.time_base, base)
        self._last_pts = pts if floor is None else max(pts, floor)
        return self._last_pts

    def _add_streams(self, encoding: Encoding) -> None:
        for stream in self._source.container.streams:
            if stream.index == self._source.stream.index:
                self._add_video(encoding)
            else:
                self._add_copy(stream)

    def _add_video(self, encoding: Encoding) -> None:
        source, info = self._source.stream, self._source.info
        is_deep = max(part.bits for part in info.first.format.components) > 8
        chosen = choose_encoder(encoding, self._container, is_deep)
        width, height = (info.height, info.width) if self._turns % 2 else (info.width, info.height)
        pixel_format = choose_pixel_format(chosen.name, info.pixel_format, width, height)
        rate = info.rate or _DEFAULT_RATE
        try:
            self._video = cast("VideoStream", self._container.add_stream(chosen.name, rate))
        except (ValueError, av.FFmpegError) as error:
            raise OutputError(
                f"{self.path.suffix} files can't hold video coded by {chosen.name}; "
                "choose another --codec, or .mkv or .mp4."
            ) from error
        encoder = self._video.codec_context
        encoder.width, encoder.height, encoder.pix_fmt = width, height, pixel_format
        encoder.time_base = self._time_base(rate)
        if source.sample_aspect_ratio:
            ratio = source.sample_aspect_ratio
            encoder.sample_aspect_ratio = 1 / ratio if self._turns % 2 else ratio
        encoder.options = dict(chosen.options)
        if not chosen.has_quality:
            encoder.qscale, encoder.global_quality = True, _QUANTISER
            encoder.bit_rate = round(width * height * rate * _BITS_PER_PIXEL)
        encoder.thread_type = "AUTO"
        if chosen.name == "libx265" and self._container.format.name in {"mp4", "mov"}:
            encoder.codec_tag = "hvc1"
        encoder.flags |= CodecFlags.frame_duration
        if self._container.format.name == "avi":
            encoder.max_b_frames = 0
        self._colours = Colours.of(info.first).fit(pixel_format, info.height)
        self._colours.stamp(encoder)
        if self._colours.siting != _USUAL_SITING.get(chosen.name, CENTRE):
            encoder.options = {**encoder.options, "chroma_sample_location": self._colours.siting}
        self._describe(self._video, source)
        if info.display_matrix and not self._turns:
            self._video.set_display_matrix(info.display_matrix)

    def _time_base(self, rate: Fraction) -> Fraction:
        """The source's ticks where the container takes any, else one tick per frame."""
        has_any_time = self._container.format.flags & _VARIABLE_FPS
        if (has_any_time or self._container.format.name == "mpegts") and self._source.stream.time_base:
            return self._source.stream.time_base
        return 1 / rate

    def _add_copy(self, stream: Stream) -> None:
        what = f"{stream.type} stream {stream.index} ({_codec_name(stream)})"
        if not _can_hold(self._container.format.name, stream):
            if stream.type in _ESSENTIAL:
                raise OutputError(
                    f"{self.path.suffix} files can't hold {what} of {self._source.path.name}; {_advice(stream)}."
                )
            if self._is_chapter_track(stream):
                return
            self.notes.append(f"{what} left out: {self.path.suffix} files can't hold it")
            return
        output = self._container.add_stream_from_template(stream, opaque=True)
        self._describe(output, stream)
        self._outputs[stream.index] = output
        self.copied.append(stream)

    def _is_chapter_track(self, stream: Stream) -> bool:
        """Whether it is the text behind a QuickTime file's chapters, which are copied as chapters."""
        return _codec_name(stream) == "bin_data" and bool(self._source.container.chapters())

    def _describe(self, output: Stream, source: Stream) -> None:
        kept = {key: value for key, value in source.metadata.items() if not key.startswith(_STALE_OF_STREAM)}
        if "name" in kept:
            kept.setdefault("title", kept.pop("name"))
        output.metadata.update(kept)
        output.disposition = source.disposition

    def _start(self, encoding: Encoding) -> None:
        """Open the encoder and write the header, so that what they refuse is known before any work."""
        try:
            self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            if is_disk_full(error):
                raise
            name = self._video.codec_context.name
            asked = f" with preset {encoding.preset}" if encoding.preset else ""
            reason = getattr(error, "strerror", None) or error
            size = f"{self._video.codec_context.width}x{self._video.codec_context.height}"
            raise OutputError(
                f"{name} can't write {size} frames to {self.path.suffix} files{asked} ({reason}); "
                "choose another --codec, --preset or suffix."
            ) from error

    def _abandon(self) -> None:
        with contextlib.suppress(av.FFmpegError, ValueError):
            self._container.close()


def _create(path: Path, source: VideoSource) -> OutputContainer:
    if path.suffix.lower() in PICTURE_SUFFIXES:
        raise OutputError(f"{source.path.name} is a video, which a {path.suffix} file can't hold; use .mp4 or .mkv.")
    try:
        container = av.open(f"file:{path}", "w", container_options=_muxer_options(path, source))
    except ValueError as error:
        raise OutputError(f"No video format is known for the suffix {path.suffix!r}; use .mp4 or .mkv.") from error
    kept = {key: value for key, value in source.container.metadata.items() if key not in _STALE}
    container.metadata.update(kept)
    return container


def _muxer_options(path: Path, source: VideoSource) -> dict[str, str]:
    """Options that keep times exact, and QuickTime's own metadata where there are some."""
    kind = path.suffix.lower()
    if kind in {".ts", ".m2ts", ".mts"}:
        return {"mpegts_copyts": "1"}
    if kind not in {".mp4", ".mov", ".m4v", ".3gp"}:
        return {}
    ticks = source.stream.time_base or Fraction(1, 1000)
    options = {"movie_timescale": str(max(ticks.denominator, 1000))}
    if any(key.startswith("com.") for key in source.container.metadata):
        options["movflags"] = "use_metadata_tags"
    return options


def _can_hold(format_name: str, stream: Stream) -> bool:
    """Try it: write the header of an empty file in memory that holds only this stream."""
    if stream.type == "data" and _codec_name(stream) in {"bin_data", "tmcd", "none"}:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=format_name) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True


def _advice(stream: Stream) -> str:
    fitting = [suffix for suffix, name in _HOMES.items() if _can_hold(name, stream)]
    return f"write to {' or '.join(fitting[:2])}" if fitting else "no container here can"


def _codec_name(stream: Stream) -> str:
    return stream.codec_context.name if stream.codec_context is not None else str(stream.name)


def _turns_to_bake(container: OutputContainer, info: VideoInfo) -> int:
    """Quarter turns, counter-clockwise, that the pixels need where the container can't store them."""
    if container.format.name in _TURNING:
        return 0
    return round(info.rotation / 90) % 4


def _ticks(count: int, base: Fraction | None, new_base: Fraction) -> int:
    return count if base is None or base == new_base else round(count * base / new_base)
