"""Fit a frame of any size into one of a fixed size, as a virtual camera or a video file needs it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from clearcall.frame import Frame


def fit(frame: Frame, width: int, height: int) -> Frame:
    """Scale a frame to a size; where its shape differs, black bars fill the rest.

    Args:
        frame: uint8 HWC RGB.
        width: Pixels across of the result.
        height: Pixels down of the result.

    Returns:
        uint8 HWC RGB of that size; the frame itself if it has it already.

    Example:
        >>> fit(np.full((10, 10, 3), 255, np.uint8), 4, 2)[:, :, 0].tolist()
        [[0, 255, 255, 0], [0, 255, 255, 0]]
    """
    old_height, old_width = frame.shape[:2]
    if (old_width, old_height) == (width, height):
        return frame
    scale = min(width / old_width, height / old_height)
    inner_width, inner_height = max(1, round(old_width * scale)), max(1, round(old_height * scale))
    scaled = Image.fromarray(frame).resize((inner_width, inner_height), Image.Resampling.BICUBIC)
    fitted = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    fitted[top : top + inner_height, left : left + inner_width] = np.asarray(scaled)
    return fitted
