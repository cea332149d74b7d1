"""The map of SSIM under its Gaussian window, averaged: the part that takes the time.

The window is applied as products with banded matrices, tile by tile, so that all of a tile stays in the second-level
cache, and each product is so small that BLAS starts no threads of its own for it. What depends on the truth alone is
computed once for all frames that are compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Planes: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
_Floats: TypeAlias = NDArray[np.float32]

WINDOW = 11
"""Side of the Gaussian window."""

_SIGMA = 1.5
_MARGIN = WINDOW - 1
_C1, _C2 = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
_ROWS, _BLOCK, _BLOCKS = 32, 26, 7
_MIDDLE = np.float32(128)  # moments are taken about mid-grey, which keeps float32 exact enough


class Windowed:
    """A truth with its windowed moments, to compare frames with.

    Args:
        target: uint8 or float32 of range 0-255, ``(planes, height, width)``, at least 11x11.

    Example:
        >>> truth = Windowed(np.full((1, 16, 16), 110, np.uint8))
        >>> truth.compare(np.full((1, 16, 16), 90, np.uint8)).round(3).tolist()
        [[0.98, 1.0]]
    """

    def __init__(self, target: Planes) -> None:
        self._target = target
        self._tiles = [(tile, block, *_truth(target[tile], block)) for tile, block in _tiles(*target.shape[1:])]

    def compare(self, preds: Planes) -> NDArray[np.float64]:
        """Mean over all positions of SSIM's map, and of its contrast-structure part alone, for each plane.

        Args:
            preds: Planes to judge, same shape as the truth; uint8 or float32.

        Returns:
            float64, ``(planes, 2)``: SSIM, and what is left of it without the luminance term.
        """
        planes, height, width = self._target.shape
        total = np.zeros((planes, 2))
        for tile, block, mean, variance in self._tiles:
            total += _sums(preds[tile] - _MIDDLE, self._target[tile] - _MIDDLE, block, mean, variance)
        means: NDArray[np.float64] = total / ((height - _MARGIN) * (width - _MARGIN))
        return means


_Tile: TypeAlias = tuple[slice, slice, slice]


def _tiles(height: int, width: int) -> Iterator[tuple[_Tile, int]]:
    """Slices of the planes, margin included, and how many columns a block of their output has."""
    columns = width - _MARGIN
    spans = [(left, min(_BLOCKS, (columns - left) // _BLOCK)) for left in range(0, columns, _BLOCK * _BLOCKS)]
    across = [(left, count * _BLOCK, _BLOCK) for left, count in spans if count]
    if columns % _BLOCK:
        across.append((columns // _BLOCK * _BLOCK, columns % _BLOCK, columns % _BLOCK))
    for top in range(0, height - _MARGIN, _ROWS):
        rows = slice(top, min(top + _ROWS + _MARGIN, height))
        yield from ((np.s_[:, rows, left : left + wide + _MARGIN], block) for left, wide, block in across)


def _truth(target: Planes, block: int) -> tuple[_Floats, _Floats]:
    """Mean about mid-grey, and variance, under the window."""
    y = target - _MIDDLE
    moments = _blurred(np.stack([y, y * y], axis=1), block)
    mean = np.ascontiguousarray(moments[:, 0])
    return mean, moments[:, 1] - mean * mean


def _sums(x: _Floats, y: _Floats, block: int, mean_y: _Floats, variance_y: _Floats) -> NDArray[np.float64]:
    """Sums of both maps over one tile; in place, as every pass over memory counts."""
    maps = np.empty((len(x), 3, *x.shape[1:]), np.float32)
    maps[:, 0] = x
    np.multiply(x, x, out=maps[:, 1])
    np.multiply(x, y, out=maps[:, 2])
    blurred = _blurred(maps, block)
    mean, variance, structure = (blurred[:, index] for index in range(3))
    scratch = mean * mean_y
    structure -= scratch
    structure += structure
    structure += _C2
    variance -= np.multiply(mean, mean, out=scratch)
    variance += variance_y
    variance += _C2
    structure /= variance
    difference = np.subtract(mean, mean_y, out=variance)
    difference *= difference
    mean += _MIDDLE
    mean *= np.add(mean_y, _MIDDLE, out=scratch)
    mean += mean
    mean += _C1
    difference += mean  # a^2 + b^2 = 2ab + (a - b)^2
    mean /= difference
    mean *= structure
    return np.stack([_total(mean), _total(structure)], axis=1)


def _total(maps: _Floats) -> NDArray[np.float64]:
    """Sum of each plane; pairwise in float32 over a block, then in float64."""
    return np.asarray(maps.sum(axis=(2, 3)).sum(axis=1, dtype=np.float64))


def _blurred(maps: _Floats, block: int) -> _Floats:
    """Apply the window to ``(planes, maps, rows, columns)``; gives ``(planes, maps, blocks, rows, block)``.

    Every map gets products of its own, all of one shape, so that equal maps give equal bits.
    """
    down = _band(maps.shape[2] - _MARGIN) @ maps
    planes, count, rows, columns = down.shape
    plane, one, row, column = down.strides
    windows = np.lib.stride_tricks.as_strided(
        down,
        (planes, count, (columns - _MARGIN) // block, rows, block + _MARGIN),
        (plane, one, block * column, row, column),
        writeable=False,
    )
    blurred: _Floats = windows @ _band(block).T
    return blurred


@cache
def _band(outputs: int) -> _Floats:
    """Matrix ``(outputs, outputs + 10)`` whose rows hold the Gaussian window, each shifted by one."""
    taps = np.exp(-0.5 * ((np.arange(WINDOW) - _MARGIN / 2) / _SIGMA) ** 2)
    band = np.zeros((outputs, outputs + _MARGIN), np.float32)
    for row in range(outputs):
        band[row, row : row + WINDOW] = taps / taps.sum()
    return band
