"""MS-SSIM, together with SSIM, of colour and of luma in one pass over a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearcall.errors import InputError
from clearcall.evaluation.metrics import Frame, check_comparable, decibels, luma, mean_square
from clearcall.evaluation.windowed import Windowed

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
    return Truth(target).structure(preds)


@dataclass(frozen=True)
class Likeness(Structure):
    """SSIM and MS-SSIM, and PSNR as in ``clearcall.evaluation.metrics``."""

    psnr: float
    psnr_y: float


class Truth:
    """A ground truth to which many frames are compared; what depends on it alone is computed once.

    Args:
        target: uint8, ``(height, width, 3)``, RGB; both sides at least 176 pixels.

    Raises:
        InputError: It is no such frame.

    Example:
        >>> import numpy as np
        >>> frame = np.zeros((176, 176, 3), np.uint8)
        >>> truth = Truth(frame)
        >>> truth.structure(frame).ssim_y, round(truth.likeness(frame + np.uint8(1)).psnr, 2)
        (1.0, 48.13)
    """

    def __init__(self, target: Frame) -> None:
        check_comparable(target, target)
        if min(target.shape[:2]) < SMALLEST_SIDE:
            raise InputError(
                f"a frame of {target.shape[1]}x{target.shape[0]} is too small for MS-SSIM; both sides must have at "
                f"least {SMALLEST_SIDE} pixels"
            )
        self.target = target
        self._planes = _planes(target)
        self._scales = [Windowed(planes) for planes in _pyramid(self._planes)]

    def structure(self, preds: Frame) -> Structure:
        """As the function :func:`structure`.

        Raises:
            InputError: The frames can't be compared.
        """
        check_comparable(preds, self.target)
        return self._structure(_planes(preds))

    def likeness(self, preds: Frame) -> Likeness:
        """Structure and PSNR together.

        Raises:
            InputError: The frames can't be compared.
        """
        check_comparable(preds, self.target)
        planes = _planes(preds)
        error = planes - self._planes
        psnr, psnr_y = (decibels(mean_square(part)) for part in (error[:3], error[3]))
        return Likeness(**vars(self._structure(planes)), psnr=psnr, psnr_y=psnr_y)

    def _structure(self, preds: NDArray[np.float32]) -> Structure:
        scales = [scale.compare(planes) for scale, planes in zip(self._scales, _pyramid(preds), strict=True)]
        weighed = zip(_terms(scales), WEIGHTS, strict=True)
        multi = np.prod([np.maximum(scale, 0) ** weight for scale, weight in weighed], 0)
        ssim = scales[0][:, 0]
        return Structure(float(ssim[:3].mean()), float(ssim[3]), float(multi[:3].mean()), float(multi[3]))


def _planes(frame: Frame) -> NDArray[np.float32]:
    """Red, green, blue and luma, ``(4, height, width)``."""
    planes = np.empty((4, *frame.shape[:2]), np.float32)
    planes[:3] = frame.transpose(2, 0, 1)
    planes[3] = luma(frame)
    return planes


def _pyramid(planes: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The planes at each scale, the finest first."""
    for scale in range(len(WEIGHTS)):
        planes = _halved(planes) if scale else planes
        yield planes


def _terms(scales: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """What enters the product: contrast-structure, and at the coarsest scale SSIM."""
    return [scale[:, 1] for scale in scales[:-1]] + [scales[-1][:, 0]]


def _halved(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    even = planes[:, : planes.shape[1] // 2 * 2, : planes.shape[2] // 2 * 2]
    rows = even[:, ::2] + even[:, 1::2]
    halved: NDArray[np.float32] = (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(0.25)
    return halved
