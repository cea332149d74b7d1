"""Losses: one class each, added up with the weights that the recipe gives them."""

from clearcall.training.losses.charbonnier import CharbonnierLoss
from clearcall.training.losses.feature_distillation import FeatureDistillationLoss
from clearcall.training.losses.flicker import FlickerLoss
from clearcall.training.losses.frequency import FrequencyLoss
from clearcall.training.losses.l1 import L1Loss
from clearcall.training.losses.output_distillation import OutputDistillationLoss
from clearcall.training.losses.perceptual import PerceptualLoss
from clearcall.training.losses.restoration import RestorationLoss
from clearcall.training.losses.ssim import SSIMLoss
from clearcall.training.losses.weighted import LOSSES, WeightedLosses

__all__ = [
    "CharbonnierLoss",
    "FeatureDistillationLoss",
    "FlickerLoss",
    "FrequencyLoss",
    "L1Loss",
    "LOSSES",
    "OutputDistillationLoss",
    "PerceptualLoss",
    "RestorationLoss",
    "SSIMLoss",
    "WeightedLosses",
]
