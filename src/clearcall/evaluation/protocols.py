"""SSIM as papers on deblurring compute it, where that is not how clearcall does; PSNR is the same everywhere.

Three figures go by the name of SSIM in GoPro tables; who uses which was read off published evaluation code:

| here | also computed by |
| --- | --- |
| ``metrics.ssim``: Gaussian 11x11, each channel, whole windows only | DeepDeblur-PyTorch, BasicSR's ``_ssim`` |
| :func:`ssim_matlab`: Gaussian 11x11x11 on RGB as a volume | MPRNet, Restormer (MATLAB's ``ssim``), NAFNet (3-D) |
| :func:`ssim_uniform`: 7x7 box, each channel | scikit-image's defaults: DeblurGAN-v2 and many others |
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from clearcall.evaluation.metrics import Frame, check_comparable

MATLAB = "MATLAB ssim on RGB as a volume (MPRNet, Restormer, NAFNet): Gaussian 11x11x11, sigma 1.5, edges repeated"
UNIFORM = "scikit-image defaults on RGB (DeblurGAN-v2): 7x7 box, sample covariance, mean of channels"

_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim_matlab(preds: Frame, target: Frame) -> float:
    """SSIM as MATLAB's ``ssim(preds, target)`` gives it for two RGB pictures.

    Without a ``DataFormat``, MATLAB takes the three channels for the third dimension of a volume: the Gaussian window
    (11x11x11, sigma 1.5) reaches across the channels, edges are repeated in all three directions, and the map is
    averaged over every pixel and channel. On blurred photographs this gives higher figures than
    a window within each channel (docs/gopro.md shows by how much).

    Args:
        preds: Frame to judge, uint8, ``(height, width, 3)``, RGB.
        target: The ground truth, same shape and type.

    Returns:
        Mean SSIM, at most 1.

    Raises:
        InputError: The frames differ in shape, are not uint8 RGB, or are smaller than 11x11.

    Example:
        >>> target = np.tile(np.arange(0, 240, 10, dtype=np.uint8)[:, None, None], (1, 32, 3))
        >>> round(ssim_matlab(target, target), 6), round(ssim_matlab(target // 2, target), 3)
        (1.0, 0.673)
    """
    check_comparable(preds, target)
    x, y = preds.astype(np.float64), target.astype(np.float64)
    mean_x, mean_y = _window(x), _window(y)
    squares, products = _window(x * x + y * y), _window(x * y)
    covariance = products - mean_x * mean_y
    variances = squares - mean_x**2 - mean_y**2
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return float((luminance * (2 * covariance + _C2) / (variances + _C2)).mean())


def ssim_uniform(preds: Frame, target: Frame) -> float:
    """SSIM as scikit-image's ``structural_similarity(channel_axis=-1, data_range=255)`` gives it by default.

    Uniform window 7x7, sample covariance, per channel where the whole window fits, then averaged.

    Args:
        preds: Frame to judge, uint8, ``(height, width, 3)``, RGB.
        target: The ground truth, same shape and type.

    Returns:
        Mean SSIM, at most 1.

    Raises:
        InputError: The frames differ in shape, are not uint8 RGB, or are smaller than 11x11.

    Example:
        >>> target = np.tile(np.arange(0, 240, 10, dtype=np.uint8)[:, None, None], (1, 32, 3))
        >>> round(ssim_uniform(target, target), 6)
        1.0
    """
    check_comparable(preds, target)
    return float(structural_similarity(preds, target, channel_axis=-1, data_range=255))


def _window(volume: NDArray[np.float64]) -> NDArray[np.float64]:
    filtered: NDArray[np.float64] = gaussian_filter(volume, _SIGMA, mode="nearest", radius=_RADIUS)
    return filtered
