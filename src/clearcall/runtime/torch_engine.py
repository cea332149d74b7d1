"""The engine for GPUs that PyTorch knows (CUDA, ROCm): half precision, and frames may stay on the GPU."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from clearcall.errors import MissingHardwareError, require
from clearcall.frame import Frame
from clearcall.runtime.folding import Network

TORCH: Final = "torch"
"""Name of the device: PyTorch's GPU where it has one, else its CPU."""

_WHITE: Final = 255.0
_DRIVERS: Final = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def has_torch_gpu() -> bool:
    """Whether PyTorch is installed and a GPU's driver is there; nothing is imported to tell.

    Example:
        >>> has_torch_gpu() in (True, False)
        True
    """
    has_driver = any(Path(name).exists() for name in _DRIVERS) or shutil.which("nvidia-smi") is not None
    return has_driver and find_spec("torch") is not None


class TorchEngine:
    """Runs a student by PyTorch.

    Args:
        network: The student.
        device: PyTorch's name of what it runs on; None takes a GPU if PyTorch has one, else the CPU. A GPU computes
            in half precision, the CPU in float32.

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

    def __init__(self, network: Network, device: str | None = None) -> None:
        self._torch: Any = require("torch", extra="train")
        name = device or ("cuda" if self._torch.cuda.is_available() else "cpu")
        try:
            self._target = self._torch.device(name)
            self._type = self._torch.float32 if self._target.type == "cpu" else self._torch.float16
            self._layers = [self._placed(layer.weight, layer.bias) for layer in network.layers]
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise MissingHardwareError(f"PyTorch can't use {name} ({reason}); use --device cpu.") from error
        self._stride = network.stride

    @property
    def device(self) -> str:
        """The device's name and PyTorch's version."""
        is_gpu = self._target.type == "cuda"
        name = self._torch.cuda.get_device_name(self._target) if is_gpu else str(self._target)
        return f"{name} by PyTorch {self._torch.__version__}"

    def is_ready(self, height: int, width: int, strength: float) -> bool:
        """Always: nothing is compiled; see ``Engine.is_ready``."""
        return True

    def infer(self, frame: Frame, strength: float) -> Frame:
        """Sharpen one frame; see ``Engine.infer``."""
        frames = self._torch.from_numpy(frame[None]).to(self._target)
        sharp: Frame = self.sharpen(frames, strength)[0].cpu().numpy()
        return sharp

    def sharpen(self, frames: Any, strength: float = 1.0) -> Any:
        """Sharpen frames where they are.

        Args:
            frames: A tensor on this engine's device, uint8 (N, H, W, 3) RGB, whose sides the stride divides.
            strength: 0 gives the frames, 1 the network's output, more exaggerates.

        Returns:
            Another tensor like it, on the same device.
        """
        with self._torch.inference_mode():
            levels = frames.permute(0, 3, 1, 2).to(self._type)  # channels last in memory, as convolutions like it
            correction = self._correction(levels / _WHITE, frames.shape)
            total = frames.to(self._type) + (correction if strength == 1 else strength * correction)
            return total.round_().clamp_(0, _WHITE).to(self._torch.uint8)

    def _correction(self, features: Any, shape: tuple[int, ...]) -> Any:
        """What is added to frames, in levels: (N, H, W, 3), or (N, H, W, 1) of a student of luma."""
        count, height, width, _ = shape
        for index, (weight, bias) in enumerate(self._layers):
            stride = self._stride if index == 0 else 1
            margin = (weight.shape[-1] - stride) // 2
            features = self._torch.nn.functional.conv2d(features, weight, bias, stride, margin)
            if index < len(self._layers) - 1:
                features = features.relu_()
        blocks = features.permute(0, 2, 3, 1).unflatten(3, (self._stride, self._stride, -1))
        return blocks.transpose(2, 3).reshape(count, height, width, -1) * _WHITE

    def _placed(self, weight: Any, bias: Any) -> tuple[Any, Any]:
        form = {"device": self._target, "dtype": self._type}
        kernel = self._torch.from_numpy(np.ascontiguousarray(weight)).to(**form)
        return kernel.to(memory_format=self._torch.channels_last), self._torch.from_numpy(bias.copy()).to(**form)
