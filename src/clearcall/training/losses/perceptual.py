"""Perceptual loss: the distance of VGG-19 features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearcall.errors import InputError, RecipeError
from clearcall.training.losses.restoration import check_same_shape, full_precision
from clearcall.training.losses.vgg import TORCHVISION, VGG19

DEFAULT_LAYERS: Mapping[str, float] = MappingProxyType({"relu2_2": 1.0, "relu3_4": 1.0})
"""The mid-level layers, as Johnson et al. choose them for restoration."""

_SIDE = 128


class PerceptualLoss(nn.Module):
    """L1 distance of VGG-19 features: the sum over layers of weight * mean(abs(f(preds) - f(target))) / scale.

    The scale of a layer is its mean activation on one fixed picture, so that one weight serves weights of any
    scale. It is fixed rather than taken from each batch: a flat dark square then counts no more than a
    textured one, and a batch split over several devices gives the gradient of the whole batch.

    Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016; the L1
    distance as in Wang et al., "ESRGAN", ECCVW 2018. Input is normalised with ImageNet's mean and deviation inside.
    Under autocast the network runs in the lower precision; differences and means are float32.

    Args:
        layers: Weight of each layer, ``relu1_1`` to ``relu5_4``; weight 0 leaves a layer out.
        weights: ``"torchvision"`` (downloaded once), or a .safetensors or .pth file in torchvision's naming that may
            stop after the deepest layer used.

    Raises:
        RecipeError: An unknown layer (the nearest is named), a weight that is negative or not finite, or no layer.
        InputError: The weights can't be had, are damaged, of another network, or don't reach the deepest layer.

    Example:
        >>> PerceptualLoss({"relu3_4": 1.0}, weights="nowhere.safetensors")
        Traceback (most recent call last):
        ...
        clearcall.errors.InputError: nowhere.safetensors: no such file of VGG-19 weights; check the path.
    """

    def __init__(self, layers: Mapping[str, float] = DEFAULT_LAYERS, weights: str = TORCHVISION) -> None:
        super().__init__()
        for name, weight in layers.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise RecipeError(f"The weight of the perceptual layer {name} is {weight}; give it 0 or more.")
        used = {name: weight for name, weight in layers.items() if weight > 0}
        if not used:
            raise RecipeError("The perceptual loss has no layer of weight above 0; name at least one, as relu3_4.")
        self.vgg = VGG19(used, weights)
        scales = _mean_activations(self.vgg)
        silent = [name for name, scale in scales.items() if not (math.isfinite(scale) and scale > 0)]
        if silent:
            raise InputError(
                f"{weights}: the layer {silent[0]} stays at {scales[silent[0]]} on a test picture; "
                "the weights are damaged, so fetch the file again."
            )
        self.factors = {name: weight / scales[name] for name, weight in used.items()}

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Compare two batches.

        Args:
            preds: (N, 3, H, W) RGB in [0, 1], any floating dtype and memory format.
            target: The truth, same shape; no gradient flows to it.

        Returns:
            A scalar, float32 (float64 for float64).

        Raises:
            InputError: The shapes differ, or height or width is too small for the deepest layer.
        """
        check_same_shape(preds, target)
        if min(preds.shape[-2:]) < self.vgg.smallest_side:
            raise InputError(
                f"Pictures of {preds.shape[-1]}x{preds.shape[-2]} are too small for the perceptual layer "
                f"{self.vgg.computed[-1]}; give it at least {self.vgg.smallest_side} pixels a side."
            )
        with torch.no_grad():
            truth = self.vgg(full_precision(target))
        features = self.vgg(full_precision(preds))
        terms = [
            factor * (full_precision(features[name]) - full_precision(truth[name])).abs().mean()
            for name, factor in self.factors.items()
        ]
        return torch.stack(terms).sum()


@torch.no_grad()
def _mean_activations(vgg: VGG19) -> dict[str, float]:
    """The mean activation of each layer on grey noise with the fall-off of photographs, whose means it comes near."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.zeros(1, 1, _SIDE, _SIDE)
    for octave in range(1, 8):
        noise = torch.randn(1, 1, 2**octave, 2**octave, generator=generator)
        picture += 0.8**octave * functional.interpolate(noise, (_SIDE, _SIDE), mode="bilinear", align_corners=False)
    picture = (0.45 + 0.25 * picture / picture.std()).clamp(0, 1)
    return {name: features.mean().item() for name, features in vgg(picture.expand(-1, 3, -1, -1)).items()}
