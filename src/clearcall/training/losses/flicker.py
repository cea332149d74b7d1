"""Flicker: change from frame to frame that the truth does not have."""

from __future__ import annotations

from torch import Tensor, nn

LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue weigh in luma (ITU-R BT.601-7), as in ``clearcall.evaluation.flicker``."""


class FlickerLoss(nn.Module):
    """Mean absolute difference between the change of the output and that of the truth, from one frame to the next.

    On luma: the figure of ``clearcall.evaluation.flicker``, in shares of full range.

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
        weights = last.new_tensor(LUMA)[:, None, None]
        return ((last - before) * weights).sum(1).abs().mean()
