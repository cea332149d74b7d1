"""A GPU's clock, and what the GPU can do at best, measured by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clearcall.errors import require
from clearcall.frame import Frame

_QUEUED: Final = 100
_TRIES: Final = 10
_LARGE: Final = {"cuda": (8192, 2**30), "cpu": (256, 2**22)}
"""Side of the matrices that are multiplied, and bytes that are copied, to measure what a device can do."""


@dataclass(frozen=True)
class GPULimits:
    """The best the GPU did.

    Attributes:
        half: Operations a second (a multiplication and an addition are two) of a large product of matrices in half
            precision; in float32 where the "GPU" is the CPU.
        copied: Bytes read and written a second by copying memory on the device.
    """

    half: float
    copied: float

    def milliseconds(self, operations: float, moved: float) -> float:
        """The least time that some work can take, if arithmetic and memory overlap without a gap.

        Args:
            operations: How many.
            moved: Bytes read and written.

        Example:
            >>> GPULimits(half=5e14, copied=2e12).milliseconds(5e10, 1.2e7)
            0.1
        """
        return 1e3 * max(operations / self.half, moved / self.copied)


class Clock:
    """Times work on a device: by its own events on a GPU, by the computer's clock on the CPU.

    Args:
        device: PyTorch's name of it.

    Raises:
        MissingExtraError: PyTorch isn't installed.

    Example:
        >>> Clock("cpu").milliseconds(lambda: None) >= 0
        True
    """

    def __init__(self, device: str) -> None:
        self._torch: Any = require("torch", extra="train")
        self._target = self._torch.device(device)
        self._is_gpu = self._target.type == "cuda"

    def placed(self, picture: Frame) -> Any:
        """A frame as a tensor (1, H, W, 3) on the device."""
        return self._torch.from_numpy(picture[None]).to(self._target)

    def versions(self) -> str:
        """What drives the GPU, to go behind its name; empty for the CPU."""
        cuda, cudnn = self._torch.version.cuda, self._torch.backends.cudnn
        return f", CUDA {cuda}, cuDNN {cudnn.version()}" if self._is_gpu else ""

    def milliseconds(self, work: Callable[[], object]) -> float:
        """From the start of some work until the device is done."""
        if not self._is_gpu:
            started = time.perf_counter()
            work()
            return (time.perf_counter() - started) * 1e3
        started, ended = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        started.record()
        work()
        ended.record()
        self._torch.cuda.synchronize(self._target)
        return float(started.elapsed_time(ended))

    def queued(self, run: Callable[[Any], Any], frames: Sequence[Any]) -> float:
        """Mean milliseconds of frames of which each waits for the one before on the device alone."""
        count = _QUEUED if self._is_gpu else 1

        def work() -> None:
            for number in range(count):
                run(frames[number % len(frames)])

        return self.milliseconds(work) / count

    def limits(self) -> GPULimits:
        """What the device does at best; takes a second."""
        side, size = _LARGE[self._target.type]
        kind = self._torch.float16 if self._is_gpu else self._torch.float32
        factors = self._torch.randn((2, side, side), dtype=kind, device=self._target)
        product = self._torch.empty((side, side), dtype=kind, device=self._target)
        multiplied = self._best(lambda: self._torch.mm(factors[0], factors[1], out=product))
        source = self._torch.ones(size, dtype=self._torch.uint8, device=self._target)
        target = self._torch.empty_like(source)
        return GPULimits(2 * side**3 / multiplied, 2 * size / self._best(lambda: target.copy_(source)))

    def _best(self, work: Callable[[], object]) -> float:
        return min(self.milliseconds(work) for _ in range(_TRIES)) / 1e3
