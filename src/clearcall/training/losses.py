"""Losses: one class each, added up with the weights that the recipe gives them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


class L1Loss(nn.Module):
    """Mean absolute difference.

    Example:
        >>> L1Loss()(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.25)).item()
        0.25
    """

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Compare (N, 3, H, W) RGB in [0, 1]; returns a scalar."""
        return functional.l1_loss(preds, target)


class CharbonnierLoss(nn.Module):
    """Mean of sqrt(d^2 + epsilon^2), a smooth L1 (Charbonnier et al., ICIP 1994; Lai et al., CVPR 2017).

    Example:
        >>> round(CharbonnierLoss(epsilon=3.0)(torch.zeros(1), torch.full((1,), 4.0)).item(), 6)
        5.0
    """

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Compare (N, 3, H, W) RGB in [0, 1]; returns a scalar."""
        return torch.sqrt((preds - target).square() + self.epsilon**2).mean()


class SSIMLoss(nn.Module):
    """1 - SSIM, Gaussian window 11 x 11, sigma 1.5, valid positions only (Wang et al., TIP 2004).

    The same protocol as ``clearcall.evaluation.metrics.ssim``, except that the frames aren't rounded.

    Example:
        >>> frame = torch.rand(1, 3, 16, 16)
        >>> abs(SSIMLoss()(frame, frame).item()) < 1e-6
        True
    """

    window: Tensor

    def __init__(self, size: int = 11, sigma: float = 1.5) -> None:
        super().__init__()
        offsets = torch.arange(size, dtype=torch.float32) - size // 2
        window = torch.exp(-offsets.square() / (2 * sigma**2))
        self.register_buffer("window", window / window.sum(), persistent=False)

    def _blur(self, maps: Tensor) -> Tensor:
        """Filter each channel of (N, C, H, W) with the separable window, without padding."""
        channels = maps.shape[1]
        across = self.window.view(1, 1, 1, -1).repeat(channels, 1, 1, 1)
        down = self.window.view(1, 1, -1, 1).repeat(channels, 1, 1, 1)
        return functional.conv2d(functional.conv2d(maps, across, groups=channels), down, groups=channels)

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Compare (N, 3, H, W) RGB in [0, 1], H and W at least 11; returns a scalar in [0, 2]."""
        # Differences of squares need float32, whatever the network runs in.
        with torch.autocast(preds.device.type, enabled=False):
            return self._dissimilarity(preds.float(), target.float())

    def _dissimilarity(self, x: Tensor, y: Tensor) -> Tensor:
        # Channels last: depthwise filters run 50 times as fast so on a CPU as on single planes.
        maps = torch.cat([x, y, x * x, y * y, x * y], dim=1).contiguous(memory_format=torch.channels_last)
        mean_x, mean_y, square_x, square_y, product = self._blur(maps).chunk(5, dim=1)
        variance = square_x + square_y - mean_x.square() - mean_y.square()
        covariance = product - mean_x * mean_y
        c1, c2 = 0.01**2, 0.03**2
        means = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
        return 1 - (means * (2 * covariance + c2) / (variance + c2)).mean()


LOSSES: Mapping[str, type[nn.Module]] = {"l1": L1Loss, "charbonnier": CharbonnierLoss, "ssim": SSIMLoss}
"""Every loss by the name that recipes use."""


class WeightedLosses(nn.Module):
    """The weighted sum of losses; one of weight 0 is left out and costs nothing.

    Example:
        >>> losses = WeightedLosses({"l1": 2.0, "ssim": 0.0})
        >>> total, parts = losses(torch.zeros(1, 3, 12, 12), torch.ones(1, 3, 12, 12))
        >>> total.item(), sorted(parts)
        (2.0, ['l1'])
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.terms = nn.ModuleDict({name: LOSSES[name]() for name in self.weights})

    def forward(self, preds: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum, and each loss before weighting."""
        parts = {name: term(preds, target) for name, term in self.terms.items()}
        total = torch.stack([self.weights[name] * part for name, part in parts.items()]).sum()
        return total, parts
