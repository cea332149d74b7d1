"""SSIM as a loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from clearcall.training.losses.restoration import RestorationLoss


class SSIMLoss(RestorationLoss):
    """1 - SSIM, Gaussian window 11 x 11, sigma 1.5, valid positions only (Wang et al., TIP 2004); in [0, 2].

    The same protocol as ``clearcall.evaluation.metrics.ssim``, except that the frames aren't rounded. Height and
    width must be at least 11.

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
        channels, window = maps.shape[1], self.window.to(maps.dtype)
        across = window.view(1, 1, 1, -1).repeat(channels, 1, 1, 1)
        down = window.view(1, 1, -1, 1).repeat(channels, 1, 1, 1)
        return functional.conv2d(functional.conv2d(maps, across, groups=channels), down, groups=channels)

    def compare(self, preds: Tensor, target: Tensor) -> Tensor:
        """Mean dissimilarity over positions and channels."""
        x, y = preds, target
        # Channels last: depthwise filters run 50 times as fast so on a CPU as on single planes.
        maps = torch.cat([x, y, x * x, y * y, x * y], dim=1).contiguous(memory_format=torch.channels_last)
        mean_x, mean_y, square_x, square_y, product = self._blur(maps).chunk(5, dim=1)
        variance = square_x + square_y - mean_x.square() - mean_y.square()
        covariance = product - mean_x * mean_y
        c1, c2 = 0.01**2, 0.03**2
        means = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
        return 1 - (means * (2 * covariance + c2) / (variance + c2)).mean()
