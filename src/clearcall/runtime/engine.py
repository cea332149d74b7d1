"""Engines run a bundle's graph on frames; each is one small class behind the same protocol."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from clearcall.cpus import usable_cpus
from clearcall.errors import BundleError
from clearcall.frame import Frame
from clearcall.runtime.compiled import CompiledGraphs
from clearcall.runtime.int8_ops import AS_SHARP
from clearcall.runtime.quiet import load_openvino, openvino_core
from clearcall.runtime.rows_graph import by_rows

if TYPE_CHECKING:
    import openvino as ov

_COLOURS: Final = 3
_LAYOUT: Final = 2
"""Changes when the same graph would be laid out otherwise, so that older compiled graphs aren't used."""
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


class Graph(Protocol):
    """Something to compile; what it is, is known before it is made."""

    @property
    def digest(self) -> str:
        """Differs wherever the graph differs."""
        ...

    def model(self) -> ov.Model:
        """Make the graph: ``frame``, uint8 (1, H, W, C), to ``sharp`` of the same shape and type."""
        ...

    def sized(self, height: int, width: int) -> ov.Model:
        """Make the graph for frames of one size, laid out as is fastest for it.

        Its result has as many bytes as the frame; where its shape is another, the graph has a second input,
        ``AS_SHARP``: the frame's bytes in the shape of the result.
        """
        ...


class ONNXGraph:
    """The graph in a bundle's ONNX file.

    Args:
        content: The bytes of the file.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._model: ov.Model | None = None
        self.digest = hashlib.sha256(content).hexdigest()

    def model(self) -> ov.Model:
        """Read the file.

        Raises:
            BundleError: Not a graph that OpenVINO reads, or weights that aren't finite.
        """
        if self._model is None:
            self._model = self._read()
        return self._model

    def sized(self, height: int, width: int) -> ov.Model:
        """The graph for frames of one size; see ``Graph.sized``."""
        laid_out = by_rows(self.model(), height, width)
        if laid_out is not None:
            return laid_out
        model = self.model().clone()
        model.reshape({"frame": [1, height, width, _COLOURS]})
        return model

    def _read(self) -> ov.Model:
        try:
            model = openvino_core().read_model(self._content)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise BundleError(f"The model's graph can't be read ({reason}); export it again.") from error
        _check_weights(model)
        return model


class OpenVINOEngine:
    """Runs a graph on the CPU by OpenVINO.

    Args:
        graph: The bytes of a bundle's ONNX file, or another graph.
        threads: Threads for one frame; None uses every core that this process may use.
        compiled: Where compiled graphs are kept between programs; None keeps none.

    Raises:
        BundleError: Not a graph that OpenVINO reads, or weights that aren't finite.
    """

    def __init__(
        self, graph: bytes | Graph, *, threads: int | None = None, compiled: CompiledGraphs | None = None
    ) -> None:
        ov = load_openvino()

        self._core = openvino_core()
        self._settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads or usable_cpus(),
            # By default its threads are bound to the first CPUs: those of every other model, and of other programs.
            "ENABLE_CPU_PINNING": False,
            # CPUs that have bfloat16 would use it between the 8-bit layers: no faster, and off by a level.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._graph: Graph = ONNXGraph(graph) if isinstance(graph, bytes) else graph
        self._stored = compiled
        self._checked = (self._graph.digest, ov.__version__)
        if compiled is None or compiled.get(self._checked) is None:
            with _BUILDING:
                self._graph.model()
            if compiled is not None:
                compiled.put(self._checked, b"")
        self._compiled: OrderedDict[tuple[int, int, bool], _Requests] = OrderedDict()
        self._lock = Lock()

    @property
    def device(self) -> str:
        """The CPU's name."""
        return str(self._core.get_property("CPU", "FULL_DEVICE_NAME"))

    def is_ready(self, height: int, width: int, strength: float) -> bool:
        """Whether the graph is compiled for this size; see ``Engine.is_ready``."""
        return (height, width, strength != 1) in self._compiled

    def infer(self, frame: Frame, strength: float, out: Frame | None = None) -> Frame:
        """Sharpen one frame, into ``out`` if that is given; see ``Engine.infer``."""
        requests = self._requests(*frame.shape, blended=strength != 1)
        sharp = np.empty_like(frame) if out is None else out
        inputs: dict[str, Any] = {"frame": frame[None]}
        if strength != 1:
            inputs["strength"] = np.float32(strength)
        requests.run(inputs, sharp[None])
        return sharp

    def _requests(self, height: int, width: int, channels: int, *, blended: bool) -> _Requests:
        key = (height, width, blended)
        with self._lock:
            if key in self._compiled:
                self._compiled.move_to_end(key)
                return self._compiled[key]
        with _BUILDING:  # frames of other sizes are sharpened meanwhile
            requests = self._compiled.get(key) or _Requests(self._compile(height, width, channels, blended=blended))
        with self._lock:
            self._compiled[key] = requests
            if len(self._compiled) > SIZES_KEPT:
                self._compiled.popitem(last=False)
        return requests

    def _compile(self, height: int, width: int, channels: int, *, blended: bool) -> ov.CompiledModel:
        shape = [1, height, width, channels]
        key = (_LAYOUT, *self._checked, shape, blended, sorted(self._settings.items()), self.device)
        stored = None if self._stored is None else self._stored.get(key)
        if self._stored is not None and stored is not None:
            try:
                return self._core.import_model(stored, "CPU", self._settings)
            except RuntimeError:  # whole, but not what this engine can use
                self._stored.drop(key)
        model = self._graph.sized(height, width)
        if blended:
            _add_strength(model)
        compiled = self._core.compile_model(model, "CPU", self._settings)
        if self._stored is not None:
            self._stored.put(key, compiled.export_model().getvalue())
        return compiled


class _Requests:
    """Inference requests of one compiled graph; each is used by one thread at a time."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._compiled = compiled
        names = {name for each in compiled.inputs for name in each.get_names()}
        self._result = tuple(compiled.output(0).shape) if AS_SHARP in names else None
        self._idle: SimpleQueue[ov.InferRequest] = SimpleQueue()

    def run(self, inputs: dict[str, Any], output: Frame) -> None:
        """Run the graph; the result is written into ``output``."""
        ov = load_openvino()

        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        if self._result is not None:
            inputs[AS_SHARP] = inputs["frame"].reshape(self._result)
            output = output.reshape(self._result)
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
    same_shape = AS_SHARP if len(model.inputs) > 1 else "frame"
    frame = ops.convert(model.input(same_shape).get_node(), "f32")
    result = model.get_results()[0]
    sharp = ops.convert(result.input_value(0), "f32")
    blended = ops.add(frame, ops.multiply(strength, ops.subtract(sharp, frame)))
    rounded = ops.round(ops.clamp(blended, 0.0, 255.0), "half_to_even")
    result.input(0).replace_source_output(ops.convert(rounded, "u8").output(0))
    model.add_parameters([strength])
    model.validate_nodes_and_infer_types()
