"""Charbonnier's loss: L1 that is smooth at zero."""

from __future__ import annotations

import torch
from torch import Tensor

from clearcall.training.losses.restoration import RestorationLoss


class CharbonnierLoss(RestorationLoss):
    """Mean of sqrt(d^2 + epsilon^2), a smooth L1 (Charbonnier et al., ICIP 1994; Lai et al., CVPR 2017).

    Args:
        epsilon: Where it turns from square to linear, in units of the picture's range; greater than 0.

    Example:
        >>> round(CharbonnierLoss(epsilon=3.0)(torch.zeros(1), torch.full((1,), 4.0)).item(), 6)
        5.0
    """

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.epsilon = epsilon

    def compare(self, preds: Tensor, target: Tensor) -> Tensor:
        """Mean of the smoothed difference."""
        return torch.sqrt((preds - target).square() + self.epsilon**2).mean()
