"""Output distillation: imitate the teacher where it is the better one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clearcall.training.losses.restoration import check_same_shape, full_precision


class OutputDistillationLoss(nn.Module):
    """L1 distance to the teacher's output at the pixels where the teacher is closer to the truth; elsewhere 0.

    The mean over all pixels and channels of ``mask * abs(preds - teacher)``. The mask is 1 at a pixel where the
    teacher's absolute error, averaged over the colours, plus ``margin`` is below the student's, else 0. No gradient
    flows through it. It is decided for each pixel alone and not over a neighbourhood, so that the loss never pulls a
    pixel towards a worse one, and vanishes where the teacher is worse.

    The teacher as an upper bound follows Chen et al., "Learning Efficient Object Detection Models with Knowledge
    Distillation", NIPS 2017 (teacher bounded regression).

    Args:
        margin: By how much, in units of the picture's range, the teacher must be better; 0 or more.

    Example:
        >>> target, teacher = torch.zeros(1, 3, 1, 2), torch.tensor([0.25, 0.75]).expand(1, 3, 1, 2)
        >>> OutputDistillationLoss()(torch.full((1, 3, 1, 2), 0.5), teacher, target).item()
        0.125
    """

    def __init__(self, margin: float = 0.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, preds: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        """Compare three batches of one shape.

        Args:
            preds: The student's output, (N, 3, H, W) RGB in [0, 1], any floating dtype and memory format.
            teacher: The teacher's output; no gradient flows to it.
            target: The truth.

        Returns:
            A scalar, float32 (float64 for float64).

        Raises:
            InputError: The shapes differ.
        """
        check_same_shape(preds, target)
        check_same_shape(teacher, target)
        with torch.autocast(preds.device.type, enabled=False):
            return self._compare(full_precision(preds), full_precision(teacher.detach()), full_precision(target))

    def _compare(self, preds: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            own = (preds - target).abs().mean(dim=1, keepdim=True)
            other = (teacher - target).abs().mean(dim=1, keepdim=True)
            mask = (other + self.margin < own).to(preds.dtype)
        return (mask * (preds - teacher).abs()).mean()
