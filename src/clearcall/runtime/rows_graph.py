"""A student of RGB frames laid out so that its last convolutions give whole rows of the picture.

The ONNX graph of a bundle ends with a pixel shuffle, which costs OpenVINO a fifth of the time of ``small``. A block of
2 x 2 pixels is two rows; here each is a convolution of its own, two blocks at once. In memory their results, one row
of the picture after the other, already are the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from clearcall.runtime.int8_ops import (
    AS_SHARP,
    LEVEL,
    add_input,
    constants_of,
    convolution,
    levels_of,
    paired_convolution,
    picture_of,
    rounded,
    seen,
)
from clearcall.runtime.quiet import load_openvino

if TYPE_CHECKING:
    import openvino as ov

_COLOURS: Final = 3
_STRIDE: Final = 2
_MOST_CHANNELS: Final = 32
"""Two rows of pairs of blocks are a third more work for the last layer than blocks: with more channels before it that
costs more than the shuffle."""
_CORRECTION: Final = (-128 * LEVEL, 127 * LEVEL)
"""What the levels of a correction stand for: whole levels of the picture."""


@dataclass(frozen=True)
class _Layer:
    levels: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.float32]
    peak: float


def by_rows(model: ov.Model, height: int, width: int) -> ov.Model | None:
    """Lay a bundle's 8-bit graph out for frames of one size; it gives the same bits.

    Args:
        model: The graph as read from the bundle.
        height: Of the frames.
        width: Of the frames.

    Returns:
        From ``frame``, uint8 (1, height, width, 3), and the same bytes as ``AS_SHARP``, (1, height / 2, width / 2, 12),
        to ``sharp`` of the latter shape; None for graphs and sizes that can't be laid out so.
    """
    layers = _layers(constants_of(model))
    if len(layers) < 2 or height % _STRIDE or width % (2 * _STRIDE) or not _is_worth_it(layers):
        return None
    openvino = load_openvino()
    ops = openvino.opset13
    blocks = [1, height // _STRIDE, width // _STRIDE, _COLOURS * _STRIDE**2]
    frame, as_sharp = add_input(ops, "frame", [1, height, width, _COLOURS]), add_input(ops, AS_SHARP, blocks)
    features = seen(ops, frame)
    for number, layer in enumerate(layers[:-1]):
        features = _hidden(ops, features, layer, stride=_STRIDE if number == 0 else 1)
    correction = ops.concat([_row(ops, features, layers[-1], row) for row in range(_STRIDE)], 3)
    degraded = ops.multiply(levels_of(ops, as_sharp), np.float32(LEVEL))
    return openvino.Model([picture_of(ops, ops.add(degraded, correction))], [frame, as_sharp], "clearcall-rows")


def _layers(constants: dict[str, NDArray[Any]]) -> list[_Layer]:
    """The layers that have all that an 8-bit one needs; all but the last one have a peak."""
    layers: list[_Layer] = []
    while f"weight_scale{len(layers)}" in constants:
        kinds = ("weight", "weight_scale", "bias")
        levels, scales, bias = (constants[f"{kind}{len(layers)}"] for kind in kinds)
        peak = 255 * float(constants.get(f"scale{len(layers)}", 0.0))
        layers.append(_Layer(levels, scales.ravel(), bias.ravel(), peak))
    return layers


def _is_worth_it(layers: list[_Layer]) -> bool:
    """Whether blocks are of 2 x 2 pixels with a correction for each colour, and the network is narrow."""
    first, last = layers[0].levels, layers[-1].levels
    is_rgb = first.shape[1] == _COLOURS and last.shape[0] == _COLOURS * _STRIDE**2 and last.shape[2:] == (3, 3)
    return is_rgb and last.shape[1] <= _MOST_CHANNELS


def _hidden(ops: Any, features: ov.Node, layer: _Layer, stride: int) -> ov.Node:
    margin = (layer.levels.shape[-1] - stride) // 2
    weight, strides, margins = (layer.levels, layer.scales), (stride, stride), (margin, margin)
    convolved = convolution(ops, features, weight, layer.bias, strides=strides, margins=margins)
    return rounded(ops, ops.relu(convolved), (0.0, layer.peak))


def _row(ops: Any, features: ov.Node, layer: _Layer, row: int) -> ov.Node:
    """The correction of one row of each block, two blocks at once, in whole levels."""
    part = slice(row * _COLOURS * _STRIDE, (row + 1) * _COLOURS * _STRIDE)
    weight = layer.levels[part], layer.scales[part]
    return rounded(ops, paired_convolution(ops, features, weight, layer.bias[part]), _CORRECTION)
