"""Distillation: which losses, with which weights, between which features - the heart of the project.

A student's loss is the weighted sum of five kinds of terms:

- against the truth: L1, Charbonnier, SSIM, frequency, perceptual (``losses``);
- ``flicker``: what changes from the frame before as the truth doesn't (``losses.flicker``);
- ``output``: the teacher's output is imitated where it is nearer to the truth than the student's (Hinton et al.,
  "Distilling the Knowledge in a Neural Network", 2015, for images);
- ``feature``: maps inside the student are drawn to maps inside the teacher (Romero et al., "FitNets", ICLR 2015);
- ``views``: the teacher is imitated on other views of the input, for which no truth is needed (Zhang et al., "Data
  Upcycling Knowledge Distillation for Image Super-Resolution", 2023).

A term of weight 0 is never computed, nor is what only it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearcall.errors import RecipeError
from clearcall.training.losses import (
    FeatureDistillationLoss,
    FlickerLoss,
    OutputDistillationLoss,
    PerceptualLoss,
    WeightedLosses,
)
from clearcall.training.recipe import FROM_TEACHER, Recipe
from clearcall.training.student import Student
from clearcall.training.teachers.teacher import Teacher
from clearcall.training.views import other_views


class Frozen:
    """Holds networks that aren't trained: outside of the module that uses them, so no checkpoint or average holds them.

    Example:
        >>> from copy import deepcopy
        >>> held = Frozen(nn.Conv2d(1, 1, 1))
        >>> deepcopy(held).network is held.network
        True
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval().requires_grad_(False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Frozen:
        return self


class Distillation(nn.Module):
    """The loss of a student that has a teacher, or none.

    Args:
        recipe: The weights, feature points and views.
        student: Whose feature maps the feature loss compares; only its channel counts are used.
        teacher: Who teaches; None: only losses against the truth may have a weight.

    Raises:
        RecipeError: A loss needs a teacher and there is none, or a feature point is unknown.
    """

    def __init__(self, recipe: Recipe, student: Student, teacher: Teacher | None) -> None:
        super().__init__()
        self.recipe = recipe
        weights = recipe.losses.model_dump()
        self.weights = {name: weights.pop(name) for name in (*FROM_TEACHER, "flicker")}
        if teacher is None and any(self.weights[name] for name in FROM_TEACHER):
            raise RecipeError(f"{recipe.name}: the losses {', '.join(FROM_TEACHER)} need a [teacher] in the recipe.")
        self.against_truth = Frozen(WeightedLosses(weights, _built_terms(recipe, weights)))
        self.teacher = Frozen(teacher) if teacher is not None else None
        self.output = OutputDistillationLoss() if self.weights["output"] else None
        self.feature = self._feature_loss(student) if self.weights["feature"] else None
        self.flicker = FlickerLoss()

    def _feature_loss(self, student: Student) -> FeatureDistillationLoss:
        pairs = self.recipe.distillation.features
        ours = [own for own, _ in pairs]
        student.check_points(ours)
        channels = dict.fromkeys(ours, student.config.width)
        return FeatureDistillationLoss(pairs, channels, self._teacher.feature_channels([other for _, other in pairs]))

    @property
    def _teacher(self) -> Teacher:
        if self.teacher is None:
            raise RuntimeError("there is no teacher")
        return self.teacher.network  # type: ignore[return-value]  # held as any network

    def move_frozen(self, device: torch.device) -> None:
        """Bring what isn't trained to the student's device."""
        self.against_truth.network.to(device)
        if self.teacher is not None:
            self.teacher.network.to(device)

    def forward(self, student: Student, batch: tuple[Tensor, ...], seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the student on a batch and compare.

        Args:
            student: The network that is trained.
            batch: Degraded and sharp; besides, if outputs are kept, the teacher's output, or, where flicker counts,
                degraded and sharp of the frame before; each (N, 3, H, W) in [0, 1].
            seed: Seed of the other views; the same seed gives the same views.

        Returns:
            The weighted sum, and each term before weighting.
        """
        degraded, sharp, *more = batch
        points = [own for own, _ in self.recipe.distillation.features] if self.feature else []
        preds, features = student.with_features(degraded, points)
        total, parts = self.against_truth.network(preds, sharp) if self._has_truth else (preds.sum() * 0, {})
        kept = more[0] if len(more) == 1 else None
        found = parts | self._taught(degraded, sharp, kept, preds, features)
        if self.weights["flicker"]:
            degraded_before, sharp_before = more
            found["flicker"] = self.flicker((preds, student(degraded_before)), (sharp, sharp_before))
        if self.weights["views"]:
            found["views"] = self._views_loss(student, degraded, seed)
        for name, weight in self.weights.items():
            if name in found:
                total = total + weight * found[name]
        return total, found

    @property
    def _has_truth(self) -> bool:
        return bool(self.against_truth.network.weights)

    def _taught(
        self, degraded: Tensor, sharp: Tensor, kept: Tensor | None, preds: Tensor, features: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The terms that compare with the teacher on the same input."""
        if self.output is None and self.feature is None:
            return {}
        found: dict[str, Tensor] = {}
        taught = kept
        if self.feature is not None or taught is None:
            points = [other for _, other in self.recipe.distillation.features] if self.feature else []
            with _teaching(degraded.device):
                taught, theirs = self._teacher.with_features(degraded, points)
            if self.feature is not None:
                found["feature"] = self.feature(features, theirs)
        if self.output is not None:
            found["output"] = self.output(preds, taught, sharp)
        return found

    def _views_loss(self, student: Student, degraded: Tensor, seed: int) -> Tensor:
        views = other_views(degraded, self.recipe.distillation.views, seed)
        with _teaching(degraded.device):
            taught = self._teacher(views)
        return functional.l1_loss(student(views), taught.to(views.dtype))


@contextmanager
def _teaching(device: torch.device) -> Iterator[None]:
    """No gradients, and bfloat16 on GPUs that have it, whatever precision the student trains in."""
    has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    lower = torch.autocast("cuda", torch.bfloat16) if has_bfloat16 else nullcontext()
    with torch.no_grad(), lower:
        yield


def _built_terms(recipe: Recipe, weights: Mapping[str, float]) -> dict[str, nn.Module]:
    if not weights["perceptual"]:
        return {}
    config = recipe.perceptual
    return {"perceptual": _OnShare(PerceptualLoss(config.layers, config.weights), config.share)}


class _OnShare(nn.Module):
    """A loss on the first squares of a batch only; which these are is chance already."""

    def __init__(self, loss: nn.Module, share: float) -> None:
        super().__init__()
        self.loss = loss
        self.share = share

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        count = max(1, round(self.share * len(preds)))
        found: Tensor = self.loss(preds[:count], target[:count])
        return found
