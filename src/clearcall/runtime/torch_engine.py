"""The engine for GPUs that PyTorch knows (CUDA, ROCm): half precision, and frames may stay on the GPU.

All of it works on blocks of ``stride`` x ``stride`` pixels: a block's colours are the channels of one pixel, so the
first convolution neither strides nor has three lonely channels, and the frame is added where the correction arises.
Convolutions and ReLU scale with what they are given, so levels from 0 to 255 go in as they are, exact in half
precision; only the biases are scaled.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from clearcall.errors import MissingHardwareError, require
from clearcall.frame import Frame
from clearcall.runtime.folding import Network, Weights

TORCH: Final = "torch"
"""Name of the device: PyTorch's GPU where it has one, else its CPU."""

_WHITE: Final = 255
_COLOURS: Final = 3
_ALIGNED: Final = 8
"""Channels in half precision come in multiples of this, as a GPU's matrix units take them."""
_TRIAL: Final = 8
_WARM_UP: Final = 3
_DRIVERS: Final = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def has_torch_gpu() -> bool:
    """Whether PyTorch is installed and a GPU's driver is there; nothing is imported to tell.

    Example:
        >>> has_torch_gpu() in (True, False)
        True
    """
    has_driver = any(Path(name).exists() for name in _DRIVERS) or shutil.which("nvidia-smi") is not None
    return has_driver and find_spec("torch") is not None


@dataclass(frozen=True)
class Way:
    """How PyTorch goes through the network; what comes out is the same.

    Attributes:
        fused: Whether cuDNN adds the bias and clips at zero within a convolution, where it can.
        searched: Whether cuDNN tries its kernels on the first frame of each size and keeps the fastest.
        compiled: Mode of ``torch.compile``, which then compiles for each size and strength; empty for none.
    """

    fused: bool = True
    searched: bool = False
    compiled: str = ""


class TorchEngine:
    """Runs a student by PyTorch.

    Args:
        network: The student.
        device: PyTorch's name of what it runs on; None takes a GPU if PyTorch has one, else the CPU. A GPU computes
            in half precision, the CPU in float32.
        way: How to compute.

    Attributes:
        way: How it computes: what was asked for, as far as it can.

    Raises:
        MissingExtraError: PyTorch isn't installed.
        MissingHardwareError: PyTorch can't use the device.

    Example:
        >>> weight, bias = np.zeros((12, 3, 4, 4), np.float32), np.zeros(12, np.float32)
        >>> from clearcall.runtime.folding import Layer
        >>> engine = TorchEngine(Network(2, (Layer(weight, bias),)), "cpu")
        >>> engine.infer(np.full((4, 6, 3), 9, np.uint8), 1.0)[0, 0].tolist()
        [9, 9, 9]
    """

    def __init__(self, network: Network, device: str | None = None, *, way: Way | None = None) -> None:
        self._torch: Any = require("torch", extra="train")
        name = device or ("cuda" if self._torch.cuda.is_available() else "cpu")
        self._stride = network.stride
        self._is_luma = network.is_luma
        self._channels = _aligned(network.stride**2 * _COLOURS)
        try:
            self._target = self._torch.device(name)
            self._type = self._torch.float32 if self._target.type == "cpu" else self._torch.float16
            self._layers = [self._placed(weight, bias) for weight, bias in _on_blocks(network, self._channels)]
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise MissingHardwareError(f"PyTorch can't use {name} ({reason}); use --device cpu.") from error
        self.way = self._possible(way or Way())
        mode = self.way.compiled
        self._run = self._torch.compile(self._sharpened, mode=mode, dynamic=False) if mode else self._sharpened

    @property
    def device(self) -> str:
        """The device's name and PyTorch's version."""
        is_gpu = self._target.type == "cuda"
        name = self._torch.cuda.get_device_name(self._target) if is_gpu else str(self._target)
        return f"{name} by PyTorch {self._torch.__version__}"

    def is_ready(self, height: int, width: int, strength: float) -> bool:
        """Always: nothing is compiled unless it was asked for; see ``Engine.is_ready``."""
        return True

    def infer(self, frame: Frame, strength: float) -> Frame:
        """Sharpen one frame; see ``Engine.infer``.

        Raises:
            MissingHardwareError: The GPU's memory is too small for the frame.
        """
        try:
            frames = self._torch.from_numpy(np.require(frame, requirements="W")[None]).to(self._target)
            sharp: Frame = self.sharpen(frames, strength)[0].cpu().numpy()
        except self._torch.OutOfMemoryError as error:
            size = f"{frame.shape[1]}x{frame.shape[0]}"
            raise MissingHardwareError(
                f"The memory of {self.device} is too small for a frame of {size}; use --device cpu."
            ) from error
        return sharp

    def sharpen(self, frames: Any, strength: float = 1.0) -> Any:
        """Sharpen frames where they are.

        Args:
            frames: A tensor on this engine's device, uint8 (N, H, W, 3) RGB, whose sides the stride divides.
            strength: 0 gives the frames, 1 the network's output, more exaggerates.

        Returns:
            Another tensor like it, on the same device.
        """
        with self._torch.inference_mode(), self._searching():
            return self._run(frames, strength)

    def record(self, frames: Any, strength: float = 1.0) -> Callable[[Any], Any]:
        """Record what ``sharpen`` does for one size, to have the GPU start all of it at once (a CUDA graph).

        Args:
            frames: A tensor as ``sharpen`` takes it.
            strength: As in ``sharpen``; it can't be changed later.

        Returns:
            Sharpens frames of this size, in the thread and stream that recorded; each call overwrites what the one
            before returned. On the CPU there is nothing to record: it is ``sharpen`` itself.
        """
        if self._target.type != "cuda":
            return partial(self.sharpen, strength=strength)
        cuda = self._torch.cuda
        with cuda.device(self._target):
            kept, aside, graph = frames.clone(), cuda.Stream(), cuda.CUDAGraph()
            aside.wait_stream(cuda.current_stream())
            with cuda.stream(aside):
                for _ in range(_WARM_UP):
                    self.sharpen(kept, strength)
            cuda.current_stream().wait_stream(aside)
            with cuda.graph(graph):
                sharp = self.sharpen(kept, strength)

        def replay(frames: Any) -> Any:
            kept.copy_(frames)
            graph.replay()
            return sharp

        return replay

    def _sharpened(self, frames: Any, strength: float) -> Any:
        packed = self._packed(frames)
        features = packed.permute(0, 3, 1, 2)  # channels last in memory, as convolutions like it
        *hidden, last = self._layers
        for weight, bias in hidden:
            features = self._activated(features, weight, bias)
        correction = self._convolved(features, *last).permute(0, 2, 3, 1)
        sharp = self._whole_levels(self._added(packed, correction))
        if strength != 1:
            sharp = self._whole_levels(packed.lerp(sharp, strength))
        return self._unpacked(sharp, frames)

    def _whole_levels(self, packed: Any) -> Any:
        return packed.clamp_(0, _WHITE).round_()

    def _packed(self, frames: Any) -> Any:
        """(N, H, W, 3) to (N, H / stride, W / stride, channels): a block's pixels row by row, then zeros."""
        count, height, width, _ = frames.shape
        side = self._stride
        shape = (count, height // side, width // side, self._channels)
        packed = self._torch.zeros(shape, dtype=self._type, device=frames.device)
        self._lines(packed).copy_(self._blocks(frames))
        return packed

    def _unpacked(self, packed: Any, frames: Any) -> Any:
        sharp = self._torch.empty(frames.shape, dtype=self._torch.uint8, device=frames.device)
        self._blocks(sharp).copy_(self._lines(packed))
        return sharp

    def _lines(self, packed: Any) -> Any:
        """A view (N, h, w, stride, 3 * stride) of packed frames: the lines of each block."""
        line = self._stride * _COLOURS
        return packed[..., : self._stride * line].unflatten(3, (self._stride, line))

    def _blocks(self, frames: Any) -> Any:
        """The same of frames, a view if they are contiguous."""
        count, height, width, _ = frames.shape
        side = self._stride
        return frames.reshape(count, height // side, side, width // side, side * _COLOURS).transpose(2, 3)

    def _added(self, packed: Any, correction: Any) -> Any:
        if not self._is_luma:
            return packed + correction
        block = self._stride**2
        every_colour = correction[..., :block].repeat_interleave(_COLOURS, 3)
        return packed + self._torch.nn.functional.pad(every_colour, (0, self._channels - block * _COLOURS))

    def _convolved(self, features: Any, weight: Any, bias: Any) -> Any:
        return self._torch.nn.functional.conv2d(features, weight, bias, padding=weight.shape[-1] // 2)

    def _activated(self, features: Any, weight: Any, bias: Any) -> Any:
        if not self.way.fused:
            return self._convolved(features, weight, bias).relu_()
        margin = weight.shape[-1] // 2
        return self._torch.cudnn_convolution_relu(features, weight, bias, (1, 1), (margin, margin), (1, 1), 1)

    def _possible(self, way: Way) -> Way:
        """The way, without what this device or the compiler can't do."""
        self.way = way
        if not way.fused:
            return way
        weight, bias = self._layers[0]
        trial = self._torch.zeros((1, _TRIAL, _TRIAL, weight.shape[1]), dtype=self._type, device=self._target)
        try:
            self._activated(trial.permute(0, 3, 1, 2), weight, bias)
        except RuntimeError:
            return replace(way, fused=False)
        return replace(way, fused=not way.compiled)

    def _searching(self) -> AbstractContextManager[None]:
        if not self.way.searched:
            return nullcontext()
        flags: AbstractContextManager[None] = self._torch.backends.cudnn.flags(enabled=True, benchmark=True)
        return flags

    def _placed(self, weight: Weights, bias: Weights) -> tuple[Any, Any]:
        form = {"device": self._target, "dtype": self._type}
        kernel = self._torch.from_numpy(weight.copy()).to(**form)
        return kernel.to(memory_format=self._torch.channels_last), self._torch.from_numpy(bias).to(**form)


def _aligned(channels: int) -> int:
    return -(-channels // _ALIGNED) * _ALIGNED


def _on_blocks(network: Network, channels: int) -> list[tuple[Weights, Weights]]:
    """Kernels and biases for levels of packed frames; the first takes ``channels``, the last gives multiples of 8."""
    kernels = [layer.weight for layer in network.layers]
    first = _blocked(kernels[0], network.stride)
    kernels[0] = np.pad(first, ((0, 0), (0, channels - first.shape[1]), (0, 0), (0, 0)))
    spare = _aligned(kernels[-1].shape[0]) - kernels[-1].shape[0]
    kernels[-1] = np.pad(kernels[-1], ((0, spare), (0, 0), (0, 0), (0, 0)))
    biases = [layer.bias * np.float32(_WHITE) for layer in network.layers]
    biases[-1] = np.pad(biases[-1], (0, spare))
    return list(zip(kernels, biases, strict=True))


def _blocked(kernel: Weights, stride: int) -> Weights:
    """(outputs, 3, k, k) on pixels to (outputs, stride^2 * 3, n, n) on blocks, with zeros where it doesn't reach."""
    outputs, colours, size, _ = kernel.shape
    margin = (size - stride) // 2
    reach = -(-margin // stride)
    blocks = 2 * reach + 1
    pad = (reach * stride - margin,) * 2
    whole = np.pad(kernel, ((0, 0), (0, 0), pad, pad))
    split = whole.reshape(outputs, colours, blocks, stride, blocks, stride).transpose(0, 3, 5, 1, 2, 4)
    return np.ascontiguousarray(split.reshape(outputs, stride**2 * colours, blocks, blocks))
