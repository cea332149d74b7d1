"""From a video's pixel format to RGB and back, with its colour matrix and range, quickly and without bias.

swscale's quick path to packed RGB darkens a frame by about one level (measured over a round trip: mean luma error
-1.05). Planar RGB with accurate rounding, and area averaging of the colour planes on the way back, has no bias: RMS
0.12 levels in luma, 0.38 in chroma (bilinear: 0.6), at 4 + 2 and 5 ms per 1080p frame on one core.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from clearcall.frame import Plane, Planes
from clearcall.media.siting import CENTRE, blank, lines_of, siting_of

_TO_RGB: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
_FROM_RGB: Final = Interpolation.AREA
_HD_HEIGHT: Final = 720
_RGB: Final = 0
_LIMITED: Final = 1
_FULL: Final = 2
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
    return _MATRICES.get(int(frame.colorspace), _guess(frame.height))


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
        interpolation=_TO_RGB,
        threads=1,
    )
    return planar.to_ndarray()


@dataclass(frozen=True)
class Colours:
    """How a video's numbers stand for colours, by the codes of ITU-T H.273 (2 = not specified).

    Attributes:
        matrix: Matrix coefficients (1 = BT.709, 5 and 6 = BT.601, 9 = BT.2020, 0 = RGB).
        range: 1 = limited, 2 = full, 0 = not specified (this one is FFmpeg's code).
        primaries: Colour primaries.
        transfer: Transfer characteristics.
        siting: Where half-size colour planes have their samples, as in ``clearcall.media.siting``.
    """

    matrix: int = 2
    range: int = 0
    primaries: int = 2
    transfer: int = 2
    siting: str = CENTRE

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Self:
        """Read the tags of a decoded frame.

        Args:
            frame: A decoded frame.

        Returns:
            Its tags.
        """
        return cls(
            matrix=int(frame.colorspace),
            range=int(frame.color_range),
            primaries=int(frame.color_primaries),
            transfer=int(frame.color_trc),
            siting=siting_of(frame),
        )

    def fit(self, pixel_format: str, height: int) -> Self:
        """Tell what the tags become in another pixel format: RGB has no matrix, and YUV always has one.

        Args:
            pixel_format: FFmpeg's name of the pixel format to write.
            height: Lines of the frame, for the guess between BT.709 and BT.601.

        Returns:
            The tags to write.

        Example:
            >>> Colours(matrix=0, range=2).fit("yuv444p", 1080)
            Colours(matrix=1, range=1, primaries=2, transfer=2, siting='center')
        """
        is_rgb = av.VideoFormat(pixel_format, 2, 2).is_rgb
        if is_rgb == (self.matrix == _RGB):
            return self
        if is_rgb:
            return replace(self, matrix=_RGB, range=_FULL)
        return replace(self, matrix=1 if height >= _HD_HEIGHT else 6, range=_LIMITED)

    def specified(self, height: int) -> Self:
        """Fill in what isn't specified, as players do, and leave out what doesn't change numbers.

        Args:
            height: Lines of the frame, for the guess between BT.709 and BT.601.

        Returns:
            Matrix, range and siting alone.

        Example:
            >>> Colours(primaries=1).specified(1080)
            Colours(matrix=1, range=1, primaries=2, transfer=2, siting='center')
        """
        known = self.matrix if self.matrix in _MATRICES else 1 if height >= _HD_HEIGHT else 6
        return replace(self, matrix=known, range=self.range or _LIMITED, primaries=2, transfer=2)

    def stamp(self, target: av.VideoFrame | av.VideoCodecContext) -> None:
        """Set the tags on a frame or an encoder.

        Args:
            target: What to tag.
        """
        target.colorspace, target.color_range = self.matrix, self.range
        target.color_primaries, target.color_trc = self.primaries, self.transfer


def from_rgb(
    rgb: NDArray[Any], pixel_format: str, colours: Colours, size: tuple[int, int] | None = None
) -> av.VideoFrame:
    """Convert RGB to a pixel format with a given matrix and range.

    Args:
        rgb: HWC RGB, uint8 or uint16.
        pixel_format: FFmpeg's name of the pixel format to make.
        colours: Matrix and range to convert to, and the tags that the frame gets.
        size: Width and height to scale to, if not those of ``rgb``.

    Returns:
        The new frame, without a time stamp.

    Example:
        >>> white = np.full((2, 4, 3), 255, np.uint8)
        >>> frame = from_rgb(white, "yuv420p", Colours(matrix=1, range=1))
        >>> frame.to_ndarray()[0, 0].item(), to_rgb(frame)[0, 0].tolist()
        (235, [255, 255, 255])
    """
    packed = _pack(rgb, colours.siting)
    width, height = size or (packed.width, packed.height)
    frame = _reformatter().reformat(
        packed,
        width,
        height,
        format=pixel_format,
        dst_colorspace=_MATRICES.get(colours.matrix, _guess(height)),
        dst_color_range=colours.range or _LIMITED,
        interpolation=_FROM_RGB,
        threads=1,
    )
    if frame is packed:  # RGB asked for, so nothing was converted
        _local.packed.clear()
    colours.stamp(frame)
    return frame


def to_planes(frame: av.VideoFrame) -> Planes:
    """Give the planes of a yuv420p frame as views of its memory.

    Args:
        frame: A frame in yuv420p or yuvj420p that lives as long as the views are used.

    Returns:
        Luma and the two colour differences; lines may be farther apart than they are long.

    Example:
        >>> y, u, v = to_planes(av.VideoFrame(6, 4, "yuv420p"))
        >>> y.shape, u.shape, v.shape
        ((4, 6), (2, 3), (2, 3))
    """
    y, u, v = (lines_of(plane, np.uint8)[:, : plane.width] for plane in frame.planes)
    return y, u, v


def from_planes(y: Plane, u: Plane, v: Plane, colours: Colours) -> av.VideoFrame:
    """Copy planes into a new yuv420p frame.

    Args:
        y: Luma, uint8 (height, width).
        u: Blue difference, uint8, half that size, rounded up.
        v: Red difference, likewise.
        colours: The tags and the siting that the frame gets.

    Returns:
        The frame, without a time stamp.

    Example:
        >>> half = np.full((1, 2), 128, np.uint8)
        >>> frame = from_planes(np.full((2, 4), 235, np.uint8), half, half, Colours(matrix=1, range=1))
        >>> to_rgb(frame)[0, 0].tolist()
        [255, 255, 255]
    """
    height, width = y.shape
    frame = blank(colours.siting, width, height, "yuv420p")
    for target, plane in zip(to_planes(frame), (y, u, v), strict=True):
        target[:] = plane
    colours.stamp(frame)
    return frame


def _guess(height: int) -> Colorspace:
    return Colorspace.ITU709 if height >= _HD_HEIGHT else Colorspace.ITU601


def _pack(rgb: NDArray[Any], siting: str) -> av.VideoFrame:
    """Copy RGB into a frame that is kept for the next of the same kind: making it takes longer than filling it."""
    height, width, _ = rgb.shape
    key = (siting, width, height, rgb.dtype)
    if not hasattr(_local, "packed"):
        _local.packed = {}
    if key not in _local.packed:
        _local.packed.clear()
        _local.packed[key] = blank(siting, width, height, "rgb24" if rgb.dtype == np.uint8 else "rgb48le")
    packed: av.VideoFrame = _local.packed[key]
    lines_of(packed.planes[0], rgb.dtype.type)[:, : width * 3] = rgb.reshape(height, -1)
    return packed


def _reformatter() -> VideoReformatter:
    """One per thread: it keeps its tables between frames of the same kind and isn't thread-safe."""
    if not hasattr(_local, "reformatter"):
        _local.reformatter = VideoReformatter()
    reformatter: VideoReformatter = _local.reformatter
    return reformatter
