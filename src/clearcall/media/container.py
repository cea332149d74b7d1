"""What the containers of video files can hold, found out by trying."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
from av.codec import CodecContext
from av.container import OutputContainer
from av.stream import Stream

from clearcall.errors import OutputError
from clearcall.media.picture import PICTURE_SUFFIXES
from clearcall.media.video import VideoSource

_VARIABLE_FPS: Final = 0x0400
"""FFmpeg's AVFMT_VARIABLE_FPS."""

_HOMES: Final = {".mkv": "matroska", ".mp4": "mp4", ".mov": "mov", ".webm": "webm", ".ts": "mpegts"}
"""Containers to advise, by suffix, where the wanted one can't hold a stream."""

_TURNING: Final = frozenset({"mp4", "mov", "matroska", "webm", "3gp", "3g2", "ipod"})
_UNSQUARE_BY_CODEC_ONLY: Final = frozenset({"matroska", "webm"})
_CODECS_OF_SQUARES: Final = frozenset({"libvpx", "libvpx-vp9", "libsvtav1"})
_OF_ONE_FILE: Final = frozenset({"encoder", "major_brand", "minor_version", "compatible_brands"})
_BOUND_DATA: Final = frozenset({"bin_data", "tmcd", "none", "unknown codec"})
"""Data streams that only mean something in their own file; QuickTime's time codes and chapters are made anew."""


def create(path: Path, source: VideoSource) -> OutputContainer:
    """Open a new video file with a source's metadata.

    Args:
        path: Where to; the suffix names the container.
        source: The opened source.

    Returns:
        The container, without streams.

    Raises:
        OutputError: The suffix names no video format.
    """
    if path.suffix.lower() in PICTURE_SUFFIXES:
        raise OutputError(f"{source.path.name} is a video, which a {path.suffix} file can't hold; use .mp4 or .mkv.")
    try:
        container = av.open(f"file:{path}", "w", container_options=_muxer_options(path, source))
    except ValueError as error:
        raise OutputError(f"No video format is known for the suffix {path.suffix!r}; use .mp4 or .mkv.") from error
    kept = {key: value for key, value in source.container.metadata.items() if key not in _OF_ONE_FILE}
    container.metadata.update(kept)
    return container


def has_any_time(container: OutputContainer) -> bool:
    """Whether frames can be shown at any time, not only at a constant rate."""
    return bool(container.format.flags & _VARIABLE_FPS) or container.format.name == "mpegts"


def stores_rotation(container: OutputContainer) -> bool:
    """Whether the file can say how players are to turn the picture."""
    return container.format.name in _TURNING


def stores_pixel_shape(container: OutputContainer, encoder: str) -> bool:
    """Whether the file can say that pixels aren't square (PyAV can't set it in Matroska itself)."""
    return container.format.name not in _UNSQUARE_BY_CODEC_ONLY or encoder not in _CODECS_OF_SQUARES


def can_hold(format_name: str, stream: Stream) -> bool:
    """Try it: write the header of an empty file in memory that holds only this stream.

    Args:
        format_name: FFmpeg's name of the container.
        stream: Of an opened file.

    Returns:
        Whether the stream can be copied into such a file.
    """
    if stream.type == "data" and codec_name(stream) in _BOUND_DATA:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=format_name) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True


def homes_of(stream: Stream) -> list[str]:
    """Name the suffixes of files that can hold a stream, the likeliest first."""
    return [suffix for suffix, name in _HOMES.items() if can_hold(name, stream)]


def codec_name(stream: Stream) -> str:
    """Name a stream's codec, or what stands for it where FFmpeg has no decoder."""
    decoder = cast("CodecContext | None", stream.codec_context)
    return decoder.name if decoder is not None else str(getattr(stream, "name", None) or "unknown codec")


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
