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
from clearcall.runtime.quantise import quantise
from clearcall.runtime.quiet import load_openvino

if TYPE_CHECKING:
    import openvino as ov

_LEVEL: Final = 1 / 255
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
    found = _constants(model)
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
    found = _constants(model)
    peaks: list[float] = []
    while f"scale{len(peaks)}" in found:
        peaks.append(255 * float(found[f"scale{len(peaks)}"]))
    if not peaks:
        raise BundleError("The bundle's int8 graph names its scales otherwise; export it again.")
    return peaks


def build_packed(network: Network, peaks: Sequence[float] | None) -> ov.Model:
    """Build the graph of a student of packed frames.

    Args:
        network: The student, made by ``fold``.
        peaks: For each hidden layer what the largest 8-bit level stands for; None computes in float32.
    """
    openvino = load_openvino()
    ops = openvino.opset13
    channels = network.layers[0].weight.shape[1]
    frame = ops.parameter([1, -1, -1, channels], np.uint8, name="frame")
    frame.output(0).set_names({"frame"})
    levels = ops.convert(ops.transpose(frame, [0, 3, 1, 2]), "f32")
    degraded = features = ops.multiply(levels, np.float32(_LEVEL))
    for index, layer in enumerate(network.layers):
        features = _convolution(ops, layer, features, quantised=peaks is not None)
        if index < len(network.layers) - 1:
            features = ops.relu(features)
            if peaks is not None:
                features = _rounded(ops, features, peaks[index], peaks[index])
    whole = ops.convert(_rounded(ops, ops.add(features, degraded), 1.0, 255.0), "u8")
    sharp = ops.transpose(whole, [0, 2, 3, 1])
    sharp.output(0).set_names({"sharp"})
    return openvino.Model([sharp], [frame], "clearcall-packed")


def _constants(model: ov.Model) -> dict[str, Weights]:
    operations = (operation for operation in model.get_ops() if operation.get_type_name() == "Constant")
    return {operation.get_friendly_name(): np.array(operation.data, np.float32) for operation in operations}


def _convolution(ops: Any, layer: Layer, features: ov.Node, *, quantised: bool) -> ov.Node:
    weight, bias = _quantised(ops, layer) if quantised else (ops.constant(layer.weight), layer.bias)
    margin = [layer.weight.shape[-1] // 2] * 2
    convolved = ops.convolution(features, weight, [1, 1], margin, margin, [1, 1])
    return ops.add(convolved, bias.reshape(1, -1, 1, 1).astype(np.float32))


def _quantised(ops: Any, layer: Layer) -> tuple[ov.Node, Weights]:
    """Weights in 8 bits, and the bias with what the channels of ones lost by it: only the frame's edges notice."""
    seen = layer.weight.shape[1] - layer.ones
    levels, scales = quantise(layer.weight[:, :seen])
    scales = scales[:, None, None, None]
    ones = np.clip(np.rint(layer.weight[:, seen:] / scales), -_ONE_TOP, _ONE_TOP)
    lost = (layer.weight[:, seen:] - ones * scales).sum(axis=(1, 2, 3))
    levels = ops.constant(np.concatenate([levels, ones.astype(np.int8)], axis=1))
    return ops.multiply(ops.convert(levels, "f32"), scales), layer.bias + lost


def _rounded(ops: Any, values: ov.Node, peak: float, top: float) -> ov.Node:
    """Clamp to [0, peak], round to 256 levels, and scale to [0, top]."""
    limits = [np.float32(limit) for limit in (0.0, peak, 0.0, top)]
    return ops.fake_quantize(values, *limits, 256)
