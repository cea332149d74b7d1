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

    def _band(self, length: int, dtype: torch.dtype) -> Tensor:
        """The matrix (length, length - size + 1) that filters a row when the row is multiplied by it."""
        window = self.window.to(dtype)
        pixels = torch.eye(length, dtype=dtype, device=window.device)
        return functional.conv1d(pixels[:, None], window[None, None])[:, 0]

    def _blur(self, maps: Tensor) -> Tensor:
        """Filter each plane of (N, C, H, W) with the separable window, without padding.

        As two products with band matrices: on a CPU these take two thirds of the time of depthwise convolutions.
        """
        height, width = maps.shape[-2:]
        return self._band(height, maps.dtype).T @ (maps @ self._band(width, maps.dtype))

    def compare(self, preds: Tensor, target: Tensor) -> Tensor:
        """Mean dissimilarity over positions and channels."""
        x, y = preds.contiguous(), target.contiguous()
        mean_x, power, product = self._blur(torch.cat([x, x * x + y * y, x * y], dim=1)).chunk(3, dim=1)
        mean_y = self._blur(y)
        powers, products = mean_x.square() + mean_y.square(), mean_x * mean_y
        c1, c2 = 0.01**2, 0.03**2
        means = (2 * products + c1) / (powers + c1)
        return 1 - (means * (2 * (product - products) + c2) / (power - powers + c2)).mean()
