"""Two clips in one: the same scene left and right of a divider that glides to and fro."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frame = NDArray[np.uint8]

_SECONDS_PER_SWEEP = 4.0
_REACH = 0.25  # of the width, to each side of the middle
_LINE = (255, 255, 255)


class SplitScreen:
    """Joins a frame of each clip.

    Args:
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        before: Label of the left side.
        after: Label of the right side.

    Example:
        >>> black, white = np.zeros((90, 160, 3), np.uint8), np.full((90, 160, 3), 255, np.uint8)
        >>> joined = SplitScreen(160, 90, "a", "b").join(black, white, seconds=0)
        >>> joined[0, 20].tolist(), joined[0, 140].tolist()
        ([0, 0, 0], [255, 255, 255])
    """

    def __init__(self, width: int, height: int, before: str, after: str) -> None:
        self._width, self._height = width, height
        self._before, self._after = self._label(before), self._label(after)

    def join(self, before: Frame, after: Frame, seconds: float) -> Frame:
        """Join two frames of the same moment.

        Args:
            before: Shown left of the divider, uint8 ``(height, width, 3)`` RGB.
            after: Shown right of it.
            seconds: The moment.

        Returns:
            A new frame.
        """
        middle = round(self._width * (0.5 + _REACH * math.sin(2 * math.pi * seconds / _SECONDS_PER_SWEEP)))
        joined = before.copy()
        joined[:, middle:] = after[:, middle:]
        half = max(self._width // 960, 1)
        joined[:, middle - half : middle + half] = _LINE
        picture = Image.fromarray(joined)
        gap = self._height // 40
        top = self._height - gap - self._before.height
        for label, left in (
            (self._before, middle - gap - self._before.width),
            (self._after, middle + gap),
        ):
            picture.paste(label, (left, top), label)
        return np.asarray(picture)

    def _label(self, words: str) -> Image.Image:
        """White words on a dark, half transparent pill."""
        font = ImageFont.load_default(self._height / 40)
        height = self._height // 22
        width = round(font.getlength(words)) + height
        label = Image.new("RGBA", (width, height), (0, 0, 0, 0))
        draw = ImageDraw.Draw(label)
        draw.rounded_rectangle((0, 0, width - 1, height - 1), height // 2, (12, 14, 18, 205))
        draw.text((width / 2, height / 2), words, (255, 255, 255, 255), font, anchor="mm")
        return label
