"""From a video's pixel format to RGB and back, with its colour matrix and range, quickly and without bias.

swscale's quick paths darken a frame by about one level (measured: mean luma error -1.05 over a round trip).
Going through planar RGB with accurate rounding has no bias (RMS 0.12 levels) and is as quick as needed.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

_ACCURATE: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
_HD_HEIGHT: Final = 720
_MATRICES: Final = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
"""AVColorSpace tags (ITU-T H.273 matrix coefficients) that swscale can compute."""

_local = threading.local()


def matrix_of(frame: av.VideoFrame) -> Colorspace:
    """Tell which matrix a frame's colours are to be converted with.

    A frame without a tag (or with one that is not known here) counts as BT.709 from 720 lines on and as
    BT.601 below, as players have it.

    Args:
        frame: A decoded frame.

    Returns:
        The matrix.

    Example:
        >>> matrix_of(av.VideoFrame(1920, 1080, "yuv420p")).name
        'ITU709'
    """
    guess = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
    return _MATRICES.get(int(frame.colorspace), guess)


def is_deep(frame: av.VideoFrame) -> bool:
    """Whether a frame has more than 8 bits per channel.

    Args:
        frame: A decoded frame.

    Returns:
        True for 10-bit video and the like.

    Example:
        >>> is_deep(av.VideoFrame(16, 16, "yuv420p10le"))
        True
    """
    return max(component.bits for component in frame.format.components) > 8


def to_rgb(frame: av.VideoFrame) -> NDArray[Any]:
    """Convert a decoded frame to RGB; its matrix and range are honoured, transparency is dropped.

    Args:
        frame: A frame in any pixel format.

    Returns:
        HWC RGB: uint8, or uint16 (full 16-bit range) where the frame has more than 8 bits per channel.

    Example:
        >>> frame = av.VideoFrame.from_ndarray(np.full((2, 4, 3), 9, np.uint8), "rgb24")
        >>> to_rgb(frame).shape, to_rgb(frame)[0, 0].tolist()
        ((2, 4, 3), [9, 9, 9])
    """
    planar = _reformatter().reformat(
        frame,
        format="gbrp16le" if is_deep(frame) else "gbrp",
        src_colorspace=matrix_of(frame),
        interpolation=_ACCURATE,
        threads=1,
    )
    return planar.to_ndarray()


def from_rgb(rgb: NDArray[Any], pixel_format: str, like: av.VideoFrame) -> av.VideoFrame:
    """Convert RGB to a pixel format, with the matrix, range and tags of another frame.

    Args:
        rgb: HWC RGB, uint8 or uint16, C-contiguous; it is not copied and may not change meanwhile.
        pixel_format: FFmpeg's name of the pixel format to make.
        like: The frame whose colour tags, time stamp and time base the new frame gets.

    Returns:
        The new frame.

    Example:
        >>> grey = np.full((2, 4, 3), 128, np.uint8)
        >>> from_rgb(grey, "yuv420p", like=av.VideoFrame(4, 2, "yuv420p")).format.name
        'yuv420p'
    """
    packed = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(rgb), "rgb24" if rgb.dtype == np.uint8 else "rgb48le")
    frame = _reformatter().reformat(
        packed,
        format=pixel_format,
        dst_colorspace=matrix_of(like),
        dst_color_range=like.color_range,
        interpolation=_ACCURATE,
        threads=1,
    )
    frame.colorspace, frame.color_range = like.colorspace, like.color_range
    frame.color_primaries, frame.color_trc = like.color_primaries, like.color_trc
    if like.time_base is not None:
        frame.pts, frame.time_base = like.pts, like.time_base
    return frame


def _reformatter() -> VideoReformatter:
    """One per thread: it keeps its tables between frames of the same kind and isn't thread-safe."""
    if not hasattr(_local, "reformatter"):
        _local.reformatter = VideoReformatter()
    reformatter: VideoReformatter = _local.reformatter
    return reformatter
