"""Skip the work that a frame doesn't need: what hasn't changed since the last one is taken from its result.

A still wall, a shared slide and a frozen picture come out of a decoder with exactly the same samples again. A sample
of the result depends only on samples within the network's reach, so a crop with that margin gives the same bits as
the whole frame.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from clearcall.frame import Plane, Planes
from clearcall.media.colour import Colours

_GRID: Final = 4
_SAMPLED: Final = 32
"""One line in so many is compared first: two changed frames of a camera are told apart in microseconds."""

_CROPS: Final = ((4, 4), (2, 2), (1, 2))
"""Divisors of height and width: few sizes, because each has a compiled graph of its own; the smallest first."""

_HALF: Final = (1, 2, 2)


@runtime_checkable
class SharpensPlanes(Protocol):
    """A sharpener that takes a decoder's 4:2:0 planes as they are."""

    @property
    def reach(self) -> int:
        """How many pixels away from a changed sample the result can change, at most."""

    @property
    def multiple_of(self) -> int:
        """Crops must begin at a multiple of this."""

    def sharpen_yuv(
        self, y: Plane, u: Plane, v: Plane, *, colours: Colours, strength: float = ..., out: Planes | None = ...
    ) -> Planes:
        """Sharpen the planes of a frame into ``out``."""


@runtime_checkable
class Chooses(Protocol):
    """A model that may have other weights for other frames."""

    def chosen(self, image: Plane) -> SharpensPlanes:
        """What sharpens a frame of this luma."""


_Way: TypeAlias = tuple[SharpensPlanes, Colours, float]
"""By what, in which colours and how strongly a frame is sharpened."""


@dataclass(frozen=True)
class _Box:
    """A part of a frame, in luma pixels; ``bottom`` and ``right`` are outside."""

    top: int
    bottom: int
    left: int
    right: int

    def grown(self, margin: int, grid: int, height: int, width: int) -> _Box:
        """The box with a margin, aligned to a grid, within the frame."""
        return _Box(
            max(0, (self.top - margin) // grid * grid),
            min(height, -(-(self.bottom + margin) // grid) * grid),
            max(0, (self.left - margin) // grid * grid),
            min(width, -(-(self.right + margin) // grid) * grid),
        )

    def of(self, plane: Plane, factor: int) -> Plane:
        return plane[self.top // factor : self.bottom // factor, self.left // factor : self.right // factor]

    def all_of(self, planes: Planes) -> Planes:
        y, u, v = (self.of(plane, factor) for plane, factor in zip(planes, _HALF, strict=True))
        return y, u, v

    def within(self, outer: _Box) -> _Box:
        return _Box(self.top - outer.top, self.bottom - outer.top, self.left - outer.left, self.right - outer.left)


class ChangesOnly:
    """Sharpens consecutive frames of one video with the same bits as its sharpener, but only where they changed.

    It remembers the last frame and its result, so planes that were given to it or came from it must not be written
    to until the next frame has come. The first crop of each size is checked against the whole frame; an engine that
    gives other bits for crops is never asked for that size again.

    Args:
        sharpener: What sharpens a frame.

    Attributes:
        counts: How many frames were ``same``, changed in ``part``, or done as a ``whole``.

    Example:
        >>> import clearcall
        >>> changes = ChangesOnly(clearcall.load("small"))
        >>> half = np.full((24, 32), 128, np.uint8)
        >>> for _ in range(3):
        ...     sharp = changes.sharpen_yuv(np.full((48, 64), 90, np.uint8), half, half, colours=Colours())
        >>> changes.counts
        Counter({'same': 2, 'whole': 1})
    """

    def __init__(self, sharpener: SharpensPlanes) -> None:
        self.counts: Counter[str] = Counter()
        self._sharpener = sharpener
        self._grid = math.lcm(_GRID, sharpener.multiple_of)
        self._last: tuple[Planes, Planes, _Way] | None = None
        self._checked: dict[tuple[int, int], bool] = {}

    def sharpen_yuv(
        self,
        y: Plane,
        u: Plane,
        v: Plane,
        *,
        colours: Colours,
        strength: float = 1.0,
        out: Planes | None = None,
    ) -> Planes:
        """Sharpen the next frame; see ``Sharpener.sharpen_yuv``.

        Args:
            y: Luma, uint8 (height, width).
            u: Blue difference, uint8 (height / 2, width / 2), rounded up.
            v: Red difference, likewise.
            colours: Matrix, range and siting of the planes.
            strength: From 0 (the frame itself) over 1 (the model's output) to 2 (exaggerated).
            out: Planes to write the result into.

        Returns:
            The sharpened planes; ``out`` if it was given.

        Raises:
            InputError: As ``Sharpener.sharpen_yuv``.
        """
        planes = (y, u, v)
        result = (np.empty_like(y), np.empty_like(u), np.empty_like(v)) if out is None else out
        model = self._sharpener.chosen(y) if isinstance(self._sharpener, Chooses) else self._sharpener
        way = (model, colours, strength)
        changed = self._changed(planes, way)
        if changed is None:
            self._repeat(result)
        elif (crop := self._crop(changed, *y.shape)) is None or not self._sharpen_part(
            planes, changed, crop, way, result
        ):
            self.counts["whole"] += 1
            model.sharpen_yuv(*planes, colours=colours, strength=strength, out=result)
        self._last = (planes, result, way)
        return result

    def _changed(self, planes: Planes, way: _Way) -> _Box | None:
        """Where a frame differs from the last one; None if nowhere."""
        height, width = planes[0].shape
        whole = _Box(0, height, 0, width)
        if self._last is None or self._last[2] != way:
            return whole
        last = self._last[0]
        if any(old.shape != new.shape for old, new in zip(last, planes, strict=True)):
            return whole
        sampled = _difference(last[0][::_SAMPLED], planes[0][::_SAMPLED])
        if sampled is not None and self._crop(_scaled(sampled, _SAMPLED, 1, height), height, width) is None:
            return whole
        boxes = [
            _scaled(found, factor, factor, height, width)
            for old, new, factor in zip(last, planes, _HALF, strict=True)
            if (found := _difference(old, new)) is not None
        ]
        return _union(boxes) if boxes else None

    def _crop(self, changed: _Box, height: int, width: int) -> _Box | None:
        """The smallest crop around what a change can reach, with a margin again; None if only the whole will do."""
        if height % self._grid or width % self._grid:
            return None
        needed = changed.grown(2 * self._sharpener.reach, self._grid, height, width)
        for down, across in _CROPS:
            tall, wide = _ceil(height // down, self._grid), _ceil(width // across, self._grid)
            size = (tall, wide)
            fits = needed.bottom - needed.top <= tall and needed.right - needed.left <= wide
            if fits and self._checked.get(size, True):
                top, left = min(needed.top, height - tall), min(needed.left, width - wide)
                return _Box(top, top + tall, left, left + wide)
        return None

    def _sharpen_part(self, planes: Planes, changed: _Box, crop: _Box, way: _Way, result: Planes) -> bool:
        """Sharpen a crop into ``result``; False if that isn't to be trusted."""
        model, colours, strength = way
        height, width = planes[0].shape
        reached = changed.grown(self._sharpener.reach, self._grid, height, width)
        sharp = model.sharpen_yuv(*crop.all_of(planes), colours=colours, strength=strength)
        inner = reached.within(crop).all_of(sharp)
        size = sharp[0].shape
        if size not in self._checked:
            whole = model.sharpen_yuv(*planes, colours=colours, strength=strength)
            self._checked[size] = _equal(reached.all_of(whole), inner)
        if not self._checked[size]:
            return False
        assert self._last is not None  # noqa: S101 - else the whole frame had changed
        for target, old in zip(result, self._last[1], strict=True):
            target[:] = old
        for target, new in zip(reached.all_of(result), inner, strict=True):
            target[:] = new
        self.counts["part"] += 1
        return True

    def _repeat(self, result: Planes) -> None:
        assert self._last is not None  # noqa: S101 - else the whole frame had changed
        self.counts["same"] += 1
        for target, old in zip(result, self._last[1], strict=True):
            target[:] = old


def _difference(old: Plane, new: Plane) -> _Box | None:
    """The box, in samples, in which two planes differ (its sides may be up to eight samples too far out)."""
    step = 8 if old.shape[1] % 8 == 0 and old.strides[1] == new.strides[1] == 1 else 1
    differs = _words(old, step) != _words(new, step)
    rows = np.flatnonzero(differs.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(differs[top:bottom].any(axis=0))
    return _Box(top, bottom, int(columns[0]) * step, (int(columns[-1]) + 1) * step)


def _words(plane: Plane, step: int) -> NDArray[Any]:
    return plane.view(np.uint64) if step == 8 else plane


def _scaled(box: _Box, down: int, across: int, height: int, width: int | None = None) -> _Box:
    """A box in samples as one in luma pixels; of lines that were sampled, only those are known to have changed."""
    last = (box.bottom - 1) * down + 1 if width is None else box.bottom * down
    right = box.right * across if width is None else min(width, box.right * across)
    return _Box(box.top * down, min(height, last), box.left * across, right)


def _union(boxes: list[_Box]) -> _Box:
    return _Box(
        min(box.top for box in boxes),
        max(box.bottom for box in boxes),
        min(box.left for box in boxes),
        max(box.right for box in boxes),
    )


def _equal(some: Planes, others: Planes) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def _ceil(length: int, grid: int) -> int:
    return -(-length // grid) * grid
