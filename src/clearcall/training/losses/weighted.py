"""The restoration losses by name, and their weighted sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

import torch
from torch import Tensor, nn

from clearcall.errors import RecipeError
from clearcall.training.losses.charbonnier import CharbonnierLoss
from clearcall.training.losses.frequency import FrequencyLoss
from clearcall.training.losses.l1 import L1Loss
from clearcall.training.losses.perceptual import PerceptualLoss
from clearcall.training.losses.ssim import SSIMLoss

LOSSES: Mapping[str, type[nn.Module]] = MappingProxyType(
    {
        "l1": L1Loss,
        "charbonnier": CharbonnierLoss,
        "ssim": SSIMLoss,
        "frequency": FrequencyLoss,
        "perceptual": PerceptualLoss,
    }
)
"""Every restoration loss by the name that recipes use."""

Term = nn.Module | Callable[[], nn.Module]
"""A loss, or what makes one."""


class WeightedLosses(nn.Module):
    """The weighted sum of losses; one of weight 0 is left out, isn't even made, and costs nothing.

    Args:
        weights: Weight of each loss by name.
        terms: Losses of your own, or what makes them when their weight isn't 0, by name; for the others, and for
            names that aren't there, ``LOSSES``.

    Raises:
        RecipeError: An unknown name; the nearest is named.

    Example:
        >>> losses = WeightedLosses({"l1": 2.0, "perceptual": 0.0})
        >>> total, parts = losses(torch.zeros(1, 3, 12, 12), torch.ones(1, 3, 12, 12))
        >>> total.item(), sorted(parts)
        (2.0, ['l1'])
        >>> WeightedLosses({"frequency": 1.0}, {"frequency": lambda: FrequencyLoss(phase=0.5)}).terms["frequency"].phase
        0.5
    """

    def __init__(self, weights: Mapping[str, float], terms: Mapping[str, Term] = MappingProxyType({})) -> None:
        super().__init__()
        known: dict[str, Term] = {**LOSSES, **terms}
        for name in weights:
            if name not in known:
                nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
                raise RecipeError(f"{name} is not a loss; the nearest is {nearest}.")
        self.weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.terms = nn.ModuleDict({name: _made(known[name]) for name in self.weights})

    def forward(self, preds: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum (0 where every weight is 0), and each loss before weighting."""
        parts = {name: term(preds, target) for name, term in self.terms.items()}
        total = torch.zeros((), device=preds.device)
        for name, part in parts.items():
            total = total + self.weights[name] * part
        return total, parts


def _made(term: Term) -> nn.Module:
    return term if isinstance(term, nn.Module) else term()
