"""Softens a sharp picture as a camera does whose lens is out of focus, or that moves while its shutter is open.

Calls are full of frames that were soft before any link took anything: a student that only ever saw sharp truths makes
of them what never was there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearcall.degrade.exposure import GAMMA, average
from clearcall.degrade.scale import resize
from clearcall.frame import Frame

MOVED = 0.4
"""Share of pictures that are softened by movement; the rest is out of focus."""
_VIEWS = 9
_LENS = 0.4
"""Of a camera that moves: standard deviation of what its lens does besides, in pixels."""
_REACH = 4.0
"""How many standard deviations a blur reaches."""


def soften(sharp: Frame, rng: np.random.Generator, focus: tuple[float, float], shake: tuple[float, float]) -> Frame:
    """Make a picture soft in linear light, by movement along a straight line or by a Gaussian blur.

    Args:
        sharp: HWC RGB uint8.
        rng: Source of chance; the same generator state gives the same result.
        focus: Least and largest standard deviation of the blur, in pixels.
        shake: Shortest and longest way that the picture moves during an exposure, in pixels.

    Returns:
        HWC RGB uint8 of the same size; what moved lies around where it was.

    Example:
        >>> edge = np.repeat(np.uint8([0, 0, 0, 0, 255, 255, 255, 255])[None, :, None], 8, 0).repeat(3, 2)
        >>> soft = soften(edge, np.random.default_rng(1), (1.0, 1.0), (2.0, 2.0))
        >>> soft.shape, int(np.abs(np.diff(soft[4, :, 0].astype(int))).max()) < 200
        ((8, 8, 3), True)
    """
    if rng.random() >= MOVED:
        return _blurred(sharp, rng.uniform(*focus))
    length, angle = rng.uniform(*shake), rng.uniform(0, np.pi)
    height, width = sharp.shape[:2]
    way = length * np.linspace(-0.5, 0.5, _VIEWS)
    offsets = zip((way * np.cos(angle)).tolist(), (way * np.sin(angle)).tolist(), strict=True)
    return _blurred(average(resize(sharp, width, height, "bilinear", offset) for offset in offsets), _LENS)


def _blurred(picture: Frame, deviation: float) -> Frame:
    reach = int(_REACH * deviation + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    light = np.power(picture.astype(np.float32) / 255, GAMMA)
    for axis in (0, 1):
        light = _along(light, axis, (weights / weights.sum()).astype(np.float32))
    levels: Frame = np.rint(255 * np.power(light, 1 / GAMMA)).clip(0, 255).astype(np.uint8)
    return levels


def _along(light: NDArray[np.float32], axis: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh neighbours along an axis; beyond the edge lies the edge."""
    reach, length = len(weights) // 2, light.shape[axis]
    padded = np.pad(light, [(reach, reach) if each == axis else (0, 0) for each in range(light.ndim)], "edge")
    parts = (weight * padded.take(range(start, start + length), axis) for start, weight in enumerate(weights))
    total: NDArray[np.float32] = np.sum(list(parts), axis=0, dtype=np.float32)
    return total
