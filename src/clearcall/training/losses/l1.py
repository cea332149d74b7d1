"""L1: the mean absolute difference."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from clearcall.training.losses.restoration import RestorationLoss


class L1Loss(RestorationLoss):
    """Mean absolute difference.

    Example:
        >>> import torch
        >>> L1Loss()(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.25)).item()
        0.25
    """

    def compare(self, preds: Tensor, target: Tensor) -> Tensor:
        """Mean of the absolute differences."""
        return functional.l1_loss(preds, target)
