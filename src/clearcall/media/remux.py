"""A new video with other pixels and the same of everything else: sound, subtitles, times, colours, metadata."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Protocol, Self, cast

import av
from av.codec.context import Flags as CodecFlags
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from clearcall.cpus import ordinary_scheduling
from clearcall.errors import OutputError
from clearcall.media.atomic import is_disk_full
from clearcall.media.colour import Colours, is_deep
from clearcall.media.container import (
    can_hold,
    codec_name,
    create,
    has_any_time,
    homes_of,
    stores_pixel_shape,
    stores_rotation,
)
from clearcall.media.encoder import Encoder, Encoding, choose_encoder, choose_pixel_format
from clearcall.media.form import FrameForm
from clearcall.media.siting import CENTRE, LEFT
from clearcall.media.video import VideoSource, side_data_of

_ESSENTIAL: Final = frozenset({"audio", "subtitle"})
_STALE: Final = ("BPS", "DURATION", "NUMBER_OF_", "_STATISTICS_", "encoder")
_DEFAULT_RATE: Final = Fraction(30)
_QUANTISER: Final = 3 * 118
"""Quality of encoders without CRF: quantiser 3 in FFmpeg's units (FF_QP2LAMBDA)."""

_BITS_PER_PIXEL: Final = 0.2
"""The same for encoders that know only a bitrate."""

_USUAL_SITING: Final = {"libx264": LEFT, "libx265": LEFT}
"""Where decoders take the colour samples to be, if the encoder doesn't say (the others: centre)."""

_NO_TEXT: Final = b"\0\0"
"""A packet that ends a subtitle in MP4; the muxer writes these itself."""


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
    Frames that come in another size than the first (calls change it) are scaled to the first's. Interlaced
    frames are taken as they are.

    Use it in a ``with`` block and end with ``finish``.

    Args:
        path: Where to; the suffix names the container.
        source: The opened source.
        encoding: What the user asks of the encoder.

    Attributes:
        copied: The source's streams whose packets ``copy`` takes.
        notes: What couldn't be kept, a phrase each.
        patience: None: a write under way is always waited for, as FFmpeg crashes when its file is closed meanwhile.

    Raises:
        OutputError: The container is unknown, or can't hold the video or one of the audio and subtitle
            streams, or the encoder refuses its options.
        RecipeError: An unknown codec or an option that it doesn't have.
    """

    patience: ClassVar[float | None] = None

    def __init__(self, path: Path, source: VideoSource, encoding: Encoding) -> None:
        self.path = path
        self.copied: list[Stream] = []
        self.notes: list[str] = _losses(source)
        self._source = source
        self._rate = source.info.rate or _DEFAULT_RATE
        self._last_pts: int | None = None
        self._is_rounded = False
        self._refused = 0
        self._outputs: dict[int, Stream] = {}
        self._container = create(path, source)
        self._turns = 0 if stores_rotation(self._container) else round(source.info.rotation / 90) % 4
        try:
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

    @property
    def form(self) -> FrameForm:
        """The form in which frames are coded."""
        return self._form

    def write(self, pixels: NDArray[Any] | av.VideoFrame, time: Timed) -> None:
        """Encode one frame.

        Args:
            pixels: HWC RGB, uint8 or uint16; or a frame in ``form``, which is the sink's from now on.
            time: When it is shown: the decoded frame, or its ``FrameTime``.
        """
        encoder = self._video.codec_context
        frame = pixels if isinstance(pixels, av.VideoFrame) else self._form.from_rgb(pixels)
        frame.time_base = encoder.time_base
        frame.pts = self._next_pts(time)
        frame.duration = round(_ticks(time.duration, time.time_base, encoder.time_base))
        with self._naming_errors():
            self._container.mux(self._video.encode(frame))

    def copy(self, packet: av.Packet[Any]) -> None:
        """Pass on a packet of a copied stream, untouched; one whose time is impossible is left out.

        Args:
            packet: As demuxed from the source.
        """
        if packet.stream.type == "subtitle" and codec_name(packet.stream) == "mov_text" and bytes(packet) == _NO_TEXT:
            return
        packet.stream = self._outputs[packet.stream.index]
        try:
            with self._naming_errors():
                self._container.mux(packet)
        except OutputError:
            self._refused += 1

    def finish(self) -> None:
        """Write what the encoder still holds, and the end of the file; without it the file is not whole."""
        with self._naming_errors():
            self._container.mux(self._video.encode(None))
            self._container.close()
        if self._refused:
            self.notes.append(f"{self._refused} damaged packets of sound or subtitles left out")
        if self._is_rounded:
            self.notes.append(f"frame times rounded to the constant rate that {self.path.suffix} files have")

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
                "choose another suffix or --codec."
            ) from error

    def _next_pts(self, time: Timed) -> int:
        """The time in the encoder's ticks; a frame without one follows the last, and none comes before it."""
        base = self._video.codec_context.time_base
        if time.pts is None:
            step = max(1, round(1 / (self._rate * base)))
            exact = Fraction(0 if self._last_pts is None else self._last_pts + step)
        else:
            exact = _ticks(time.pts, time.time_base, base)
        self._is_rounded |= not has_any_time(self._container) and exact.denominator != 1
        pts = round(exact) if self._last_pts is None else max(round(exact), self._last_pts + 1)
        self._last_pts = pts
        return pts

    def _add_streams(self, encoding: Encoding) -> None:
        for stream in self._source.container.streams:
            if stream.index == self._source.stream.index:
                self._add_video(encoding)
            else:
                self._add_copy(stream)

    def _add_video(self, encoding: Encoding) -> None:
        chosen = choose_encoder(encoding, self._container, is_deep(self._source.info.first))
        try:
            self._video = cast("VideoStream", self._container.add_stream(chosen.name, self._rate))
        except (ValueError, av.FFmpegError) as error:
            raise OutputError(
                f"{self.path.suffix} files can't hold video coded by {chosen.name}; "
                "choose another --codec, or .mkv or .mp4."
            ) from error
        self._set_up(self._video.codec_context, chosen)
        self._keep_looks(self._video.codec_context, chosen.name)
        self._describe(self._video, self._source.stream)

    def _set_up(self, encoder: VideoCodecContext, chosen: Encoder) -> None:
        """Size, pixel format, ticks and quality."""
        info, ticks = self._source.info, self._source.stream.time_base
        encoder.width, encoder.height = (info.width, info.height)[:: -1 if self._turns % 2 else 1]
        encoder.pix_fmt = choose_pixel_format(chosen.name, info.pixel_format, encoder.width, encoder.height)
        encoder.time_base = ticks if ticks and has_any_time(self._container) else 1 / self._rate
        encoder.options = dict(chosen.options)
        encoder.thread_type = "AUTO"
        encoder.flags |= CodecFlags.frame_duration
        if not chosen.has_quality:
            encoder.qscale, encoder.global_quality = True, _QUANTISER
            encoder.bit_rate = round(encoder.width * encoder.height * self._rate * _BITS_PER_PIXEL)
        if self._container.format.name == "avi":  # it stores no order of presentation
            encoder.max_b_frames = 0
        if chosen.name == "libx265" and self._container.format.name in {"mp4", "mov"}:
            encoder.codec_tag = "hvc1"  # the only one that Apple's players take

    def _keep_looks(self, encoder: VideoCodecContext, name: str) -> None:
        """Colours, the shape of pixels and rotation."""
        info, ratio = self._source.info, self._source.stream.sample_aspect_ratio
        pixel_format = encoder.pix_fmt or "yuv420p"
        colours = Colours.of(info.first).fit(pixel_format, info.height)
        colours.stamp(encoder)
        if colours.siting != _USUAL_SITING.get(name, CENTRE):
            encoder.options = {**encoder.options, "chroma_sample_location": colours.siting}
        self._form = FrameForm(pixel_format, encoder.width, encoder.height, colours, self._turns)
        if ratio and ratio != 1:
            encoder.sample_aspect_ratio = 1 / ratio if self._turns % 2 else ratio
            if not stores_pixel_shape(self._container, name):
                self.notes.append(f"the pixels' shape ({ratio}) left out: {self.path.suffix} with {name} has no place")
        if info.display_matrix and not self._turns:
            self._video.set_display_matrix(info.display_matrix)

    def _add_copy(self, stream: Stream) -> None:
        what = f"{stream.type} stream {stream.index} ({codec_name(stream)})"
        if can_hold(self._container.format.name, stream):
            output = self._container.add_stream_from_template(stream, opaque=True)
            self._describe(output, stream)
            self._outputs[stream.index] = output
            self.copied.append(stream)
        elif stream.type in _ESSENTIAL:
            homes = homes_of(stream)[:2]
            advice = f"write to {' or '.join(homes)}" if homes else "no container here can"
            raise OutputError(f"{self.path.suffix} files can't hold {what} of {self._source.path.name}; {advice}.")
        elif not self._is_chapter_track(stream):
            self.notes.append(f"{what} left out: it has no place in {self.path.suffix} files")

    def _is_chapter_track(self, stream: Stream) -> bool:
        """Whether it is the text behind a QuickTime file's chapters, which are copied as chapters."""
        return codec_name(stream) == "bin_data" and bool(self._source.container.chapters())

    def _describe(self, output: Stream, source: Stream) -> None:
        kept = {key: value for key, value in source.metadata.items() if not key.startswith(_STALE)}
        if "name" in kept:
            kept.setdefault("title", kept.pop("name"))
        output.metadata.update(kept)
        output.disposition = source.disposition

    def _start(self, encoding: Encoding) -> None:
        """Open the encoder and write the header, so that what they refuse is known before any work."""
        try:
            with ordinary_scheduling():
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


def _losses(source: VideoSource) -> list[str]:
    """What of a source's frames doesn't go through RGB and an encoder."""
    first = source.info.first
    losses = []
    if any(component.is_alpha for component in first.format.components):
        losses.append("transparency left out")
    if first.interlaced_frame:
        losses.append("interlaced frames written as progressive ones")
    if side_data_of(first, SideDataType.MASTERING_DISPLAY_METADATA) is not None:
        losses.append("HDR mastering data left out")
    return losses


def _ticks(count: int, base: Fraction | None, new_base: Fraction) -> Fraction:
    return Fraction(count) if base is None else count * base / new_base
