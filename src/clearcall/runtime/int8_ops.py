"""Pieces of 8-bit graphs, in the forms in which OpenVINO's optimiser sees that they are 8-bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino as ov

Weights = NDArray[np.float32]
Levels = NDArray[np.int8]

LEVEL: Final = 1 / 255
AS_SHARP: Final = "frame_as_sharp"
"""A second input of graphs whose result has another shape than ``frame``: the same bytes in the shape of the result.
Within the graph such a change of shape would be a copy."""


def constants_of(model: ov.Model) -> dict[str, NDArray[Any]]:
    """The constants of a bundle's graph, by the names that export gives them."""
    operations = (operation for operation in model.get_ops() if operation.get_type_name() == "Constant")
    return {operation.get_friendly_name(): np.array(operation.data) for operation in operations}


def add_input(ops: Any, name: str, shape: list[int]) -> ov.Node:
    """A uint8 input, pixel by pixel."""
    image = ops.parameter(shape, np.uint8, name=name)
    image.output(0).set_names({name})
    return image


def levels_of(ops: Any, image: ov.Node) -> ov.Node:
    """The levels of an input, channel by channel, as numbers."""
    return ops.convert(ops.transpose(image, [0, 3, 1, 2]), "f32")


def seen(ops: Any, image: ov.Node) -> ov.Node:
    """An input scaled to [0, 1], as a first convolution takes it.

    A plain multiplication would be merged into the convolution's weights if nothing else uses its result, and the
    convolution would fall back to float32.
    """
    return rounded(ops, levels_of(ops, image), (0.0, 255.0), (0.0, 1.0))


def convolution(
    ops: Any,
    features: ov.Node,
    weight: tuple[Levels, Weights],
    bias: Weights,
    *,
    strides: tuple[int, int] = (1, 1),
    margins: tuple[int, int] | None = None,
) -> ov.Node:
    """A convolution by weights of 8 bits.

    Args:
        ops: OpenVINO's operations.
        features: Its input.
        weight: Levels (outputs, inputs, height, width), and what a level of each output stands for.
        bias: Of each output.
        strides: Down and across.
        margins: Zeros on each side, down and across; half of the kernel if not given.
    """
    levels, scales = weight
    kernel = ops.multiply(ops.convert(ops.constant(levels), "f32"), scales[:, None, None, None].astype(np.float32))
    down, across = margins or (levels.shape[2] // 2, levels.shape[3] // 2)
    convolved = ops.convolution(features, kernel, list(strides), [down, across], [down, across], [1, 1])
    return ops.add(convolved, bias.reshape(1, -1, 1, 1).astype(np.float32))


def paired_convolution(ops: Any, features: ov.Node, weight: tuple[Levels, Weights], bias: Weights) -> ov.Node:
    """A convolution by 3 x 3 that gives a result for a pixel and then one for the next, by a stride of two across.

    Engines compute outputs by sixteen; a layer with fewer wastes the rest.

    Args:
        ops: OpenVINO's operations.
        features: Its input, of even width.
        weight: As for ``convolution``.
        bias: Of each output.
    """
    levels, scales = weight
    left, right = (np.pad(levels, ((0, 0), (0, 0), (0, 0), side)) for side in ((0, 1), (1, 0)))
    twice = np.concatenate([left, right]), np.tile(scales, 2)
    return convolution(ops, features, twice, np.tile(bias, 2), strides=(1, 2), margins=(1, 1))


def rounded(
    ops: Any, values: ov.Node, limits: tuple[float, float], meaning: tuple[float, float] | None = None
) -> ov.Node:
    """Clamp values to limits and round them to 256 levels between, which stand for ``meaning`` (or the same)."""
    edges = [np.float32(edge) for edge in (*limits, *(meaning or limits))]
    return ops.fake_quantize(values, *edges, 256)


def picture_of(ops: Any, total: ov.Node) -> ov.Node:
    """The result of a graph: values in [0, 1] as uint8, pixel by pixel, named ``sharp``."""
    whole = ops.convert(rounded(ops, total, (0.0, 1.0), (0.0, 255.0)), "u8")
    sharp = ops.transpose(whole, [0, 2, 3, 1])
    sharp.output(0).set_names({"sharp"})
    return sharp
