"""What of a frame is sharpened: a decoder's 4:2:0 planes as they are, or RGB where it has no such planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, Self, TypeAlias

import av

from clearcall.frame import Frame, Plane, Planes, to_8_bit
from clearcall.media.colour import Colours, from_rgb, to_planes, to_rgb
from clearcall.media.siting import blank

Pixels: TypeAlias = "Frame | av.VideoFrame"
"""uint8 HWC RGB, or a frame of 8-bit 4:2:0 planes."""

_PLANAR: Final = ("yuv420p", "yuvj420p")


class SharpensPixels(Protocol):
    """What is needed of a sharpener here."""

    def sharpen(self, frame: Frame, strength: float = ...) -> Frame:
        """Sharpen one HWC RGB frame into another of the same shape."""

    def sharpen_yuv(
        self, y: Plane, u: Plane, v: Plane, *, colours: Colours, strength: float = ..., out: Planes | None = ...
    ) -> Planes:
        """Sharpen the planes of a frame into ``out``."""


@dataclass(frozen=True)
class Shape:
    """What a model has to be compiled for before it sharpens some pixels.

    Attributes:
        width: Of the frame, in pixels.
        height: Of the frame, in pixels.
        colours: What planes stand for; None for RGB.
    """

    width: int
    height: int
    colours: Colours | None = None

    @classmethod
    def of(cls, pixels: Pixels) -> Self:
        """Tell the shape of pixels.

        Args:
            pixels: RGB, or planes.

        Example:
            >>> Shape.of(av.VideoFrame(64, 48, "yuv420p")).colours.siting
            'center'
        """
        if isinstance(pixels, av.VideoFrame):
            return cls(pixels.width, pixels.height, Colours.of(pixels))
        return cls(pixels.shape[1], pixels.shape[0])


def pixels_of(frame: av.VideoFrame) -> Pixels:
    """Give what of a decoded frame is to be sharpened.

    Args:
        frame: A frame in any pixel format.

    Returns:
        The frame itself if it has 8-bit 4:2:0 planes; else RGB.

    Example:
        >>> planar, packed = av.VideoFrame(64, 48, "yuv420p"), av.VideoFrame(64, 48, "yuyv422")
        >>> pixels_of(planar) is planar, pixels_of(packed).shape
        (True, (48, 64, 3))
    """
    return frame if frame.format.name in _PLANAR else to_8_bit(to_rgb(frame))


def to_frame(pixels: Pixels) -> Frame:
    """Give pixels as RGB.

    Args:
        pixels: RGB, or planes.

    Returns:
        uint8 HWC RGB.

    Example:
        >>> to_frame(av.VideoFrame(64, 48, "yuv420p")).shape
        (48, 64, 3)
    """
    return to_8_bit(to_rgb(pixels)) if isinstance(pixels, av.VideoFrame) else pixels


def luma_of(pixels: Pixels) -> Frame | Plane:
    """Give what a gate looks at: the luma of planes, or RGB as it is.

    Args:
        pixels: RGB, or planes.

    Example:
        >>> luma_of(av.VideoFrame(64, 48, "yuv420p")).shape
        (48, 64)
    """
    return to_planes(pixels)[0] if isinstance(pixels, av.VideoFrame) else pixels


def sharpen_pixels(sharpener: SharpensPixels, pixels: Pixels, shape: Shape, strength: float) -> Pixels:
    """Sharpen RGB to RGB, and planes to planes.

    Args:
        sharpener: A model.
        pixels: Not changed.
        shape: Of the pixels.
        strength: From 0 (the pixels themselves) over 1 (the model's output) to 2 (exaggerated).

    Returns:
        New pixels of the same kind and size; a frame has the same tags and no time stamp.

    Example:
        >>> from clearcall.runtime.loading import load
        >>> frame = av.VideoFrame(64, 48, "yuv420p")
        >>> sharpen_pixels(load("small"), frame, Shape.of(frame), 1.0).format.name
        'yuv420p'
    """
    if not isinstance(pixels, av.VideoFrame):
        return sharpener.sharpen(pixels, strength)
    assert shape.colours is not None  # noqa: S101 - as ``Shape.of`` gives it
    sharp = blank(shape.colours.siting, pixels.width, pixels.height, pixels.format.name)
    shape.colours.stamp(sharp)
    sharpener.sharpen_yuv(*to_planes(pixels), colours=shape.colours, strength=strength, out=to_planes(sharp))
    return sharp


def to_video_frame(pixels: Pixels, like: av.VideoFrame) -> av.VideoFrame:
    """Bring sharpened pixels into the form of the frame that they were made from, with its time.

    Args:
        pixels: Of the size of ``like``.
        like: The frame that was decoded.

    Returns:
        A frame in the pixel format of ``like``, with its tags and time stamp.

    Example:
        >>> import numpy as np
        >>> like = av.VideoFrame(64, 48, "yuyv422")
        >>> to_video_frame(np.zeros((48, 64, 3), np.uint8), like).format.name
        'yuyv422'
    """
    frame = pixels if isinstance(pixels, av.VideoFrame) else from_rgb(pixels, like.format.name, Colours.of(like))
    if like.time_base is not None:
        frame.pts, frame.time_base = like.pts, like.time_base
    return frame
