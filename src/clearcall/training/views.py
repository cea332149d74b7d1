"""Other views of a batch of degraded squares, on which a teacher can be imitated without any truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from clearcall.training.recipe import View

SMALLEST, LARGEST = 1.2, 2.0
STRONGEST_NOISE = 6 / 255


def other_views(degraded: Tensor, kinds: Mapping[View, float], seed: int) -> Tensor:
    """Zoom, shrink, degrade again or add noise to a batch; one kind for the whole batch, drawn by weight.

    Args:
        degraded: (N, 3, H, W) RGB in [0, 1].
        kinds: Weight of each kind: ``zoomed``, ``shrunk``, ``degraded``, ``noisy``.
        seed: Seed of the draw and of the noise.

    Returns:
        (N, 3, H, W) RGB in [0, 1], mirrored at random, too; on the device and of the type of the input.

    Example:
        >>> squares = torch.rand(2, 3, 32, 32)
        >>> other_views(squares, {"zoomed": 1.0, "noisy": 1.0}, seed=3).shape
        torch.Size([2, 3, 32, 32])
    """
    chance = torch.Generator().manual_seed(seed)
    names = list(kinds)
    drawn = int(torch.multinomial(torch.tensor([kinds[name] for name in names]), 1, generator=chance))
    view = _KINDS[names[drawn]](degraded, chance).clamp(0, 1)
    flips = [dim for dim in (2, 3) if torch.rand(1, generator=chance) < 0.5]
    return view.flip(flips) if flips else view


def _factor(chance: torch.Generator) -> float:
    return SMALLEST + (LARGEST - SMALLEST) * float(torch.rand(1, generator=chance))


def _resized(squares: Tensor, height: int, width: int) -> Tensor:
    return functional.interpolate(squares, (height, width), mode="bicubic", align_corners=False, antialias=True)


def _zoomed(squares: Tensor, chance: torch.Generator) -> Tensor:
    """A random part, enlarged to the whole."""
    height, width = squares.shape[2:]
    factor = _factor(chance)
    rows, columns = round(height / factor), round(width / factor)
    top = int(torch.randint(height - rows + 1, (1,), generator=chance))
    left = int(torch.randint(width - columns + 1, (1,), generator=chance))
    return _resized(squares[:, :, top : top + rows, left : left + columns], height, width)


def _shrunk(squares: Tensor, chance: torch.Generator) -> Tensor:
    """The whole made smaller, mirrored at its edges to the old size."""
    height, width = squares.shape[2:]
    factor = _factor(chance)
    # Mirroring can add less than there is.
    rows, columns = (max(round(length / factor), length // 2 + 1) for length in (height, width))
    small = _resized(squares, rows, columns)
    below, right = height - small.shape[2], width - small.shape[3]
    return functional.pad(small, (0, right, 0, below), mode="reflect")


def _degraded(squares: Tensor, chance: torch.Generator) -> Tensor:
    """Made smaller and enlarged again: as if it had gone over another, thinner link."""
    height, width = squares.shape[2:]
    factor = _factor(chance)
    return _resized(_resized(squares, round(height / factor), round(width / factor)), height, width)


def _noisy(squares: Tensor, chance: torch.Generator) -> Tensor:
    strength = STRONGEST_NOISE * float(torch.rand(1, generator=chance))
    noise = torch.randn(squares.shape, generator=chance).to(squares)
    return squares + strength * noise


_KINDS: Mapping[View, Callable[[Tensor, torch.Generator], Tensor]] = {
    "zoomed": _zoomed,
    "shrunk": _shrunk,
    "degraded": _degraded,
    "noisy": _noisy,
}
