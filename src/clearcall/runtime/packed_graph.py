"""The graph of a student of packed frames, laid out so that all of it works on blocks, in 8-bit integers.

``frame`` is uint8 (1, H / stride, W / stride, channels), and so is ``sharp``: no sample is moved to another place
between the first convolution and the last, and the frame itself is added within the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from clearcall.errors import BundleError
from clearcall.runtime.folding import Layer, Network, Weights
from clearcall.runtime.int8_ops import (
    AS_SHARP,
    LEVEL,
    Levels,
    add_input,
    constants_of,
    convolution,
    levels_of,
    paired_convolution,
    picture_of,
    rounded,
    seen,
)
from clearcall.runtime.quantise import quantise
from clearcall.runtime.quiet import load_openvino

if TYPE_CHECKING:
    import openvino as ov

_ONE_TOP: Final = 63
"""Two channels of ones side by side, at most this each, don't overflow 16 bits; see ``quantise``."""


def read_network(model: ov.Model, stride: int) -> Network:
    """Read the weights of a student's float32 graph.

    Args:
        model: The graph as read from a bundle.
        stride: Of the student.

    Raises:
        BundleError: The graph has no such weights.
    """
    found = constants_of(model)
    layers: list[Layer] = []
    while f"weight{len(layers)}" in found and f"bias{len(layers)}" in found:
        layers.append(Layer(found[f"weight{len(layers)}"], found[f"bias{len(layers)}"]))
    if len(layers) < 2:
        raise BundleError("The bundle's float32 graph names its weights otherwise; export it again.")
    return Network(stride, tuple(layers))


def read_peaks(model: ov.Model) -> list[float]:
    """Read from a student's 8-bit graph what the largest level of each hidden layer stands for.

    Args:
        model: The graph as read from a bundle.

    Raises:
        BundleError: The graph has no such scales.
    """
    found = constants_of(model)
    peaks: list[float] = []
    while f"scale{len(peaks)}" in found:
        peaks.append(255 * float(found[f"scale{len(peaks)}"]))
    if not peaks:
        raise BundleError("The bundle's int8 graph names its scales otherwise; export it again.")
    return peaks


def build_packed(network: Network, peaks: Sequence[float] | None, *, paired: bool = False) -> ov.Model:
    """Build the graph of a student of packed frames.

    Args:
        network: The student, made by ``fold``.
        peaks: For each hidden layer what the largest 8-bit level stands for; None computes in float32.
        paired: Let the last convolution give two neighbouring blocks at once, which is faster where a block has eight
            channels and gives the same bits. For an even number of blocks across; ``sharp`` is uint8 (1, H / stride,
            W / stride / 2, 2 * channels) then, and so is a second input, ``AS_SHARP``, with the bytes of ``frame``.
    """
    openvino = load_openvino()
    ops = openvino.opset13
    channels = network.layers[0].weight.shape[1]
    frame = add_input(ops, "frame", [1, -1, -1, channels])
    inputs = [frame, add_input(ops, AS_SHARP, [1, -1, -1, 2 * channels])] if paired else [frame]
    degraded = ops.multiply(levels_of(ops, inputs[-1]), np.float32(LEVEL))
    features = degraded if peaks is None else seen(ops, frame)
    *hidden, last = network.layers
    for index, layer in enumerate(hidden):
        features = ops.relu(_convolution(ops, layer, features, quantised=peaks is not None))
        if peaks is not None:
            features = rounded(ops, features, (0.0, peaks[index]))
    correction = _convolution(ops, last, features, quantised=peaks is not None, paired=paired)
    return openvino.Model([picture_of(ops, ops.add(correction, degraded))], inputs, "clearcall-packed")


def _convolution(ops: Any, layer: Layer, features: ov.Node, *, quantised: bool, paired: bool = False) -> ov.Node:
    if not quantised:
        margin = [layer.weight.shape[-1] // 2] * 2
        convolved = ops.convolution(features, ops.constant(layer.weight), [1, 1], margin, margin, [1, 1])
        return ops.add(convolved, layer.bias.reshape(1, -1, 1, 1).astype(np.float32))
    levels, scales, bias = _quantised(layer)
    return (paired_convolution if paired else convolution)(ops, features, (levels, scales), bias)


def _quantised(layer: Layer) -> tuple[Levels, Weights, Weights]:
    """Weights in 8 bits, and the bias with what the channels of ones lost by it: only the frame's edges notice."""
    inputs = layer.weight.shape[1] - layer.ones
    levels, scales = quantise(layer.weight[:, :inputs])
    each = scales[:, None, None, None]
    ones = np.clip(np.rint(layer.weight[:, inputs:] / each), -_ONE_TOP, _ONE_TOP)
    lost = (layer.weight[:, inputs:] - ones * each).sum(axis=(1, 2, 3))
    return np.concatenate([levels, ones.astype(np.int8)], axis=1), scales, layer.bias + lost
