"""Turns the weights of a student of RGB frames into those of a student of packed 4:2:0 frames.

The network works on blocks of ``stride`` x ``stride`` pixels. A packed frame holds, for each block, its luma samples
and its colour differences as the channels of one pixel. Decoding to RGB (a matrix, an offset, colour differences
interpolated linearly between their samples) is linear, and so is the first convolution: together they are one 3 x 3
convolution of the packed frame. Likewise the last convolution, the matrix back and the averaging of colour
differences. Between the two nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from clearcall.media.colour import Colours

Weights = NDArray[np.float32]

_RED_BLUE: Final = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""K_R and K_B of the matrix coefficients of ITU-T H.273, by their code."""
_FULL: Final = 2
_BLACK: Final = 16 / 255
_GREY: Final = 128 / 255
_ACROSS: Final = {"left": 0.0, "topleft": 0.0, "bottomleft": 0.0}
_DOWN: Final = {"topleft": 0.0, "top": 0.0, "bottomleft": 1.0, "bottom": 1.0}
_MIDDLE: Final = 0.5


@dataclass(frozen=True)
class Layer:
    """One convolution of stride 1 on packed frames, or any but the first on RGB frames.

    Attributes:
        weight: (outputs, inputs, k, k).
        bias: (outputs,).
        ones: How many of the inputs, the last ones, are one everywhere inside the frame.
    """

    weight: Weights
    bias: Weights
    ones: int = 0


@dataclass(frozen=True)
class Network:
    """A student's convolutions, for frames scaled to [0, 1].

    Attributes:
        stride: Side of a block.
        layers: The convolutions. For RGB the first strides over (3, H, W), padded with zeros so that its kernel
            stands in the middle of a block, and the last gives a correction per pixel of a block: RGB for each
            pixel in row-major order, or one for all colours.
    """

    stride: int
    layers: tuple[Layer, ...]

    @property
    def is_luma(self) -> bool:
        """Whether it gives one correction for all colours of a pixel."""
        return self.layers[-1].bias.size == self.stride**2


def channels_of(network: Network) -> int:
    """Channels of a packed frame: luma, colour differences, and ones that make their number a multiple of eight.

    Args:
        network: A student of RGB frames.
    """
    block = network.stride**2
    return block if network.is_luma else -(-(block + block // 2 + 1) // 8) * 8


def can_fold(network: Network) -> bool:
    """Tell whether a student of RGB frames can be turned into one of packed frames.

    Args:
        network: The student.

    Returns:
        False where a block has no colour sample of its own, or the first kernel sees beyond the next block.
    """
    margin = (network.layers[0].weight.shape[-1] - network.stride) // 2
    limit = network.stride if network.is_luma else network.stride - 1
    return network.stride % 2 == 0 and margin <= limit


def fold(network: Network, colours: Colours) -> Network:
    """Turn a student of RGB frames into one of packed frames.

    What it computes is what decoding to RGB, the student and encoding again compute, except where that clips
    colours, and except that beyond the edges of a frame the interpolated colour differences fade to grey. A student
    of luma takes luma as it is coded, whatever the matrix; beyond the edges of a limited-range frame it sees -16
    instead of black.

    Args:
        network: The student; ``can_fold`` must allow it.
        colours: Matrix, range and siting of the frames, all of them specified.

    Returns:
        The same student for packed frames, scaled to [0, 1] by 255.
    """
    first, *middle, last = network.layers
    if network.is_luma:
        ends = _fold_luma(network.stride, first, last, is_full=colours.range == _FULL)
    else:
        ends = _Fold(network, colours).ends(first, last)
    return Network(network.stride, (ends[0], *middle, ends[1]))


def rgb_from_yuv(colours: Colours) -> NDArray[np.float64]:
    """The matrix from luma in [0, 1] and colour differences in [-0.5, 0.5] to RGB in [0, 1].

    Args:
        colours: Names the matrix.

    Returns:
        (3, 3), rows R, G, B.

    Example:
        >>> from clearcall.media.colour import Colours
        >>> rgb_from_yuv(Colours(matrix=1)).round(4).tolist()
        [[1.0, 0.0, 1.5748], [1.0, -0.1873, -0.4681], [1.0, 1.8556, 0.0]]
    """
    red, blue = _RED_BLUE[colours.matrix]
    green = 1 - red - blue
    to_blue, to_red = 2 * (1 - blue), 2 * (1 - red)
    return np.array([[1, 0, to_red], [1, -blue * to_blue / green, -red * to_red / green], [1, to_blue, 0]])


def _fold_luma(stride: int, first: Layer, last: Layer, *, is_full: bool) -> tuple[Layer, Layer]:
    scale, offset = (1.0, 0.0) if is_full else (255 / 219, _BLACK)
    weight = _blocks(first.weight.sum(axis=1) * scale, stride)
    bias = first.bias - offset * weight.sum(axis=(1, 2, 3))
    return _layer(weight, bias), _layer(last.weight / scale, last.bias / scale)


def _blocks(kernel: NDArray[np.floating], stride: int) -> NDArray[np.floating]:
    """(outputs, k, k) on pixels to (outputs, stride^2, 3, 3) on blocks, with zeros where the kernel doesn't reach."""
    outputs, size, _ = kernel.shape
    before = stride - (size - stride) // 2
    whole = np.pad(kernel, ((0, 0), *[(before, 3 * stride - size - before)] * 2))
    blocks = whole.reshape(outputs, 3, stride, 3, stride).transpose(0, 2, 4, 1, 3)
    return blocks.reshape(outputs, stride**2, 3, 3)


def _layer(weight: NDArray[np.floating], bias: NDArray[np.floating]) -> Layer:
    return Layer(np.ascontiguousarray(weight, np.float32), np.ascontiguousarray(bias, np.float32))


class _Fold:
    """Folds the first and the last convolution of a student of all colours."""

    def __init__(self, network: Network, colours: Colours) -> None:
        self.stride = network.stride
        self.spare = channels_of(network) - self.stride**2 * 3 // 2
        is_full = colours.range == _FULL
        self.offset = np.array([0 if is_full else _BLACK, _GREY, _GREY])
        self.matrix = rgb_from_yuv(colours) * (1 if is_full else np.array([255 / 219, 255 / 224, 255 / 224]))
        self.across, self.down = _ACROSS.get(colours.siting, _MIDDLE), _DOWN.get(colours.siting, _MIDDLE)

    def ends(self, first: Layer, last: Layer) -> tuple[Layer, Layer]:
        return self.first(first), self.last(last)

    def first(self, layer: Layer) -> Layer:
        kernels = np.einsum("ocyx,cp->poyx", layer.weight.astype(np.float64), self.matrix)
        parts = [_blocks(kernels[0], self.stride), *(self._interpolated(kernel) for kernel in kernels[1:])]
        # The offsets are taken from inside the frame only, by channels of ones that are zero beyond its edges.
        offsets = sum(part.sum(axis=1) * offset for part, offset in zip(parts, self.offset, strict=True))
        ones = np.repeat(-np.asarray(offsets)[:, None] / self.spare, self.spare, axis=1)
        return replace(_layer(np.concatenate([*parts, ones], axis=1), layer.bias), ones=self.spare)

    def _interpolated(self, kernel: NDArray[np.floating]) -> NDArray[np.floating]:
        """(outputs, k, k) on pixels to (outputs, (stride / 2)^2, 3, 3) on the colour samples of blocks."""
        outputs, size, _ = kernel.shape
        down, across = (_interpolation(size, self.stride, phase) for phase in (self.down, self.across))
        half = self.stride // 2
        samples = np.einsum("oyx,yq,xr->oqr", kernel, down, across).reshape(outputs, 3, half, 3, half)
        folded: NDArray[np.floating] = samples.transpose(0, 2, 4, 1, 3).reshape(outputs, half**2, 3, 3)
        return folded

    def last(self, layer: Layer) -> Layer:
        to_yuv = np.linalg.inv(self.matrix)
        block, half = self.stride**2, self.stride // 2
        down, across = (_averaging(self.stride, phase) for phase in (self.down, self.across))
        average = np.einsum("qy,rx->qryx", down, across).reshape(half**2, block)
        mix = np.concatenate([np.kron(rows, to_yuv[p]) for p, rows in enumerate((np.eye(block), average, average))])
        mix = np.concatenate([mix, np.zeros((self.spare, mix.shape[1]))])
        return _layer(np.einsum("po,oiyx->piyx", mix, layer.weight.astype(np.float64)), mix @ layer.bias)


def _interpolation(size: int, stride: int, phase: float) -> NDArray[np.float64]:
    """Weights (size, 3 * stride / 2) with which the pixels of a kernel's line take the samples of three blocks."""
    pixels = np.arange(size) - (size - stride) // 2
    places = (pixels - phase) / 2 + stride // 2
    samples = np.arange(3 * stride // 2)
    weights: NDArray[np.float64] = np.maximum(0, 1 - np.abs(places[:, None] - samples))
    return weights


def _averaging(stride: int, phase: float) -> NDArray[np.float64]:
    """Weights (stride / 2, stride) with which samples are made of a block's pixels: those at their place."""
    pixels = np.arange(stride)
    places = 2 * np.arange(stride // 2) + phase
    weights: NDArray[np.float64] = np.maximum(0, 1 - np.abs(places[:, None] - pixels))
    return weights
