"""Weights and hidden maps as 8-bit graphs hold them, and how training gets used to them."""

from __future__ import annotations

import torch
from torch import Tensor

WEIGHT_MAX = 64
"""CPUs without VNNI add two products of a byte and a weight in 16 bits: 2 * 255 * 64 fits, 2 * 255 * 127 saturates and
costs half of the sharpening, unseen on newer CPUs."""

MAP_MAX = 255
"""Hidden maps come after a ReLU, so they need no sign."""


def weight_scales(weight: Tensor) -> Tensor:
    """What one level of each output channel stands for: (outputs, 1, 1, 1) for a weight (outputs, inputs, k, k).

    Example:
        >>> weight_scales(torch.full((2, 1, 1, 1), 32.0)).flatten().tolist()
        [0.5, 0.5]
    """
    peaks = weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
    return peaks.clamp(min=torch.finfo(torch.float32).tiny * WEIGHT_MAX) / WEIGHT_MAX


def rounded(weight: Tensor) -> Tensor:
    """The weight in whole levels; gradients pass as if it were not rounded.

    The straight-through estimator of quantisation-aware training (Jacob et al., "Quantization and Training of Neural
    Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018).

    Example:
        >>> rounded(torch.tensor([64.0, 0.4]).reshape(1, 2, 1, 1)).flatten().tolist()
        [64.0, 0.0]
    """
    scales = weight_scales(weight)
    return weight + ((weight / scales).round() * scales - weight).detach()


def rounded_map(values: Tensor) -> Tensor:
    """Hidden maps (after a ReLU) in whole levels, 255 being the largest value at hand; gradients pass as above.

    Example:
        >>> rounded_map(torch.tensor([255.0, 0.4, 0.6])).tolist()
        [255.0, 0.0, 1.0]
    """
    step = values.detach().amax().clamp(min=torch.finfo(torch.float32).tiny * MAP_MAX) / MAP_MAX
    return values + ((values / step).round() * step - values).detach()
