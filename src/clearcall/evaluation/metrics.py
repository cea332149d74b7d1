"""SSIM and PSNR as clearcall reports them: pure functions on 8-bit RGB frames, the protocol in each docstring.

Both are computed on frames after rounding to 8 bits. SSIM gives what scikit-image gives
(``structural_similarity(channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
data_range=255)``) to within 1e-4, about eight times as fast, so that every frame of a clip can be measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from clearcall.errors import InputError
from clearcall.evaluation.windowed import WINDOW, Planes, Windowed

Frame = NDArray[np.uint8]

PROTOCOL = "8-bit RGB; SSIM: Gaussian 11x11, sigma 1.5, mean of channels; PSNR: over all channels"
PROTOCOL_Y = "BT.601 luma 16-235, not rounded, data range 255"

_LUMA = np.array([65.481, 128.553, 24.966], np.float32) / np.float32(255)


def ssim(preds: Frame, target: Frame) -> float:
    """Structural similarity of two RGB frames.

    Gaussian window 11x11, sigma 1.5, population covariance, K1 = 0.01, K2 = 0.03, data range 255, computed per
    channel where the whole window fits, then averaged over positions and channels. Papers use other protocols
    under the same name (MATLAB on luma, 3-D windows, CW-SSIM); their figures can't be compared with these.

    Args:
        preds: Frame to judge, uint8, ``(height, width, 3)``, RGB.
        target: The ground truth, same shape and type.

    Returns:
        Mean SSIM, at most 1 (identical frames); may fall below 0.

    Raises:
        InputError: The frames differ in shape, are not uint8 RGB, or are smaller than 11x11.

    References:
        Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to
        structural similarity", IEEE Transactions on Image Processing 13(4), 2004.

    Example:
        >>> import numpy as np
        >>> target = np.tile(np.arange(0, 240, 10, dtype=np.uint8)[:, None, None], (1, 32, 3))
        >>> ssim(target, target)
        1.0
        >>> round(ssim(target // 2, target), 3)
        0.668
    """
    check_comparable(preds, target)
    return _mean_ssim(_planes(preds), _planes(target))


def ssim_to(target: Frame) -> Callable[[Frame], float]:
    """Prepare :func:`ssim` for many frames with one truth, of which much is computed only once.

    Args:
        target: The ground truth, uint8, ``(height, width, 3)``, RGB.

    Returns:
        A function of the frame to judge.

    Raises:
        InputError: As :func:`ssim`; the function raises it, too.

    Example:
        >>> import numpy as np
        >>> frame = np.full((16, 16, 3), 90, np.uint8)
        >>> ssim_to(frame)(frame)
        1.0
    """
    check_comparable(target, target)
    truth = Windowed(_planes(target))

    def of(preds: Frame) -> float:
        check_comparable(preds, target)
        return float(truth.compare(_planes(preds))[:, 0].mean())

    return of


def ssim_y(preds: Frame, target: Frame) -> float:
    """Structural similarity of the luma alone: :func:`ssim` on Y of BT.601 (16-235), not rounded, data range 255.

    Args:
        preds: Frame to judge, uint8, ``(height, width, 3)``, RGB.
        target: The ground truth, same shape and type.

    Returns:
        Mean SSIM of the luma plane, at most 1.

    Raises:
        InputError: The frames differ in shape, are not uint8 RGB, or are smaller than 11x11.

    Example:
        >>> import numpy as np
        >>> grey = np.full((16, 16, 3), 90, np.uint8)
        >>> ssim_y(grey, grey)
        1.0
    """
    check_comparable(preds, target)
    return _mean_ssim(luma(preds)[None], luma(target)[None])


def psnr(preds: Frame, target: Frame) -> float:
    """Peak signal-to-noise ratio in dB: peak 255, squared error averaged over all pixels and channels.

    Args:
        preds: Frame to judge, uint8, ``(height, width, 3)``, RGB.
        target: The ground truth, same shape and type.

    Returns:
        Decibels; infinity for identical frames.

    Raises:
        InputError: The frames differ in shape, are not uint8 RGB, or are smaller than 11x11.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((16, 16, 3), np.uint8)
        >>> round(psnr(black + np.uint8(1), black), 2)
        48.13
        >>> psnr(black, black)
        inf
    """
    check_comparable(preds, target)
    return decibels(mean_square(preds.astype(np.int16) - target))


def psnr_y(preds: Frame, target: Frame) -> float:
    """Peak signal-to-noise ratio of the luma in dB: Y of BT.601 (16-235), not rounded, peak 255.

    Args:
        preds: Frame to judge, uint8, ``(height, width, 3)``, RGB.
        target: The ground truth, same shape and type.

    Returns:
        Decibels; infinity where the luma is identical.

    Raises:
        InputError: The frames differ in shape, are not uint8 RGB, or are smaller than 11x11.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((16, 16, 3), np.uint8)
        >>> round(psnr_y(black + np.uint8(1), black), 2)
        49.45
    """
    check_comparable(preds, target)
    return decibels(mean_square(luma(preds) - luma(target)))


def luma(frame: Frame) -> NDArray[np.float32]:
    """Luma of an RGB frame as papers on restoration take it: BT.601, 16 (black) to 235 (white), not rounded.

    Args:
        frame: uint8, ``(height, width, 3)``, RGB.

    Returns:
        float32, ``(height, width)``.

    Example:
        >>> import numpy as np
        >>> luma(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)).round(3).tolist()
        [[16.0, 235.0]]
    """
    return frame.astype(np.float32) @ _LUMA + np.float32(16)


def check_comparable(preds: Frame, target: Frame) -> None:
    """Refuse two frames that no metric can compare.

    Raises:
        InputError: They differ in shape, are not uint8 RGB, or are smaller than 11x11.
    """
    for name, frame in (("preds", preds), ("target", target)):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise InputError(
                f"metrics take 8-bit RGB frames of shape (height, width, 3), but {name} is {frame.dtype} of shape "
                f"{frame.shape}; convert it first"
            )
    if preds.shape != target.shape:
        raise InputError(
            f"the two frames to compare differ in size, {_size(preds)} and {_size(target)}; "
            "bring them to one size first"
        )
    if min(target.shape[:2]) < WINDOW:
        raise InputError(
            f"a frame of {_size(target)} is smaller than the {WINDOW}x{WINDOW} window of SSIM; measure larger frames"
        )


def _size(frame: Frame) -> str:
    return f"{frame.shape[1]}x{frame.shape[0]}"


def _planes(frame: Frame) -> Frame:
    return np.ascontiguousarray(frame.transpose(2, 0, 1))


def _mean_ssim(preds: Planes, target: Planes) -> float:
    return float(Windowed(target).compare(preds)[:, 0].mean())


def mean_square(error: NDArray[np.int16] | NDArray[np.float32]) -> float:
    """Mean of the squares, summed in float64, which is exact for whole levels.

    Example:
        >>> mean_square(np.array([3, -1], np.int16))
        5.0
    """
    squares = np.square(error, dtype=np.float64)  # not a product: BLAS's threads block each other in several processes
    return float(squares.sum()) / squares.size


def decibels(mean_squared_error: float) -> float:
    """PSNR at peak 255; infinity without an error.

    Example:
        >>> round(decibels(1.0), 2)
        48.13
    """
    return 10 * math.log10(255 * 255 / mean_squared_error) if mean_squared_error else math.inf
