"""What restoration losses have in common: the shapes they take and the precision they compute in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clearcall.errors import InputError


def full_precision(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in float64 if it is so already.

    Example:
        >>> full_precision(torch.zeros(1, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def check_same_shape(preds: Tensor, target: Tensor) -> None:
    """Refuse to compare tensors of different shapes, which PyTorch would stretch over each other.

    Raises:
        InputError: The shapes differ.
    """
    if preds.shape != target.shape:
        raise InputError(
            f"A loss compares tensors of one shape, not of {tuple(preds.shape)} and {tuple(target.shape)}; "
            "bring them to one size first."
        )


class RestorationLoss(nn.Module):
    """A distance between a restored picture and the truth; subclasses define ``compare``.

    Sums over many pixels and differences of close numbers lose too much in bfloat16, so every comparison is made in
    float32 (float64 stays), also under autocast.
    """

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Compare two batches.

        Args:
            preds: (N, 3, H, W) RGB in [0, 1], any floating dtype and memory format.
            target: The truth, same shape.

        Returns:
            A scalar, float32 (float64 for float64).

        Raises:
            InputError: The shapes differ.
        """
        check_same_shape(preds, target)
        with torch.autocast(preds.device.type, enabled=False):
            return self.compare(full_precision(preds), full_precision(target))

    def compare(self, preds: Tensor, target: Tensor) -> Tensor:
        """The loss of tensors of one shape in full precision."""
        raise NotImplementedError
