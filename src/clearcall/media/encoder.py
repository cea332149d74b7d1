"""Which FFmpeg encoder writes a video, with which options and in which pixel format."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import av
from av.codec import Codec, find_best_pix_fmt_of_list
from av.container import OutputContainer

from clearcall.errors import OutputError, RecipeError


@dataclass(frozen=True)
class Encoding:
    """What the user asks of the encoder; None leaves it to what fits the container.

    Attributes:
        codec: ``h264``, ``h265``, ``vp9``, ``av1`` or the name of an FFmpeg encoder.
        crf: Constant quality, lower is better (h264 and h265: 0 to 51, vp9 and av1: 0 to 63).
        preset: The encoder's own word for speed against size, as in ``"medium"`` (h264, h265) or ``"6"`` (av1,
            vp9).
    """

    codec: str | None = None
    crf: float | None = None
    preset: str | None = None


@dataclass(frozen=True)
class Encoder:
    """An FFmpeg encoder and its options, ready for PyAV.

    Attributes:
        name: FFmpeg's name of the encoder.
        options: Its options.
        has_quality: Whether the options set its quality; else it needs a quantiser or a bitrate.
    """

    name: str
    options: dict[str, str]
    has_quality: bool


@dataclass(frozen=True)
class _Known:
    encoder: str
    crf: float
    worst_crf: float
    preset_option: str
    preset: str
    options: Mapping[str, str] = field(default_factory=dict)


CODECS: Final[Mapping[str, _Known]] = {
    "h264": _Known("libx264", 18, 51, "preset", "veryfast"),
    "h265": _Known("libx265", 20, 51, "preset", "veryfast", {"x265-params": "log-level=error"}),
    "vp9": _Known("libvpx-vp9", 24, 63, "cpu-used", "5", {"deadline": "good", "row-mt": "1"}),
    "av1": _Known("libsvtav1", 24, 63, "preset", "10"),
}
"""The codecs that have a short name here, with their defaults."""

_ALIASES: Final = {"avc": "h264", "hevc": "h265"}
_EVEN_ONLY: Final = frozenset({"libx264", "libx265", "libsvtav1"})


def choose_encoder(encoding: Encoding, container: OutputContainer, deep: bool) -> Encoder:
    """Find the encoder for a container and set its options.

    The default is H.264 (H.265 for more than 8 bits, as players have it) wherever the container holds it, VP9
    in WebM (AV1 for more than 8 bits, which the VP9 encoder here lacks), else what FFmpeg recommends.

    Args:
        encoding: What the user asked for.
        container: The opened output.
        deep: Whether the source has more than 8 bits per channel.

    Returns:
        The encoder.

    Raises:
        RecipeError: An unknown codec, or a ``crf`` or ``preset`` that it doesn't have.
        OutputError: FFmpeg has no encoder for the container here.
    """
    codec = encoding.codec or _default_codec(container, deep)
    codec = _ALIASES.get(codec, codec)
    known = CODECS.get(codec) or next((entry for entry in CODECS.values() if entry.encoder == codec), None)
    encoder = known.encoder if known else codec
    if encoder == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "0")
    options = _known_options(known, encoding) if known else _other_options(encoder, encoding)
    return Encoder(encoder, options, has_quality="crf" in options)


def choose_pixel_format(encoder: str, source: str, width: int, height: int) -> str:
    """Find the encoder's pixel format that loses least of the source's.

    Frames of an odd width or height can't have colour planes of half that in H.264, H.265 and AV1 here, so they
    get larger ones.

    Args:
        encoder: FFmpeg's name of the encoder.
        source: FFmpeg's name of the source's pixel format.
        width: Pixels across.
        height: Pixels down.

    Returns:
        FFmpeg's name of a pixel format; full-range ``yuvj`` and interleaved ``nv`` formats give their plain
        ``yuv`` twins.

    Raises:
        OutputError: The encoder can't write frames of an odd size.

    Example:
        >>> choose_pixel_format("libx264", "yuv420p10le", 64, 48)
        'yuv420p10le'
        >>> choose_pixel_format("libx264", "yuvj420p", 63, 48)
        'yuv444p'
    """
    names = {entry.name for entry in Codec(encoder, "w").video_formats or []} or {source}
    plain = {name for name in names if not name.startswith(("yuvj", "nv"))} or names
    if encoder in _EVEN_ONLY:
        plain = {name for name in plain if _fits(name, width, height)}
        if not plain:
            raise OutputError(f"{encoder} can't write frames of {width}x{height}; use --codec h264.")
    best, _ = find_best_pix_fmt_of_list(sorted(plain), source.replace("yuvj", "yuv"))
    return best.name if best else sorted(plain)[0]


def _fits(pixel_format: str, width: int, height: int) -> bool:
    shape = av.VideoFormat(pixel_format, 2, 2)
    return not (width % 2 and shape.chroma_width() == 1) and not (height % 2 and shape.chroma_height() == 1)


def _default_codec(container: OutputContainer, deep: bool) -> str:
    if container.format.name == "webm":
        return "av1" if deep else "vp9"
    wanted = "h265" if deep else "h264"
    if container.format.name == "mpegts" or CODECS[wanted].encoder in container.supported_codecs:
        return wanted
    recommended = container.default_video_codec
    if recommended == "none":
        raise OutputError(f"{container.format.long_name} files can't hold video; use .mp4 or .mkv.")
    return recommended


def _known_options(known: _Known, encoding: Encoding) -> dict[str, str]:
    crf = known.crf if encoding.crf is None else encoding.crf
    if not 0 <= crf <= known.worst_crf:
        raise RecipeError(f"A CRF of {crf:g} is out of range for {known.encoder}; use 0 to {known.worst_crf:g}.")
    preset = encoding.preset or known.preset
    return {**known.options, "crf": f"{crf:g}", known.preset_option: preset}


def _other_options(encoder: str, encoding: Encoding) -> dict[str, str]:
    asked = {"crf": encoding.crf, "preset": encoding.preset}
    given = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in asked.items() if value}
    has = _option_names(encoder)
    for name in given:
        if name not in has:
            raise RecipeError(f"The encoder {encoder} has no {name}; leave out --{name}.")
    return given


def _option_names(encoder: str) -> set[str]:
    try:
        codec = Codec(encoder, "w")
    except ValueError as error:
        raise _unknown(encoder) from error
    if codec.type != "video":
        raise _unknown(encoder)
    return {option.name for option in codec.create().supported_options.private}


def _unknown(encoder: str) -> RecipeError:
    near = difflib.get_close_matches(encoder, [*CODECS, *sorted(av.codecs_available)], n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return RecipeError(
        f"There is no video encoder {encoder!r}; {hint}Known are {', '.join(CODECS)} and FFmpeg's encoder names."
    )
