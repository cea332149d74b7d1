"""Runs a network over a large frame in overlapping tiles, blended so that no seam shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from clearcall.errors import RecipeError


def restore_in_tiles(
    restore: Callable[[Tensor], Tensor], frames: Tensor, *, tile: int, overlap: int, unit: int
) -> Tensor:
    """Restore frames tile by tile.

    A quarter of the overlap is thrown away at each inner edge of a tile, where the network misses its surroundings; in
    the half that remains the weights of neighbours cross linearly.

    Args:
        restore: From (N, 3, tile, tile) to the same size.
        frames: (N, 3, H, W).
        tile: Side of a tile, in pixels; rounded down to a multiple of ``unit``.
        overlap: Pixels that neighbours share at least.
        unit: Corners of tiles stand on multiples of this, so that grids inside the network are those of the frame.

    Returns:
        (N, 3, H, W), as restored in one piece but for what lies farther away than a quarter of the overlap.

    Raises:
        RecipeError: The tile is too small for the overlap.
    """
    side = tile // unit * unit
    step = (side - overlap) // unit * unit
    if overlap < 0 or step < unit:
        raise RecipeError(
            f"Tiles of {tile} pixels can't overlap by {overlap}: give at least {overlap + 2 * unit} pixels (a tile is "
            f"made of units of {unit})."
        )
    height, width = frames.shape[-2:]
    restored, weights = torch.zeros_like(frames), torch.zeros_like(frames[:1, :1])
    for top, bottom in _spans(height, side, step):
        for left, right in _spans(width, side, step):
            rows = _ramp(top, bottom, height, overlap)
            columns = _ramp(left, right, width, overlap)
            weight = (rows[:, None] * columns[None, :]).to(frames)
            restored[..., top:bottom, left:right] += restore(frames[..., top:bottom, left:right]) * weight
            weights[..., top:bottom, left:right] += weight
    return restored / weights


def _spans(length: int, side: int, step: int) -> Iterator[tuple[int, int]]:
    """Starts and ends of tiles along one side; the last one ends with the frame."""
    start = 0
    while start + side < length:
        yield start, start + side
        start += step
    yield start, length


def _ramp(start: int, end: int, length: int, overlap: int) -> Tensor:
    """Weights along one side: 0 in the outer quarter of the overlap, then rising to 1; 1 at the frame's own edges."""
    distance = torch.arange(end - start) + 0.5
    margin, rise = overlap / 4, max(overlap / 2, 1)
    ramp = torch.ones(end - start)
    if start > 0:
        ramp = torch.minimum(ramp, (distance - margin) / rise)
    if end < length:
        ramp = torch.minimum(ramp, (end - start - distance - margin) / rise)
    return ramp.clamp(0, 1)
