"""Feature distillation: the student's feature maps follow the teacher's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearcall.errors import RecipeError
from clearcall.training.losses.restoration import full_precision

Value = TypeVar("Value")


class FeatureDistillationLoss(nn.Module):
    """Mean over pairs of 1 - r, where r is the correlation of student and teacher maps over the picture.

    Each channel of each picture is standardised to mean 0 and variance 1, then the squares of the differences
    are halved and averaged over channels, positions and pictures: that is 1 - Pearson's r, from 0 (the same pattern)
    to 2 (its negative). Scale and offset, which differ between networks of different kinds, don't count, and an adaptor
    gains nothing by shrinking. Constant channels of the teacher (dead units) tell nothing and count little.

    A 1x1 convolution brings the student's channels to the teacher's where the counts differ (Romero et al.,
    "FitNets: Hints for Thin Deep Nets", ICLR 2015): train its ``parameters()`` together with the student. It
    isn't part of the student and isn't exported. Standardised features and squared distance follow Cao et al., "PKD:
    General Distillation Framework for Object Detectors via Pearson Correlation Coefficient", NeurIPS 2022, here per
    picture, so that a batch split over several devices gives the gradient of the whole batch.

    Args:
        pairs: (point of the student, point of the teacher), at least one.
        student_channels: Channels of the student's features by point.
        teacher_channels: Channels of the teacher's features by point.

    Raises:
        RecipeError: No pair, or a point that student or teacher doesn't have; the nearest is named.

    Example:
        >>> loss = FeatureDistillationLoss([("hidden", "encoder")], {"hidden": 8}, {"encoder": 32})
        >>> loss({"hidden": torch.rand(2, 8, 16, 16)}, {"encoder": torch.rand(2, 32, 8, 8)}).shape
        torch.Size([])
        >>> sum(parameter.numel() for parameter in loss.parameters())
        256
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        student_channels: Mapping[str, int],
        teacher_channels: Mapping[str, int],
    ) -> None:
        super().__init__()
        if not pairs:
            raise RecipeError("Feature distillation has no pair of points; name at least one of student and teacher.")
        self.pairs = tuple(pairs)
        self.adaptors = nn.ModuleList(
            _adaptor(_at(student_channels, student, "student"), _at(teacher_channels, teacher, "teacher"))
            for student, teacher in self.pairs
        )

    def forward(self, student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> Tensor:
        """Compare features by point.

        Args:
            student: Each (N, channels, H, W), any floating dtype.
            teacher: Each (N, channels, H', W'); brought to the student's size by averaging areas when shrunk,
                bilinearly when enlarged. No gradient flows to it.

        Returns:
            A scalar in [0, 2], float32 (float64 for float64).

        Raises:
            RecipeError: A point is missing; the nearest is named.
        """
        terms = []
        for adaptor, (student_point, teacher_point) in zip(self.adaptors, self.pairs, strict=True):
            own = adaptor(_at(student, student_point, "student"))
            with torch.autocast(own.device.type, enabled=False):
                hint = full_precision(_at(teacher, teacher_point, "teacher").detach())
                hint = _resampled(hint, own.shape[-2:])
                terms.append(_half_square(_standardised(full_precision(own)), _standardised(hint)))
        return torch.stack(terms).mean()


def _adaptor(inputs: int, outputs: int) -> nn.Module:
    """Without a bias, which standardising would take away again."""
    return nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)


def _at(values: Mapping[str, Value], point: str, network: str) -> Value:
    if point in values:
        return values[point]
    nearest = get_close_matches(point, values, n=1, cutoff=0.0)
    known = f"the nearest is {nearest[0]}" if nearest else "it has none"
    raise RecipeError(f"{point} is not a feature point of the {network}; {known}.")


def _resampled(maps: Tensor, size: torch.Size) -> Tensor:
    """Average areas along the sides that shrink, then interpolate along those that grow."""
    shrunk = (min(maps.shape[-2], size[0]), min(maps.shape[-1], size[1]))
    if shrunk != maps.shape[-2:]:
        maps = functional.interpolate(maps, shrunk, mode="area")
    if shrunk != size:
        maps = functional.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)
    return maps


def _standardised(maps: Tensor) -> Tensor:
    """Mean 0 and variance 1 for each channel of each picture, except where a channel is all but constant."""
    variance, mean = torch.var_mean(maps, dim=(2, 3), correction=0, keepdim=True)
    # Relative to the other channels, so that it works at any scale; the constant only keeps silent maps finite.
    floor = 1e-4 * variance.mean(dim=1, keepdim=True) + 1e-8
    return (maps - mean) * torch.rsqrt(variance + floor)


def _half_square(preds: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(preds, target) / 2
