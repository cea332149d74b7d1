"""The engine for computers whose GPU ONNX Runtime knows: CUDA, DirectML, Core ML; and its own CPU kernels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from clearcall.cpus import usable_cpus
from clearcall.errors import BundleError, MissingHardwareError, require
from clearcall.frame import Frame

PROVIDERS: Final = {
    "onnxruntime": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""Names of devices, and what ONNX Runtime calls them."""
_CPU: Final = "CPUExecutionProvider"
_ERRORS_ONLY: Final = 3


class ONNXRuntimeEngine:
    """Runs a bundle's ONNX file by ONNX Runtime.

    Args:
        graph: The bytes of the file.
        device: One of ``PROVIDERS``.
        threads: CPU threads; None uses every core that this process may use.

    Raises:
        MissingExtraError: ONNX Runtime isn't installed.
        MissingHardwareError: The one installed has nothing for this device, or the device doesn't start.
        BundleError: Not a graph that it reads.
    """

    def __init__(self, graph: bytes, device: str = "onnxruntime", *, threads: int | None = None) -> None:
        runtime: Any = require("onnxruntime", extra="onnxruntime")
        provider = PROVIDERS[device]
        if provider not in runtime.get_available_providers():
            raise MissingHardwareError(
                f"The device {device} is not at hand: the installed ONNX Runtime has no {provider}; "
                "install the build of it for this hardware, or use --device cpu."
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cpus()
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session: Any = runtime.InferenceSession(
                graph, options, providers=list(dict.fromkeys([provider, _CPU]))
            )
        except Exception as error:  # ONNX Runtime's errors have no common base of their own
            raise BundleError(f"ONNX Runtime can't run the model's graph ({str(error).splitlines()[0]}).") from error
        if self._session.get_providers()[0] != provider:
            raise MissingHardwareError(f"The device {device} did not start; check its driver, or use --device cpu.")
        self._device = f"{device} by ONNX Runtime {runtime.__version__}"

    @property
    def device(self) -> str:
        """The device's name and ONNX Runtime's version."""
        return self._device

    def is_ready(self, height: int, width: int, strength: float) -> bool:
        """Always: one session serves every size; see ``Engine.is_ready``."""
        return True

    def infer(self, frame: Frame, strength: float) -> Frame:
        """Sharpen one frame; see ``Engine.infer``."""
        sharp: Frame = self._session.run(["sharp"], {"frame": frame[None]})[0][0]
        if strength == 1:
            return sharp
        blended = frame + np.float32(strength) * (sharp.astype(np.float32) - frame)
        rounded: Frame = np.rint(np.clip(blended, 0, 255)).astype(np.uint8)
        return rounded
