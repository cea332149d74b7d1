"""A still picture moves as a hand-held camera would move it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SWAYS = 3
_SLOWEST, _FASTEST = 0.01, 0.08


def camera_path(count: int, rng: np.random.Generator, speed: float = 1.0) -> NDArray[np.float64]:
    """Draw a smooth path of the camera that ends at the picture itself.

    Each axis is a sum of three slow sways (periods of 12 to 100 frames, the slower the wider), scaled so that
    the typical step is ``speed`` pixels a frame.

    Args:
        count: Number of frames.
        rng: Source of chance; the same generator state gives the same path.
        speed: Root mean square of the step between neighbouring frames, in pixels.

    Returns:
        ``count`` x 2 displacements (x, y) in pixels; the last one is exactly zero.

    Example:
        >>> camera_path(8, np.random.default_rng(0))[-1].tolist()
        [0.0, 0.0]
    """
    frequency = rng.uniform(_SLOWEST, _FASTEST, size=(_SWAYS, 1, 2))
    phase = rng.uniform(0.0, 2.0 * np.pi, size=(_SWAYS, 1, 2))
    time = np.arange(count, dtype=np.float64)[:, None]
    sway = (np.sin(2.0 * np.pi * frequency * time + phase) / frequency).sum(axis=0)
    path = sway - sway[-1]
    step = np.sqrt(np.mean(np.sum(np.diff(path, axis=0) ** 2, axis=1))) if count > 1 else 0.0
    if step == 0.0:
        return np.zeros((count, 2))
    scaled: NDArray[np.float64] = path * (speed / step)
    return scaled
