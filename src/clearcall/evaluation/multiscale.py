"""MS-SSIM, together with SSIM, of colour and of luma in one pass over a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearcall.errors import InputError
from clearcall.evaluation.metrics import Frame, check_comparable, luma, mean_structure

PROTOCOL = "five scales, each half of the one before by 2x2 averages, SSIM's window; per channel, then their mean"
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, the finest first."""
SMALLEST_SIDE = 11 * 2 ** (len(WEIGHTS) - 1)
"""The window must fit at the coarsest scale: 176 pixels."""


@dataclass(frozen=True)
class Structure:
    """SSIM and MS-SSIM of a frame: mean of its RGB channels, and of BT.601 luma."""

    ssim: float
    ssim_y: float
    ms_ssim: float
    ms_ssim_y: float


def structure(preds: Frame, target: Frame) -> Structure:
    """Measure SSIM and MS-SSIM of two RGB frames, of the colours and of luma.

    SSIM as in :func:`clearcall.evaluation.metrics.ssim` and ``ssim_y``. MS-SSIM: at each of five scales (halved by
    2x2 averaging, an odd last row or column left out) the mean contrast-structure term with the same window, at the
    coarsest SSIM; negative means count as 0; raised to the weights of the paper and multiplied, per channel; then
    the mean of the channels. Luma is BT.601 (16-235), not rounded, data range 255.

    Args:
        preds: Frame to judge, uint8, ``(height, width, 3)``, RGB.
        target: The ground truth, same shape and type.

    Returns:
        The four figures, each at most 1 (identical frames).

    Raises:
        InputError: The frames can't be compared, or a side is shorter than 176 pixels.

    References:
        Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image quality assessment",
        37th Asilomar Conference on Signals, Systems and Computers, 2003.

    Example:
        >>> import numpy as np
        >>> frame = np.random.default_rng(0).integers(0, 256, (180, 180, 3), dtype=np.uint8)
        >>> structure(frame, frame).ms_ssim
        1.0
    """
    check_comparable(preds, target)
    if min(target.shape[:2]) < SMALLEST_SIDE:
        raise InputError(
            f"a frame of {target.shape[1]}x{target.shape[0]} is too small for MS-SSIM; both sides must have at least "
            f"{SMALLEST_SIDE} pixels"
        )
    scales = _scales(_planes(preds), _planes(target))
    multi = np.prod([np.maximum(scale, 0) ** weight for scale, weight in zip(_terms(scales), WEIGHTS, strict=True)], 0)
    ssim = scales[0][:, 0]
    return Structure(float(ssim[:3].mean()), float(ssim[3]), float(multi[:3].mean()), float(multi[3]))


def _planes(frame: Frame) -> NDArray[np.float32]:
    """Red, green, blue and luma, ``(4, height, width)``."""
    planes = np.empty((4, *frame.shape[:2]), np.float32)
    planes[:3] = frame.transpose(2, 0, 1)
    planes[3] = luma(frame)
    return planes


def _scales(preds: NDArray[np.float32], target: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    found = [mean_structure(preds, target)]
    for _ in WEIGHTS[1:]:
        preds, target = _halved(preds), _halved(target)
        found.append(mean_structure(preds, target))
    return found


def _terms(scales: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """What enters the product: contrast-structure, and at the coarsest scale SSIM."""
    return [scale[:, 1] for scale in scales[:-1]] + [scales[-1][:, 0]]


def _halved(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    even = planes[:, : planes.shape[1] // 2 * 2, : planes.shape[2] // 2 * 2]
    rows = even[:, ::2] + even[:, 1::2]
    halved: NDArray[np.float32] = (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(0.25)
    return halved
