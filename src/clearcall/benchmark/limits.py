"""What this computer can do at best, measured: operations a second in 8 bits and in float32, and bytes copied."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from clearcall.runtime.engine import OpenVINOEngine
from clearcall.runtime.folding import Layer, Network
from clearcall.runtime.packed_graph import build_packed

if TYPE_CHECKING:
    from openvino import Model

_CHANNELS: Final = 128
_SIDE: Final = 96
_LAYERS: Final = 3
_COPIED: Final = 64 * 2**20
_TRIES: Final = 8


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
    weight = np.full((_CHANNELS, _CHANNELS, 3, 3), 1e-4, np.float32)
    network = Network(1, (Layer(weight, np.zeros(_CHANNELS, np.float32)),) * _LAYERS)
    operations = 2 * weight.size * _SIDE**2 * _LAYERS
    in_8_bits = [1.0] * (_LAYERS - 1)
    int8, float32 = (operations / _best(_runner(network, peaks, threads)) for peaks in (in_8_bits, None))
    source, target = np.ones(_COPIED, np.uint8), np.empty(_COPIED, np.uint8)
    return Limits(int8, float32, 2 * _COPIED / _best(lambda: np.copyto(target, source)))


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def _runner(network: Network, peaks: list[float] | None, threads: int) -> Callable[[], object]:
    engine = OpenVINOEngine(_Built(network, peaks), threads=threads)
    frame = np.ones((_SIDE, _SIDE, _CHANNELS), np.uint8)
    return lambda: engine.infer(frame, 1.0)


@dataclass(frozen=True)
class _Built:
    """A graph of large convolutions, which keep the multipliers as busy as the engine can."""

    network: Network
    peaks: list[float] | None
    digest: str = "large convolutions"

    def model(self) -> Model:
        return build_packed(self.network, self.peaks)

    def sized(self, height: int, width: int) -> Model:
        model = self.model()
        model.reshape({"frame": [1, height, width, _CHANNELS]})
        return model
