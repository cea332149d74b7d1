"""Weights in 8-bit integers that OpenVINO overflows on no CPU with, as finely as that allows."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_TOP: Final = 127
_PAIR_TOP: Final = 128
"""CPUs without VNNI (AVX2 alone) add two products of an unsigned and a signed byte in 16 bits, which hold 255 * 128."""


def quantise(weight: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round the weights of a convolution to symmetric 8-bit levels with one scale per output.

    Neighbouring input channels are multiplied and added in pairs; the scale leaves room for the sum of any pair, so
    that a CPU without VNNI computes what all others do. With it, levels of one pixel are never off by dozens.

    Args:
        weight: (outputs, inputs, k, k).

    Returns:
        Levels of the same shape, and scales (outputs,): the weight is about level times scale.

    Example:
        >>> levels, scales = quantise(np.array([[[[1.0]], [[0.5]]]]))
        >>> levels.ravel().tolist(), round(float(scales[0]), 4)
        ([85, 42], 0.0118)
    """
    outputs, inputs = weight.shape[:2]
    pairs = np.pad(weight, ((0, 0), (0, inputs % 2), (0, 0), (0, 0))).reshape(outputs, -1, 2, *weight.shape[2:])
    sums = [np.maximum(sign * pairs, 0).sum(axis=2).reshape(outputs, -1).max(axis=1) for sign in (1, -1)]
    peaks = np.abs(weight).reshape(outputs, -1).max(axis=1)
    # A level is rounded by up to a half, so a pair by up to one.
    needed = np.maximum(peaks / _TOP, np.maximum(*sums) / (_PAIR_TOP - 1))
    scales = np.maximum(needed, np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(weight / scales[:, None, None, None]).astype(np.int8), scales
