"""Resizing: the one owner of kernels and rounding.

The project's protocol ``bicubic-x2`` (mean RGB SSIM 0.8997 on its 102 validation pictures, 0.9180 with bicubic
upscaling) is Pillow's antialiased resampling on 8-bit RGB, rounded after each of the two steps: bicubic with
a = -0.5, the kernel widened by the factor when shrinking. Resampling without antialiasing, as deep-learning
frameworks do by default, gives 0.9172 instead, so the two must not be mixed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from clearcall.frame import Frame

Kernel = Literal["area", "bilinear", "bicubic", "lanczos"]

_RESAMPLING = {
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def resize(pixels: Frame, width: int, height: int, kernel: Kernel, offset: tuple[float, float] = (0.0, 0.0)) -> Frame:
    """Resize a frame, antialiased, optionally as seen by a camera that has moved a little.

    Args:
        pixels: HWC RGB uint8.
        width: New width in pixels.
        height: New height in pixels.
        kernel: ``area``, ``bilinear``, ``bicubic`` (a = -0.5) or ``lanczos`` (3 lobes).
        offset: Where the upper left corner of the view lies, (x, y) in pixels of the input, fractions allowed;
            what lies outside the frame repeats its edge.

    Returns:
        HWC RGB uint8 of the new size, always a new array.

    Example:
        >>> resize(np.zeros((7, 5, 3), np.uint8), width=3, height=4, kernel="bicubic").shape
        (4, 3, 3)
    """
    rows, columns = pixels.shape[:2]
    if offset == (0.0, 0.0):
        if (rows, columns) == (height, width):
            return pixels.copy()
        return np.array(Image.fromarray(pixels).resize((width, height), _RESAMPLING[kernel]))
    margin = int(np.ceil(max(abs(offset[0]), abs(offset[1]))))
    padded = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    left, top = margin + offset[0], margin + offset[1]
    box = (left, top, left + columns, top + rows)
    return np.array(Image.fromarray(padded).resize((width, height), _RESAMPLING[kernel], box=box))
