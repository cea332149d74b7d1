"""ONNX graphs of a student, laid out by hand so that CPU engines run them without a single reordering.

``frame`` comes in as uint8 (1, H, W, 3) and goes straight into the first convolution; between the convolutions stand
8-bit activations; the correction is rounded to whole 8-bit levels before it is shuffled to full size and added,
so that the full-size work is all in 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from clearcall.training.rounding import weight_scales
from clearcall.training.student import COLOURS, LUMA, Student, StudentConfig

OPSET = 19
IR_VERSION = 9
LEVEL = 1 / 255


@dataclass
class _Graph:
    """Nodes and constants in the making."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, values: object, dtype: type[np.generic]) -> str:
        self.constants[name] = numpy_helper.from_array(np.asarray(values, dtype), name)
        return name

    def add(self, operation: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operation, list(inputs), [output], name=output, **attributes))
        return output

    def quantised(self, value: str, scale: str, zero: str) -> str:
        levels = self.add("QuantizeLinear", [value, scale, zero], f"{value}_levels")
        return self.add("DequantizeLinear", [levels, scale, zero], f"{value}_quantised")

    def model(self) -> onnx.ModelProto:
        frame, sharp = (
            helper.make_tensor_value_info(name, TensorProto.UINT8, [1, "height", "width", COLOURS])
            for name in ("frame", "sharp")
        )
        graph = helper.make_graph(self.nodes, "clearcall", [frame], [sharp], list(self.constants.values()))
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="clearcall")
        onnx.checker.check_model(model)
        return model


@dataclass(frozen=True)
class _Layer:
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int


def _layers(student: Student) -> list[_Layer]:
    """Weights of the collapsed student; the last layer's outputs in depth-column-row order, as RGB frames lie.

    A student of luma gets RGB as all others do: its first convolution weighs the colours, and its one correction
    is added to each of them.
    """
    layers = []
    for index, layer in enumerate(student.collapsed().layers):
        weight, bias = (layer.get_parameter(name).detach().cpu().numpy() for name in ("weight", "bias"))
        layers.append(_Layer(weight, bias, student.config.stride if index == 0 else 1))
    if student.config.colour == "luma":
        colours = layers[0].weight * np.array(LUMA, np.float32).reshape(1, COLOURS, 1, 1)
        layers[0] = _Layer(colours, layers[0].bias, layers[0].stride)
    order = _as_frames_lie(student.config.channels, layers[-1].bias.size)
    layers[-1] = _Layer(layers[-1].weight[order], layers[-1].bias[order], layers[-1].stride)
    return layers


def _as_frames_lie(channels: int, outputs: int) -> NDArray[np.intp]:
    """Where in a student's outputs, which go colour by colour, those of a graph are, which go pixel by pixel."""
    return np.arange(outputs).reshape(channels, -1).T.ravel()


def _convolution(graph: _Graph, index: int, layer: _Layer, features: str, weight: str) -> str:
    kernel = layer.weight.shape[-1]
    bias = graph.constant(f"bias{index}", layer.bias, np.float32)
    margin = (kernel - layer.stride) // 2
    attributes = {"kernel_shape": [kernel] * 2, "strides": [layer.stride] * 2, "pads": [margin] * 4}
    return graph.add("Conv", [features, weight, bias], f"conv{index}", **attributes)


def float_graph(student: Student) -> onnx.ModelProto:
    """The student in float32, with scaling, rounding and clamping around it."""
    graph = _Graph()
    planes = graph.add("Transpose", ["frame"], "planes", perm=[0, 3, 1, 2])
    levels = graph.add("Cast", [planes], "levels", to=TensorProto.FLOAT)
    level = graph.constant("level", LEVEL, np.float32)
    degraded = features = graph.add("Mul", [levels, level], "degraded")
    layers = _layers(student)
    for index, layer in enumerate(layers):
        weight = graph.constant(f"weight{index}", layer.weight, np.float32)
        features = _convolution(graph, index, layer, features, weight)
        if index < len(layers) - 1:
            features = graph.add("Relu", [features], f"relu{index}")
    full = graph.add("DepthToSpace", [features], "correction", blocksize=student.config.stride, mode="DCR")
    total = graph.add("Div", [graph.add("Add", [degraded, full], "sum"), level], "sum_levels")
    rounded = graph.add("Round", [total], "rounded")
    low, high = (graph.constant(f"limit{value}", value, np.float32) for value in (0, 255))
    whole = graph.add("Cast", [graph.add("Clip", [rounded, low, high], "clipped")], "whole", to=TensorProto.UINT8)
    graph.add("Transpose", [whole], "sharp", perm=[0, 2, 3, 1])
    return graph.model()


def student_of(graph: bytes) -> Student:
    """The student that a ``float_graph`` was made of, to train it further.

    Example:
        >>> student = Student(StudentConfig(width=8, depth=3))
        >>> again = student_of(float_graph(student).SerializeToString())
        >>> all(torch.equal(a, b) for a, b in zip(student.parameters(), again.parameters(), strict=True))
        True
    """
    content = onnx.load_from_string(graph).graph
    constants = {constant.name: numpy_helper.to_array(constant).copy() for constant in content.initializer}
    [shuffle] = [node for node in content.node if node.op_type == "DepthToSpace"]
    depth = sum(node.op_type == "Conv" for node in content.node)
    stride = helper.get_node_attr_value(shuffle, "blocksize")
    weights, biases = ([constants[f"{kind}{index}"] for index in range(depth)] for kind in ("weight", "bias"))
    width, kernel = weights[0].shape[0], weights[0].shape[-1]
    channels = biases[-1].size // stride**2
    if channels == 1:
        weights[0] = weights[0].sum(axis=1, keepdims=True)  # the weights of the colours in luma add up to 1
    order = np.argsort(_as_frames_lie(channels, biases[-1].size))
    weights[-1], biases[-1] = weights[-1][order], biases[-1][order]
    colour: Literal["luma", "rgb"] = "luma" if channels == 1 else "rgb"
    margin = (kernel - stride) // 2
    student = Student(StudentConfig(stride=stride, width=width, depth=depth, margin=margin, colour=colour))
    for layer, weight, bias in zip(student.layers, weights, biases, strict=True):
        layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    return student.eval()


def int8_graph(student: Student, peaks: Sequence[float]) -> onnx.ModelProto:
    """The student in 8-bit integers.

    Args:
        student: The student.
        peaks: For each hidden layer the activation that the largest 8-bit level stands for.
    """
    graph = _Graph()
    zero = graph.constant("zero", 0, np.uint8)
    level = graph.constant("level", LEVEL, np.float32)
    planes = graph.add("Transpose", ["frame"], "planes", perm=[0, 3, 1, 2])
    degraded = features = graph.add("DequantizeLinear", [planes, level, zero], "degraded")
    layers = _layers(student)
    for index, layer in enumerate(layers):
        features = _convolution(graph, index, layer, features, _int8_weight(graph, index, layer))
        if index < len(layers) - 1:
            features = graph.add("Relu", [features], f"relu{index}")
            scale = graph.constant(f"scale{index}", peaks[index] / 255, np.float32)
            features = graph.quantised(features, scale, zero)
    correction = graph.quantised(features, level, graph.constant("middle", 0, np.int8))
    full = graph.add("DepthToSpace", [correction], "correction", blocksize=student.config.stride, mode="DCR")
    total = graph.add("Add", [degraded, full], "sum")
    whole = graph.add("QuantizeLinear", [total, level, zero], "whole")
    graph.add("Transpose", [whole], "sharp", perm=[0, 2, 3, 1])
    return graph.model()


def _int8_weight(graph: _Graph, index: int, layer: _Layer) -> str:
    """Symmetric weights with one scale per output channel, small enough that no CPU saturates."""
    scales = weight_scales(torch.from_numpy(layer.weight)).numpy()
    levels = np.rint(layer.weight / scales)
    inputs = [
        graph.constant(f"weight{index}", levels, np.int8),
        graph.constant(f"weight_scale{index}", scales.ravel(), np.float32),
        graph.constant(f"weight_zero{index}", np.zeros(len(scales)), np.int8),
    ]
    return graph.add("DequantizeLinear", inputs, f"weight{index}_dequantised", axis=0)
