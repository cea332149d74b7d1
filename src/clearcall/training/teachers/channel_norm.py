"""Layer normalisation over channels, in operations that PyTorch can differentiate and compile by itself."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional


class ChannelNorm(nn.Module):
    """Normalises each pixel of (N, C, H, W) over its channels (Ba et al., "Layer Normalization", 2016).

    Takes the place of NAFNet's own layer, whose hand-written gradient splits the network into pieces when it is
    compiled. Weight and bias keep their names, so checkpoints fit both.

    Args:
        weight: Gain of each channel.
        bias: Offset of each channel.
        eps: Added to the variance.

    Example:
        >>> import torch
        >>> norm = ChannelNorm(nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(2)), eps=0.0)
        >>> norm(torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1)).flatten().tolist()
        [-1.0, 1.0]
    """

    def __init__(self, weight: nn.Parameter, bias: nn.Parameter, eps: float) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        """Normalise; the shape stays."""
        last = features.permute(0, 2, 3, 1)
        return functional.layer_norm(last, self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


def use_channel_norms(network: Any) -> None:
    """Put :class:`ChannelNorm` in the place of every ``LayerNorm2d`` of a network."""
    for parent in network.modules():
        for name, layer in parent.named_children():
            if type(layer).__name__ == "LayerNorm2d":
                setattr(parent, name, ChannelNorm(layer.weight, layer.bias, layer.eps))
