"""Packs 4:2:0 planes into one array with a pixel per block of the picture, and back."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clearcall.frame import Plane, Planes

Packed: TypeAlias = NDArray[np.uint8]
"""uint8 (rows of blocks, columns of blocks, channels)."""
_Views: TypeAlias = list[tuple[NDArray[Any], NDArray[Any]]]

_WORDS: Final[dict[int, Any]] = {1: np.uint8, 2: np.uint16, 4: np.uint32}
_WHITE: Final = 255


@dataclass(frozen=True)
class Packing:
    """How blocks become channels: luma by rows of the block, then the two colour differences, then ones.

    Attributes:
        stride: Side of a block: 2 or 4.
        channels: Of a packed picture.
        has_colours: Whether colour differences are packed, or luma alone.
        helper: Runs half of each copy; the calling thread does all of it without one.

    Example:
        >>> packing = Packing(stride=2, channels=8, has_colours=True)
        >>> y, half = np.arange(8, dtype=np.uint8).reshape(2, 4), np.full((1, 2), 128, np.uint8)
        >>> packing.pack((y, half, half), packing.blank((y, half, half)))[0, 0].tolist()
        [0, 1, 4, 5, 128, 128, 255, 255]
    """

    stride: int
    channels: int
    has_colours: bool
    helper: Executor | None = None

    def blank(self, planes: Planes) -> Packed:
        """Make a packed picture to pack pictures of one size into, with the ones in it already.

        Args:
            planes: Of a 4:2:0 picture of that size.
        """
        return np.full(self.shape(planes), _WHITE, np.uint8)

    def shape(self, planes: Planes) -> tuple[int, int, int]:
        """Tell the shape of a packed picture.

        Args:
            planes: Of a 4:2:0 picture.
        """
        height, width = (-(-length // self.stride) for length in planes[0].shape)
        return height, width, self.channels

    def pack(self, planes: Planes, packed: Packed) -> Packed:
        """Pack planes; where blocks don't fit, the edge is repeated.

        Args:
            planes: Of a 4:2:0 picture.
            packed: Where to; made by ``blank``.

        Returns:
            ``packed``.
        """
        whole = [self._fitted(plane, packed, number) for number, plane in enumerate(planes)]
        self._copy([(view, plane) for view, plane in self._views(packed, whole)])
        return packed

    def unpack(self, packed: Packed, planes: Planes) -> None:
        """Write a packed picture into planes; colour differences that weren't packed are left alone.

        Args:
            packed: A packed picture.
            planes: Of a 4:2:0 picture of the size that was packed.
        """
        written = planes if self.has_colours else planes[:1]
        whole = [self._fitted(plane, packed, number) for number, plane in enumerate(written)]
        self._copy([(plane, view) for view, plane in self._views(packed, whole)])
        for plane, target in zip(whole, written, strict=True):
            if plane is not target:
                target[:] = plane[: target.shape[0], : target.shape[1]]

    def _copy(self, pairs: _Views) -> None:
        """Copy from the second view of each pair to the first."""
        if self.helper is None:
            _copy_lines(pairs, slice(None))
            return
        middle = len(pairs[0][0]) // 2
        below = self.helper.submit(_copy_lines, pairs, slice(middle, None))
        try:
            _copy_lines(pairs, slice(middle))
        finally:
            below.result()

    def _fitted(self, plane: Plane, packed: Packed, number: int) -> Plane:
        """A plane with a whole number of blocks and lines without gaps between samples; itself if it is one."""
        side = self.stride if number == 0 else self.stride // 2
        missing = [(0, blocks * side - length) for blocks, length in zip(packed.shape[:2], plane.shape, strict=True)]
        if any(after for _, after in missing):
            return np.pad(plane, missing, "edge")
        return plane if plane.strides[1] == 1 else plane.copy()

    def _views(self, packed: Packed, planes: list[Plane]) -> _Views:
        """Views of a packed picture and of planes that hold the same samples, in words as wide as a block."""
        half = self.stride // 2
        views = _lines(packed, planes[0], self.stride, 0)
        for number, plane in enumerate(planes[1:] if self.has_colours else ()):
            views += _lines(packed, plane, half, self.stride**2 + number * half**2)
        return views


def _lines(packed: Packed, plane: Plane, side: int, first: int) -> _Views:
    """One pair of views for each line of a block."""
    words, lines = packed.view(_WORDS[side]), plane.view(_WORDS[side])
    return [(words[:, :, first // side + line], lines[line::side]) for line in range(side)]


def _copy_lines(pairs: _Views, lines: slice) -> None:
    for target, source in pairs:
        target[lines] = source[lines]
