"""What this computer can do at best, measured: operations a second in 8 bits and in float32, and bytes copied."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from clearcall.runtime.quiet import load_openvino

if TYPE_CHECKING:
    from openvino import Model

_CHANNELS: Final = 128
_SIDE: Final = 96
_COPIED: Final = 64 * 2**20
_TRIES: Final = 12


@dataclass(frozen=True)
class Limits:
    """The best this computer did.

    Attributes:
        int8: Operations a second (a multiplication and an addition are two) of a large 8-bit convolution.
        float32: The same in float32.
        copied: Bytes read and written a second by copying memory, by one thread.
    """

    int8: float
    float32: float
    copied: float

    def seconds(self, operations: float, moved: float, *, is_int8: bool = True) -> float:
        """The least time that some work can take, if arithmetic and memory overlap without a gap.

        Args:
            operations: How many.
            moved: Bytes read and written.
            is_int8: Whether the arithmetic is in 8 bits.

        Example:
            >>> Limits(int8=4e11, float32=2e11, copied=1e10).seconds(2e9, 6e6)
            0.005
        """
        return max(operations / (self.int8 if is_int8 else self.float32), moved / self.copied)


def measure_limits(threads: int) -> Limits:
    """Measure; takes about a second.

    Args:
        threads: Of the convolutions.
    """
    operations = 2 * 9 * _CHANNELS**2 * _SIDE**2
    int8, float32 = (operations / _best(_runner(_convolution(is_int8), threads)) for is_int8 in (True, False))
    source, target = np.ones(_COPIED, np.uint8), np.empty(_COPIED, np.uint8)
    return Limits(int8, float32, 2 * _COPIED / _best(lambda: np.copyto(target, source)))


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def _runner(model: Model, threads: int) -> Callable[[], object]:
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = load_openvino().Core().compile_model(model, "CPU", settings).create_infer_request()
    frame = np.ones((1, _SIDE, _SIDE, _CHANNELS), np.uint8)
    return lambda: request.infer([frame], share_inputs=True, share_outputs=True)


def _convolution(is_int8: bool) -> Model:
    openvino = load_openvino()
    ops: Any = openvino.opset13
    frame = ops.parameter([1, _SIDE, _SIDE, _CHANNELS], np.uint8)
    features = ops.multiply(ops.convert(ops.transpose(frame, [0, 3, 1, 2]), "f32"), np.float32(1 / 255))
    levels = np.ones((_CHANNELS, _CHANNELS, 3, 3))
    weight = ops.convert(ops.constant(levels.astype(np.int8)), "f32") if is_int8 else levels.astype(np.float32)
    scaled = ops.multiply(weight, np.float32(1e-4))
    convolved = ops.convolution(features, scaled, [1, 1], [1, 1], [1, 1], [1, 1])
    return openvino.Model([ops.transpose(ops.convert(ops.relu(convolved), "u8"), [0, 2, 3, 1])], [frame], "peak")
