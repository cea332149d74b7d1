"""Flicker: change from frame to frame that the truth does not have."""

from __future__ import annotations

from torch import Tensor, nn


class FlickerLoss(nn.Module):
    """Mean absolute difference between the change of the output and that of the truth, from one frame to the next.

    Of each colour, where ``clearcall.evaluation.flicker`` looks at luma: a student held to luma alone steadies green,
    of which luma has most, and corrects red and blue, so that what is grey turns green. Of grey it is that figure, in
    shares of full range.

    References:
        X. Fan, W. Gao, Y. Lu, D. Zhao, "Flicking reduction in all intra frame coding", JVT-E070, 2002.

    Example:
        >>> import torch
        >>> still, brighter = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.25)
        >>> round(FlickerLoss()((brighter, still), (still, still)).item(), 3)
        0.25
    """

    def forward(self, preds: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        """Compare two frames of the output with the same two of the truth, each (N, 3, H, W) in [0, 1]."""
        last, before = (ours.float() - truth for ours, truth in zip(preds, target, strict=True))
        return (last - before).abs().mean()
