"""The student: three or four convolutions at reduced resolution that correct the frame they are given.

The first convolution strides over the frame, the last one predicts a correction for each sub-pixel, and a pixel
shuffle brings it back to full size, where it is added to the frame (Shi et al., "Real-Time Single Image and Video
Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from difflib import get_close_matches
from itertools import pairwise
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from clearcall.errors import RecipeError
from clearcall.training.rounding import rounded, rounded_map

COLOURS = 3
DETAIL_GAIN = 4.0
"""How much louder than usual the first kernels start; found by short runs with 1, 4 and 8."""
NOISE_GAIN = 0.3
"""How much of the usual random start is added to the identity of the hidden layers."""
LUMA = (0.2126, 0.7152, 0.0722)
"""What red, green and blue weigh in luma (ITU-R BT.709-6, item 3.2)."""


class StudentConfig(BaseModel):
    """What a student looks like; its only hyper-parameters.

    Attributes:
        stride: Step of the first convolution: the network works at 1/stride of the frame's width and height.
        width: Channels of the hidden layers.
        depth: Number of convolutions.
        expansion: Hidden channels of each convolution while training (0: plain convolutions). They collapse
            into one convolution, so inference never pays for them.
        margin: Pixels by which the first convolution's kernel reaches beyond its stride on each side.
        colour: ``rgb`` sees and corrects all colours; ``luma`` sees luma alone and adds one correction to all
            colours, which leaves colour differences as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stride: int = Field(default=2)
    width: int = Field(default=16, ge=4, le=256)
    depth: int = Field(default=4, ge=3, le=4)
    expansion: int = Field(default=0, ge=0, le=512)
    margin: int = Field(default=1, ge=1, le=4)
    colour: Literal["rgb", "luma"] = "rgb"

    @property
    def channels(self) -> int:
        """Channels that go in and that are corrected."""
        return COLOURS if self.colour == "rgb" else 1

    def model_post_init(self, _context: object) -> None:
        """Refuse strides that the pixel shuffle is not meant for."""
        if self.stride not in (1, 2, 4):
            raise ValueError(f"stride must be 1, 2 or 4, not {self.stride}")


class CollapsibleConv2d(nn.Module):
    """A convolution trained as a wide linear block: k x k to many channels, then 1 x 1 back.

    The two weights are multiplied before they meet the frame, so training costs hardly more than the plain
    convolution they stand for (Bhardwaj et al., "Collapsible Linear Blocks for Super-Efficient Super
    Resolution", MLSys 2022). Equal channel counts at stride 1 add an identity, which collapses as well.

    Example:
        >>> block = CollapsibleConv2d(8, 8, kernel=3, expansion=32)
        >>> frame = torch.rand(1, 8, 6, 6)
        >>> plain = block.collapsed()
        >>> torch.allclose(block(frame), plain(frame), atol=1e-5)
        True
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int = 1, expansion: int) -> None:
        super().__init__()
        self.stride = stride
        self.padding = (kernel - stride) // 2
        self.wide = nn.Parameter(torch.empty(expansion, inputs, kernel, kernel))
        self.narrow = nn.Parameter(torch.empty(outputs, expansion))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.has_identity = inputs == outputs and stride == 1
        nn.init.normal_(self.wide, std=(inputs * kernel * kernel) ** -0.5)
        nn.init.normal_(self.narrow, std=(2.0 / expansion) ** 0.5)
        if self.has_identity:
            # The identity already carries the signal; the learnt part starts as a small change to it.
            nn.init.normal_(self.narrow, std=(0.2 / expansion) ** 0.5)

    def kernel(self) -> Tensor:
        """The one kernel that the block stands for, of shape (outputs, inputs, k, k)."""
        kernel = torch.einsum("oh,hikl->oikl", self.narrow, self.wide)
        if not self.has_identity:
            return kernel
        identity = torch.zeros_like(kernel)
        middle = kernel.shape[-1] // 2
        identity[:, :, middle, middle] = torch.eye(kernel.shape[0], device=kernel.device, dtype=kernel.dtype)
        return kernel + identity

    def forward(self, features: Tensor) -> Tensor:
        """Convolve (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return functional.conv2d(features, self.kernel(), self.bias, self.stride, self.padding)

    def collapsed(self) -> nn.Conv2d:
        """The plain convolution that computes the same."""
        outputs, inputs, size, _ = (kernel := self.kernel()).shape
        plain = nn.Conv2d(inputs, outputs, size, self.stride, self.padding)
        with torch.no_grad():
            plain.weight.copy_(kernel)
            plain.bias.copy_(self.bias)  # type: ignore[union-attr]  # made with a bias, two lines up
        return plain


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> nn.Module:
    if expansion:
        return CollapsibleConv2d(inputs, outputs, kernel=kernel, stride=stride, expansion=expansion)
    plain = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - stride) // 2)
    nn.init.kaiming_normal_(plain.weight, nonlinearity="relu")
    nn.init.zeros_(plain.bias)  # type: ignore[arg-type]  # made with a bias
    return plain


class Student(nn.Module):
    """Sharpens frames: (N, 3, H, W) RGB in [0, 1] to the same shape; H and W are multiples of the stride.

    Example:
        >>> student = Student(StudentConfig(stride=2, width=16, depth=4))
        >>> student(torch.rand(1, 3, 32, 48)).shape
        torch.Size([1, 3, 32, 48])
        >>> student.parameter_count
        7164
    """

    luma: Tensor

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        stride, width, expansion = config.stride, config.width, config.expansion
        outputs = config.channels * stride * stride
        channels = [config.channels, *[width] * (config.depth - 1), outputs]
        first_kernel = stride + 2 * config.margin
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(channels)):
            first = index == 0
            layers.append(_convolution(before, after, first_kernel if first else 3, stride if first else 1, expansion))
        self.layers = nn.ModuleList(layers)
        self.rounds = False
        """Whether weights and hidden maps are used, and weights learnt, as 8-bit graphs hold them."""
        self.register_buffer("luma", torch.tensor(LUMA).reshape(1, COLOURS, 1, 1), persistent=False)
        self._start_with_detail()
        self._start_as_identity()

    def _start_with_detail(self) -> None:
        """Let every hidden unit begin with signed detail: otherwise L1 alone silences the last hidden layer.

        The first kernels don't see brightness, which is many times stronger than detail, and come in pairs of opposite
        sign, so that ReLU loses nothing; the plain hidden layers begin near the identity, as wide blocks do anyway.
        """
        with torch.no_grad():
            first = self.layers[0]
            if isinstance(first, nn.Conv2d):
                half = first.weight.shape[0] // 2
                first.weight[half : 2 * half] = -first.weight[:half]
            kernels = first.wide if isinstance(first, CollapsibleConv2d) else first.weight
            kernels.sub_(kernels.mean((2, 3), keepdim=True)).mul_(DETAIL_GAIN)  # type: ignore[operator]
            for layer in self.layers[1:-1]:
                if isinstance(layer, nn.Conv2d):
                    layer.weight.mul_(NOISE_GAIN)
                    layer.weight[:, :, 1, 1] += torch.eye(layer.weight.shape[0])

    def _start_as_identity(self) -> None:
        """Make the first correction zero, so that training starts from the frame itself."""
        last = self.layers[-1]
        nn.init.zeros_(last.narrow if isinstance(last, CollapsibleConv2d) else last.weight)  # type: ignore[arg-type]

    @property
    def parameter_count(self) -> int:
        """Parameters at inference, after collapsing."""
        return sum(parameter.numel() for parameter in self.collapsed().parameters())

    @property
    def feature_points(self) -> tuple[str, ...]:
        """Names of the hidden layers, whose maps (N, width, H / stride, W / stride) come after the ReLU.

        Example:
            >>> Student(StudentConfig(depth=4)).feature_points
            ('conv1', 'conv2', 'conv3')
        """
        return tuple(f"conv{number}" for number in range(1, len(self.layers)))

    def check_points(self, points: Sequence[str]) -> None:
        """Refuse names that aren't feature points.

        Raises:
            RecipeError: One of them; the nearest and all right ones are named.
        """
        for name in points:
            if name not in self.feature_points:
                nearest = get_close_matches(name, self.feature_points, n=1, cutoff=0.0)[0]
                known = ", ".join(self.feature_points)
                raise RecipeError(f"The student has no feature point {name}; the nearest is {nearest}, all: {known}.")

    def seen(self, degraded: Tensor) -> Tensor:
        """What the first convolution is given of (N, 3, H, W): all of it, or its luma."""
        return degraded if self.config.colour == "rgb" else (degraded * self.luma).sum(1, keepdim=True)

    def hidden(self, degraded: Tensor) -> list[Tensor]:
        """The maps at all feature points, in order."""
        maps = [degraded if self._weighs_colours else self.seen(degraded)]
        for layer in self.layers[:-1]:
            hidden = functional.relu(self._convolved(layer, maps[-1]))
            maps.append(rounded_map(hidden) if self.rounds else hidden)
        return maps[1:]

    @property
    def _weighs_colours(self) -> bool:
        """Whether the first kernels weigh the colours, as in a graph: what is rounded there is their product."""
        return self.rounds and self.config.colour == "luma"

    def _convolved(self, layer: nn.Module, features: Tensor) -> Tensor:
        if self.rounds and isinstance(layer, nn.Conv2d):
            weighs = layer is self.layers[0] and self._weighs_colours
            weight = rounded(layer.weight * self.luma if weighs else layer.weight)
            return functional.conv2d(features, weight, layer.bias, layer.stride, layer.padding)
        return layer(features)  # type: ignore[no-any-return]  # modules aren't typed by what they return

    def settled(self) -> Student:
        """A copy whose weights are rounded for good: in float32 it computes what 8-bit graphs do, but for their maps.

        Kernels that weigh colours are rounded as those products; here they become what these do to grey.
        """
        copy = deepcopy(self)
        copy.rounds = False
        with torch.no_grad():
            for index, layer in enumerate(copy.layers):
                if isinstance(layer, nn.Conv2d):
                    weighs = index == 0 and self.config.colour == "luma"
                    held = rounded(layer.weight * self.luma).sum(1, keepdim=True) if weighs else rounded(layer.weight)
                    layer.weight.copy_(held)
        return copy

    def correction(self, degraded: Tensor) -> Tensor:
        """The correction at 1/stride resolution, (N, channels * stride^2, H / stride, W / stride), colour-major."""
        return self._convolved(self.layers[-1], self.hidden(degraded)[-1])

    def forward(self, degraded: Tensor) -> Tensor:
        """Sharpen; the result is not clamped, so that training sees where it overshoots."""
        return degraded + functional.pixel_shuffle(self.correction(degraded), self.config.stride)

    def with_features(self, degraded: Tensor, points: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sharpen, and give the maps at some feature points, in one pass.

        Raises:
            RecipeError: A name that isn't a feature point.
        """
        self.check_points(points)
        hidden = self.hidden(degraded)
        sharp = degraded + functional.pixel_shuffle(self._convolved(self.layers[-1], hidden[-1]), self.config.stride)
        return sharp, {name: hidden[self.feature_points.index(name)] for name in points}

    def collapsed(self) -> Student:
        """The same student made of plain convolutions, as it is exported."""
        plain = Student(self.config.model_copy(update={"expansion": 0})).to(next(self.parameters()).device)
        for index, layer in enumerate(self.layers):
            source = layer.collapsed() if isinstance(layer, CollapsibleConv2d) else layer
            plain.layers[index].load_state_dict(source.state_dict())
        return plain.eval()
