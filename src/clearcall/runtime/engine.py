"""Engines run a bundle's graph on frames; each is one small class behind the same protocol."""

from __future__ import annotations

import os
from collections import OrderedDict
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from clearcall.errors import BundleError
from clearcall.frame import Frame
from clearcall.runtime.quiet import load_openvino

if TYPE_CHECKING:
    import openvino as ov

SIZES_KEPT = 4
"""Frame sizes whose compiled graphs are kept; one more evicts the one not used for longest."""


_BUILDING = Lock()
"""Graphs are read, checked and compiled by one thread at a time: OpenVINO and Python wait for each other otherwise
(seen with three threads that load a model at once)."""


class Engine(Protocol):
    """Runs a graph on one frame at a time, from any thread."""

    @property
    def device(self) -> str:
        """The hardware in words."""
        ...

    def is_ready(self, height: int, width: int, strength: float) -> bool:
        """Whether frames of this size are sharpened at once, without compiling the graph first."""
        ...

    def infer(self, frame: Frame, strength: float) -> Frame:
        """Sharpen a frame whose sides the model's ``multiple_of`` divides.

        Args:
            frame: uint8 HWC RGB, contiguous.
            strength: 0 gives the frame, 1 the network's output, more exaggerates.
        """
        ...


class OpenVINOEngine:
    """Runs an ONNX graph on the CPU by OpenVINO.

    Args:
        graph: The bytes of a bundle's ONNX file.
        threads: Threads for one frame; None uses every core that this process may use.

    Raises:
        BundleError: Not a graph that OpenVINO reads, or weights that aren't finite.
    """

    def __init__(self, graph: bytes, *, threads: int | None = None) -> None:
        ov = load_openvino()

        self._core = ov.Core()
        self._settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads or len(os.sched_getaffinity(0)),
            # CPUs that have bfloat16 would use it between the 8-bit layers: no faster, and off by a level.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        with _BUILDING:
            try:
                self._model = self._core.read_model(graph)
            except RuntimeError as error:
                raise BundleError(
                    f"The model's graph can't be read ({str(error).splitlines()[0]}); export it again."
                ) from error
            _check_weights(self._model)
        self._compiled: OrderedDict[tuple[int, int, bool], _Requests] = OrderedDict()
        self._lock = Lock()

    @property
    def device(self) -> str:
        """The CPU's name."""
        return str(self._core.get_property("CPU", "FULL_DEVICE_NAME"))

    def is_ready(self, height: int, width: int, strength: float) -> bool:
        """Whether the graph is compiled for this size; see ``Engine.is_ready``."""
        return (height, width, strength != 1) in self._compiled

    def infer(self, frame: Frame, strength: float) -> Frame:
        """Sharpen one frame; see ``Engine.infer``."""
        requests = self._requests(*frame.shape[:2], blended=strength != 1)
        sharp = np.empty_like(frame)
        inputs: dict[str, Any] = {"frame": frame[None]}
        if strength != 1:
            inputs["strength"] = np.float32(strength)
        requests.run(inputs, sharp[None])
        return sharp

    def _requests(self, height: int, width: int, *, blended: bool) -> _Requests:
        key = (height, width, blended)
        with self._lock:
            if key in self._compiled:
                self._compiled.move_to_end(key)
                return self._compiled[key]
        with _BUILDING:  # frames of other sizes are sharpened meanwhile
            requests = self._compiled.get(key) or self._compile(*key)
        with self._lock:
            self._compiled[key] = requests
            if len(self._compiled) > SIZES_KEPT:
                self._compiled.popitem(last=False)
        return requests

    def _compile(self, height: int, width: int, blended: bool) -> _Requests:
        model = self._model.clone()
        model.reshape({"frame": [1, height, width, 3]})
        if blended:
            _add_strength(model)
        return _Requests(self._core.compile_model(model, "CPU", self._settings))


class _Requests:
    """Inference requests of one compiled graph; each is used by one thread at a time."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._compiled = compiled
        self._idle: SimpleQueue[ov.InferRequest] = SimpleQueue()

    def run(self, inputs: dict[str, Any], output: Frame) -> None:
        """Run the graph; the result is written into ``output``."""
        ov = load_openvino()

        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        request.set_output_tensor(ov.Tensor(output, shared_memory=True))
        request.infer(inputs, share_inputs=True, share_outputs=True)
        self._idle.put(request)


def _check_weights(model: ov.Model) -> None:
    for operation in model.get_ops():
        if operation.get_type_name() == "Constant" and not np.isfinite(np.asarray(operation.data)).all():
            raise BundleError(
                f"The weights ({operation.get_friendly_name()}) are not finite; export an earlier checkpoint."
            )


def _add_strength(model: ov.Model) -> None:
    """Blend the graph's output with its input by a new input, ``strength``."""
    ops = load_openvino().opset13

    strength = ops.parameter([], np.float32, name="strength")
    strength.output(0).set_names({"strength"})
    frame = ops.convert(model.input("frame").get_node(), "f32")
    result = model.get_results()[0]
    sharp = ops.convert(result.input_value(0), "f32")
    blended = ops.add(frame, ops.multiply(strength, ops.subtract(sharp, frame)))
    rounded = ops.round(ops.clamp(blended, 0.0, 255.0), "half_to_even")
    result.input(0).replace_source_output(ops.convert(rounded, "u8").output(0))
    model.add_parameters([strength])
    model.validate_nodes_and_infer_types()
