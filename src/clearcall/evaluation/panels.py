"""Input, student output and ground truth side by side, with a zoomed detail, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from clearcall.errors import InputError

Frame = NDArray[np.uint8]
LABELS = ("Input", "Student output", "Ground truth")

_GROUND, _INK, _DIM, _ACCENT = (21, 24, 28), (238, 240, 243), (150, 157, 166), (255, 180, 84)
_GAP_SHARE = 0.0125
_ZOOM = 3
_DETAIL_RATIO = 0.62  # height of the detail by its width


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels within a frame: ``frame[box.rows, box.columns]``."""

    left: int
    top: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        """The rows it spans."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """The columns it spans."""
        return slice(self.left, self.left + self.width)


def find_detail(degraded: Frame, output: Frame, sharp: Frame, width: int, height: int) -> Box:
    """Find the window in which the output gains most over the input.

    The gain is the fall of the squared error against the ground truth, summed over the window.

    Args:
        degraded: What came in, uint8 ``(height, width, 3)`` RGB.
        output: What came out, same shape.
        sharp: The ground truth, same shape.
        width: Width of the window; cut to the frame's.
        height: Height of the window; cut to the frame's.

    Returns:
        The window.

    Raises:
        InputError: The three frames differ in shape.

    Example:
        >>> import numpy as np
        >>> sharp = np.zeros((40, 60, 3), np.uint8)
        >>> degraded = sharp.copy()
        >>> degraded[20:30, 30:40] = 50
        >>> find_detail(degraded, sharp, sharp, 10, 10)
        Box(left=30, top=20, width=10, height=10)
    """
    _check_shapes(degraded, output, sharp)
    height, width = min(height, sharp.shape[0]), min(width, sharp.shape[1])
    gain = _squared_error(degraded, sharp) - _squared_error(output, sharp)
    sums = np.zeros((gain.shape[0] + 1, gain.shape[1] + 1), np.int64)
    sums[1:, 1:] = gain.cumsum(axis=0).cumsum(axis=1)
    of_window = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(of_window.argmax()), of_window.shape)
    return Box(int(left), int(top), width, height)


def comparison_panel(
    degraded: Frame,
    output: Frame,
    sharp: Frame,
    *,
    labels: Sequence[str] = LABELS,
    notes: Sequence[str] = (),
    width: int = 1440,
) -> Frame:
    """Draw input, student output and ground truth in three columns, each above its zoomed detail.

    The detail is the window with the largest gain (:func:`find_detail`), marked in the pictures above it and
    enlarged three times without smoothing.

    Args:
        degraded: What came in, uint8 ``(height, width, 3)`` RGB.
        output: What came out, same shape.
        sharp: The ground truth, same shape.
        labels: Heads of the three columns.
        notes: What stands beside each head, as in ``"SSIM 0.912"``; may be fewer than three.
        width: Width of the panel in pixels, at least 120.

    Returns:
        The panel, uint8 RGB, ``width`` pixels wide.

    Raises:
        InputError: The three frames differ in shape.

    Example:
        >>> import numpy as np
        >>> frame = np.zeros((36, 64, 3), np.uint8)
        >>> comparison_panel(frame, frame, frame, width=480).shape[1:]
        (480, 3)
    """
    _check_shapes(degraded, output, sharp)
    gap = max(round(width * _GAP_SHARE), 2)
    column = (width - 4 * gap) // 3
    box = find_detail(degraded, output, sharp, column // _ZOOM, round(column // _ZOOM * _DETAIL_RATIO))
    columns = [
        _column(frame, box, label, note, column)
        for frame, label, note in zip_longest((degraded, output, sharp), labels, notes[:3], fillvalue="")
        if not isinstance(frame, str)
    ]
    panel = Image.new("RGB", (width, columns[0].height + 2 * gap), _GROUND)
    for index, picture in enumerate(columns):
        panel.paste(picture, (gap + index * (column + gap), gap))
    return np.asarray(panel)


def _column(frame: Frame, box: Box, label: str, note: str, width: int) -> Image.Image:
    """One head, the whole frame with the detail marked, and the detail."""
    head, gap = max(width // 13, 12), max(width // 40, 2)
    whole = _whole(frame, box, width)
    detail = _detail(frame, box, width)
    column = Image.new("RGB", (width, head + whole.height + gap + detail.height), _GROUND)
    draw = ImageDraw.Draw(column)
    font = ImageFont.load_default(head * 0.56)
    draw.text((1, head * 0.4), label, _INK, font, anchor="lm")
    draw.text((width - 2, head * 0.4), note, _DIM, font, anchor="rm")
    column.paste(whole, (0, head))
    column.paste(detail, (0, head + whole.height + gap))
    return column


def _whole(frame: Frame, box: Box, width: int) -> Image.Image:
    scale = width / frame.shape[1]
    picture = Image.fromarray(frame).resize((width, max(round(frame.shape[0] * scale), 1)), Image.Resampling.LANCZOS)
    corners = [box.left, box.top, box.left + box.width, box.top + box.height]
    left, top, right, bottom = (round(corner * scale) for corner in corners)
    line = max(width // 160, 1)
    ImageDraw.Draw(picture).rectangle((left, top, max(right - 1, left), max(bottom - 1, top)), None, _ACCENT, line)
    return picture


def _detail(frame: Frame, box: Box, width: int) -> Image.Image:
    """The detail ``_ZOOM`` times as large (or as the column allows), framed in the colour of its mark."""
    crop = Image.fromarray(frame[box.rows, box.columns])
    scale = width / crop.width
    picture = crop.resize((width, max(round(crop.height * scale), 1)), Image.Resampling.NEAREST)
    line = max(width // 160, 1)
    ImageDraw.Draw(picture).rectangle((0, 0, picture.width - 1, picture.height - 1), None, _ACCENT, line)
    return picture


def _squared_error(frame: Frame, sharp: Frame) -> NDArray[np.int64]:
    difference = frame.astype(np.int64) - sharp
    error: NDArray[np.int64] = np.square(difference).sum(axis=2)
    return error


def _check_shapes(degraded: Frame, output: Frame, sharp: Frame) -> None:
    if not degraded.shape == output.shape == sharp.shape:
        raise InputError(
            f"the frames to compare differ in shape: input {degraded.shape}, output {output.shape}, "
            f"ground truth {sharp.shape}; bring them to one size first"
        )
