"""Where half-size colour planes have their samples: taken wrongly, colours move by half a pixel.

FFmpeg's frames know it; PyAV neither shows nor sets it. But a filter can set it, and scaling passes it on, which is
enough to recognise and to choose it.
"""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any, Final, cast

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

LEFT: Final = "left"
CENTRE: Final = "center"
SITINGS: Final = (CENTRE, LEFT, "topleft", "top", "bottomleft", "bottom")
"""FFmpeg's names. MPEG-2, H.264 and H.265 are ``left`` by default; frames that don't say count as ``center``."""

_SIDE: Final = 16
_COLOURS: Final[dict[str, Any]] = {"src_colorspace": 5, "dst_colorspace": 5, "src_color_range": 1}
"""BT.601, limited range: some matrix that swscale knows, whatever the frame is tagged with."""


def siting_of(frame: av.VideoFrame) -> str:
    """Tell where a frame's colour samples are, by converting a pattern just as the frame would be converted.

    Args:
        frame: A decoded frame.

    Returns:
        One of ``SITINGS``.

    Example:
        >>> siting_of(av.VideoFrame(64, 48, "yuv420p"))
        'center'
    """
    # Nearest samples: of the frame only the tag is wanted, and averaging all of a 1080p frame takes 1 to 4 ms.
    small = frame.reformat(2 * _SIDE, 2 * _SIDE, "yuv420p", interpolation=Interpolation.POINT, threads=1, **_COLOURS)
    canvas = small.reformat(_SIDE, _SIDE, threads=1, **_COLOURS)
    seen = _converted_pattern(canvas)
    return next((siting for siting in SITINGS if seen == _converted_pattern_at(siting)), CENTRE)


def blank(siting: str, width: int, height: int, pixel_format: str) -> av.VideoFrame:
    """Make a frame that is marked with where half-size colour planes have their samples.

    Of an RGB frame it says where a conversion to such planes will put them.

    Args:
        siting: One of ``SITINGS``.
        width: Pixels across.
        height: Pixels down.
        pixel_format: FFmpeg's name of a pixel format.

    Returns:
        A new frame without a time, to be filled.

    Example:
        >>> siting_of(blank("left", 64, 48, "rgb24").reformat(format="yuv420p"))
        'left'
    """
    frame = VideoReformatter().reformat(
        _marked(siting, pixel_format), width, height, interpolation=Interpolation.POINT, threads=1
    )
    frame.pts, frame.time_base = None, Fraction(0)  # the filter's time is no time of this frame
    return frame


def lines_of(plane: av.video.plane.VideoPlane, dtype: type[np.unsignedinteger[Any]]) -> NDArray[Any]:
    """Give a plane's memory as an array that can be written to.

    Args:
        plane: Of a frame that nothing else uses.
        dtype: Of the samples.

    Returns:
        One line of samples per row; lines may be longer than the picture is wide.

    Example:
        >>> lines_of(av.VideoFrame(4, 2, "gray").planes[0], np.uint8).shape[0]
        2
    """
    return np.frombuffer(cast("bytes", memoryview(plane)), dtype).reshape(plane.height, -1)


@functools.cache
def _converted_pattern_at(siting: str) -> bytes:
    return _converted_pattern(blank(siting, _SIDE, _SIDE, "yuv420p"))


def _converted_pattern(canvas: av.VideoFrame) -> bytes:
    """Draw coloured edges across and down, and convert to RGB: each siting gives other numbers."""
    for plane, level in zip(canvas.planes, (128, 60, 200), strict=True):
        lines = lines_of(plane, np.uint8)
        lines[:] = 128
        lines[3:5, : plane.width] = lines[:, 2:5] = level
    rgb = canvas.reformat(
        format="gbrp",
        **_COLOURS,
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
        threads=1,
    )
    return rgb.to_ndarray().tobytes()


@functools.cache
def _marked(siting: str, pixel_format: str) -> av.VideoFrame:
    """A tiny frame that a filter has marked with a siting."""
    graph = Graph()
    kind = av.VideoFormat(pixel_format, 2, 2)
    source = graph.add_buffer(width=2, height=2, format=kind, time_base=Fraction(1))
    mark, sink = graph.add("setparams", f"chroma_location={siting}"), graph.add("buffersink")
    source.link_to(mark)
    mark.link_to(sink)
    graph.configure()
    frame = av.VideoFrame(2, 2, pixel_format)
    frame.pts = 0
    source.push(frame)
    return cast("av.VideoFrame", sink.pull())
