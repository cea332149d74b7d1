"""The one form in which an output takes frames, and how a frame comes into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from clearcall.media.colour import Colours, from_rgb

_PLANES: Final = "yuv420p"
_FULL: Final = 2


@dataclass(frozen=True)
class FrameForm:
    """Pixel format, size, colours and turning of the frames of an output.

    Attributes:
        pixel_format: FFmpeg's name.
        width: Pixels across, after turning.
        height: Pixels down, after turning.
        colours: Their tags.
        turns: Quarter turns, counter-clockwise, that a source's frames need.
    """

    pixel_format: str
    width: int
    height: int
    colours: Colours
    turns: int = 0

    def is_of(self, frame: av.VideoFrame) -> bool:
        """Whether a frame has this form already and is 4:2:0 of 8 bits, so that its planes can be used as they are.

        Args:
            frame: A decoded frame.

        Example:
            >>> form = FrameForm("yuv420p", 64, 48, Colours())
            >>> form.is_of(av.VideoFrame(64, 48, "yuv420p")), form.is_of(av.VideoFrame(64, 48, "nv12"))
            (True, False)
        """
        plain = frame.format.name.replace("yuvj", "yuv")
        signal_range = _FULL if plain != frame.format.name else int(frame.color_range)
        tags = (int(frame.colorspace), signal_range)
        return (
            plain == self.pixel_format == _PLANES
            and (frame.width, frame.height, self.turns) == (self.width, self.height, 0)
            and tags == (self.colours.matrix, self.colours.range)
        )

    def blank(self) -> av.VideoFrame:
        """Make a frame to be filled."""
        frame = av.VideoFrame(self.width, self.height, self.pixel_format)
        self.colours.stamp(frame)
        return frame

    def from_rgb(self, rgb: NDArray[Any]) -> av.VideoFrame:
        """Bring a frame into this form.

        Args:
            rgb: HWC RGB, uint8 or uint16, of any size.
        """
        return from_rgb(np.rot90(rgb, self.turns), self.pixel_format, self.colours, (self.width, self.height))
