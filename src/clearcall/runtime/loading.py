"""Loads models: by name or folder, on the hardware that is asked for or at hand."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from clearcall.bundle import Bundle, Precision, bundle_path, bundled_models, read_bundle
from clearcall.cpus import usable_cpus
from clearcall.errors import BundleError
from clearcall.runtime.compiled import CompiledGraphs
from clearcall.runtime.device import AUTO, CPU, candidates, check_device, open_fastest
from clearcall.runtime.engine import Engine, Graph, ONNXGraph, OpenVINOEngine
from clearcall.runtime.experts import ExpertSharpener, check_choices
from clearcall.runtime.gate import Gate
from clearcall.runtime.onnx_engine import ONNXRuntimeEngine
from clearcall.runtime.packed_graph import read_network
from clearcall.runtime.sharpener import Sharpener
from clearcall.runtime.torch_engine import TORCH, TorchEngine
from clearcall.runtime.yuv import Idle, PlaneSharpener, no_idle


def available_models() -> list[str]:
    """Names of the models that ship with clearcall.

    Example:
        >>> "small" in available_models()
        True
    """
    return list(bundled_models())


def load(
    model: str | Path = "small",
    *,
    threads: int | None = None,
    precision: Precision = "int8",
    device: str = AUTO,
) -> Sharpener:
    """Load a model.

    Args:
        model: Name of a bundled model, or the folder of a bundle.
        threads: CPU threads for one frame; None uses every core that this process may use.
        precision: ``int8`` is fast; ``float32`` is the reference that it was made from. GPUs always take the latter.
        device: ``cpu`` (OpenVINO); ``cuda``, ``directml``, ``coreml`` or ``onnxruntime`` (its own CPU kernels), all by
            ONNX Runtime; ``torch`` (PyTorch's GPU, in half precision); or ``auto``, the fastest at hand, measured
            once and remembered.

    Raises:
        BundleError: No such model (the nearest name is given), or a bundle that is damaged.
        RecipeError: No such device.
        MissingHardwareError: The device is not at hand.
        MissingExtraError: The device needs ONNX Runtime or PyTorch, which is not installed.

    Example:
        >>> load("small").name
        'small'
    """
    check_device(device)
    bundle, idle = find_bundle(model), no_idle()
    helper = ThreadPoolExecutor(1, "clearcall-packing") if (threads or usable_cpus()) > 1 else None
    opener = _Opener(bundle.without_experts(), precision, threads, idle, helper)
    devices = candidates() if device == AUTO else [device]
    if len(devices) > 1:
        makers = {name: partial(opener.open, name) for name in devices}
        device, engine = open_fastest(makers, repr((bundle.card.graphs, precision, threads)))
    else:
        [device] = devices
        engine = opener.open(device)
    if not bundle.card.experts:
        return Sharpener(bundle, engine, opener.planes(engine))
    gate = Gate.read(bundle.gate())
    check_choices(gate, bundle)

    def open_expert(name: str) -> Sharpener:
        alone = bundle.expert(name)
        opener = _Opener(alone, precision, threads, idle, helper)
        engine = opener.open(device)
        return Sharpener(alone, engine, opener.planes(engine))

    general = bundle.without_experts()
    return ExpertSharpener(general, engine, opener.planes(engine), gate=gate, open_expert=open_expert)


class _Opener:
    """Opens engines of one set of weights."""

    def __init__(
        self, bundle: Bundle, precision: Precision, threads: int | None, idle: Idle, helper: Executor | None
    ) -> None:
        self._bundle = bundle
        self._precision = precision
        self._threads = threads
        self._compiled = CompiledGraphs()
        self._idle = idle
        self._helper = helper

    def planes(self, engine: Engine) -> PlaneSharpener | None:
        if not isinstance(engine, OpenVINOEngine):
            return None
        return PlaneSharpener(self._bundle, self._precision, self.openvino, self._idle, self._helper)

    def openvino(self, graph: bytes | Graph) -> OpenVINOEngine:
        return OpenVINOEngine(graph, threads=self._threads, compiled=self._compiled)

    def open(self, device: str) -> Engine:
        if device == CPU:
            return self.openvino(self._bundle.graph(self._precision))
        if device == TORCH:
            model = ONNXGraph(self._bundle.graph("float32")).model()
            return TorchEngine(read_network(model, self._bundle.card.multiple_of))
        precision: Precision = self._precision if device == "onnxruntime" else "float32"
        return ONNXRuntimeEngine(self._bundle.graph(precision), device, threads=self._threads)


def find_bundle(model: str | Path) -> Bundle:
    """Read a bundle, without loading it into an engine.

    Args:
        model: Name of a bundled model, or the folder of a bundle.

    Raises:
        BundleError: No such model, or a bundle that is damaged.

    Example:
        >>> find_bundle("small").card.name
        'small'
    """
    return read_bundle(_bundle_folder(model))


def _bundle_folder(model: str | Path) -> Path:
    folder = bundle_path(model)
    if folder.is_dir():
        return folder
    bundled = bundled_models()
    nearest = get_close_matches(str(model), bundled, n=1, cutoff=0.0)
    hint = f"; the nearest is {nearest[0]}" if nearest else ""
    raise BundleError(f"There is no model {model}: neither a folder nor one of {', '.join(bundled) or 'none'}{hint}.")
