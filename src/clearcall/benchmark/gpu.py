"""Times a model in half precision on a GPU, frames on the GPU before and after, beside what the GPU could do at best.

Needs PyTorch, and ONNX to read the weights, but neither OpenVINO nor PyAV: machines with GPUs are often bare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from clearcall.benchmark.gpu_clock import Clock, GPULimits
from clearcall.bundle import bundled_models, read_bundle
from clearcall.errors import BundleError, require
from clearcall.frame import Frame
from clearcall.runtime.folding import Layer, Network
from clearcall.runtime.torch_engine import TorchEngine, Way, has_torch_gpu

BAR: Final = 2.0
"""Milliseconds that a 1920x1080 frame may take: 500 frames a second."""
MODEL: Final = "large"
SHIPS: Final = "recorded"
"""Name of the variant that the engine takes unless told otherwise, as a recorded CUDA graph."""

_FRAMES: Final = 8
_WARM_UP: Final = 10
_COLOURS: Final = 3
_HALF: Final = 2


@dataclass(frozen=True)
class Cost:
    """What one frame costs at least.

    Attributes:
        operations: Of the convolutions.
        moved: Bytes of the frame in and the frame out.
        moved_by_layers: The same, and every packed frame and map between convolutions written once and read once, in
            half precision: what moves if each convolution is a kernel of its own and no cache helps.
    """

    operations: float
    moved: float
    moved_by_layers: float


@dataclass(frozen=True)
class Timing:
    """Milliseconds a frame of one variant.

    Attributes:
        median: Median, of one frame at a time, from its start until the GPU is done.
        p5: 5th percentile.
        p95: 95th percentile.
        queued: Mean of many frames that wait for each other on the GPU alone.
        share: The limit as a share of the median: 1 can't be beaten.
        share_by_layers: The same of the limit that counts what moves between layers.
        is_met: Whether the median meets the bar.
        differing: Share of samples that aren't those of float32 on the CPU.
        furthest: By how many levels at most.
    """

    median: float
    p5: float
    p95: float
    queued: float
    share: float
    share_by_layers: float
    is_met: bool
    differing: float
    furthest: int


@dataclass(frozen=True)
class GPUReport:
    """All variants of one model on one GPU.

    Attributes:
        machine: GPU and versions in a line.
        model: Name of the model.
        size: Width and height of the frames.
        rounds: How often each variant was timed.
        limits: What the GPU can do.
        cost: What a frame costs.
        limit: The least milliseconds by operations, or by the bytes of the frame in and the frame out.
        limit_by_layers: The same, with the bytes that move between layers.
        bar: Milliseconds that the median must not exceed.
        timings: By variant.
        failed: Why a variant could not be timed.
        can_fuse: Whether cuDNN adds the bias and clips within a convolution; if not, no variant does.
    """

    machine: str
    model: str
    size: tuple[int, int]
    rounds: int
    limits: GPULimits
    cost: Cost
    limit: float
    limit_by_layers: float
    bar: float
    timings: Mapping[str, Timing]
    failed: Mapping[str, str]
    can_fuse: bool

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class _Variant:
    """How frames are sharpened: the engine's way, and whether a CUDA graph is recorded."""

    way: Way
    is_recorded: bool

    def ready(self, network: Network, device: str, frames: Any) -> Callable[[Any], Any]:
        engine = TorchEngine(network, device, way=self.way)
        return engine.record(frames) if self.is_recorded else engine.sharpen


def why_no_gpu() -> str:
    """Why nothing can be timed on a GPU here, in words; empty if it can.

    Example:
        >>> isinstance(why_no_gpu(), str)
        True
    """
    if not has_torch_gpu():
        return "there is no GPU's driver, or no PyTorch"
    return "" if require("torch", extra="train").cuda.is_available() else "PyTorch can't use the GPU"


def read_weights(model: str) -> Network:
    """Read a bundled model's weights without OpenVINO.

    Args:
        model: Its name.

    Raises:
        BundleError: No such model, or its graph names its weights otherwise.
        MissingExtraError: ONNX is not installed.

    Example:
        >>> len(read_weights("large").layers)
        4
    """
    models = bundled_models()
    if model not in models:
        raise BundleError(f"There is no model {model}; the bundled ones are {', '.join(models)}.")
    bundle = read_bundle(models[model])
    onnx: Any = require("onnx", extra="train")
    constants = onnx.load_from_string(bundle.graph("float32")).graph.initializer
    found = {constant.name: onnx.numpy_helper.to_array(constant) for constant in constants}
    count = sum(name.startswith("weight") for name in found)
    try:
        layers = tuple(Layer(found[f"weight{index}"], found[f"bias{index}"]) for index in range(count))
    except KeyError as error:
        raise BundleError(f"The graph of {model} has no {error.args[0]}; export it again.") from None
    return Network(bundle.card.multiple_of, layers)


def bench_gpu(
    model: str = MODEL,
    *,
    device: str = "cuda",
    size: tuple[int, int] = (1920, 1080),
    rounds: int = 200,
    variants: Sequence[str] | None = None,
    modes: Sequence[str] = (),
) -> GPUReport:
    """Time a model's variants in turns.

    Args:
        model: Name of a bundled model.
        device: PyTorch's name of the GPU, or ``cpu`` to go the same way without one.
        size: Width and height of the frames, which the model's stride must divide.
        rounds: How often each variant is timed, after a few times that don't count.
        variants: Names of those to time; None takes all.
        modes: Modes of ``torch.compile`` to time, too.

    Raises:
        BundleError: No such model.
        MissingExtraError: PyTorch or ONNX is not installed.
        MissingHardwareError: PyTorch can't use the device.

    Example:
        >>> bench_gpu("nano", device="cpu", size=(64, 36), rounds=2, variants=["recorded"]).timings.keys()
        dict_keys(['recorded'])
    """
    network = read_weights(model)
    reference, engine = TorchEngine(network, "cpu"), TorchEngine(network, device)
    clock = Clock(device)
    pictures = list(_pictures(size))
    frames = [clock.placed(picture) for picture in pictures]
    expected = reference.infer(pictures[-1], 1.0)  # not the one that is recorded
    wanted = {name: variant for name, variant in _variants(modes).items() if variants is None or name in variants}
    ready, failed = _ready(wanted, network, device, frames[0])
    limits, cost = clock.limits(), cost_of(network, size)
    least = limits.milliseconds(cost.operations, cost.moved)
    least_by_layers = limits.milliseconds(cost.operations, cost.moved_by_layers)
    times = _in_turns(ready, frames, rounds, clock)
    timings = {
        name: _timing(
            times[name], clock.queued(run, frames), _difference(run(frames[-1]), expected), (least, least_by_layers)
        )
        for name, run in ready.items()
    }
    return GPUReport(
        machine=f"{engine.device}{clock.versions()}",
        model=model,
        size=size,
        rounds=rounds,
        limits=limits,
        cost=cost,
        limit=least,
        limit_by_layers=least_by_layers,
        bar=BAR,
        timings=timings,
        failed=failed,
        can_fuse=engine.way.fused,
    )


def cost_of(network: Network, size: tuple[int, int]) -> Cost:
    """Count what one frame costs.

    Args:
        network: The student.
        size: Width and height.

    Example:
        >>> cost_of(read_weights("large"), (1920, 1080)).operations / 1e9
        90.7739136
    """
    pixels, blocks = size[0] * size[1], size[0] * size[1] // network.stride**2
    maps = network.stride**2 * _COLOURS + sum(layer.bias.size for layer in network.layers)
    moved = 2 * _COLOURS * pixels
    weights = sum(layer.weight.size for layer in network.layers)
    return Cost(2.0 * weights * blocks, moved, moved + 2 * _HALF * maps * blocks)


def _variants(modes: Sequence[str]) -> dict[str, _Variant]:
    plain, searched = Way(fused=False), Way(fused=False, searched=True)
    variants = {
        SHIPS: _Variant(Way(), is_recorded=True),
        "at once": _Variant(Way(), is_recorded=False),
        "recorded, searched": _Variant(Way(searched=True), is_recorded=True),
        "recorded, not fused": _Variant(plain, is_recorded=True),
        "at once, not fused": _Variant(plain, is_recorded=False),
        "recorded, not fused, searched": _Variant(searched, is_recorded=True),
    }
    for mode in modes:
        variants[f"recorded, compiled ({mode})"] = _Variant(Way(searched=True, compiled=mode), is_recorded=True)
    return variants


def _ready(
    variants: Mapping[str, _Variant], network: Network, device: str, frames: Any
) -> tuple[dict[str, Callable[[Any], Any]], dict[str, str]]:
    ready, failed = {}, {}
    for name, variant in variants.items():
        try:
            ready[name] = variant.ready(network, device, frames)
            ready[name](frames)
        except Exception as error:  # compilers and drivers raise what they like; the other variants are timed
            ready.pop(name, None)
            failed[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    return ready, failed


def _pictures(size: tuple[int, int]) -> Iterator[Frame]:
    """Different frames with detail; what is in them decides how much power, and so how fast, a GPU computes."""
    rng = np.random.default_rng(0)
    width, height = size
    for _ in range(_FRAMES):
        slopes = np.add.outer(np.linspace(40, 120, height), np.linspace(0, 90, width))[..., None]
        yield np.clip(slopes + rng.normal(0, 12, (height, width, _COLOURS)), 0, 255).astype(np.uint8)


def _difference(found: Any, expected: Frame) -> tuple[float, int]:
    apart = np.abs(found[0].cpu().numpy().astype(int) - expected)
    return float((apart > 0).mean()), int(apart.max())


def _in_turns(
    ready: Mapping[str, Callable[[Any], Any]], frames: Sequence[Any], rounds: int, clock: Clock
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ready}
    for number in range(rounds + _WARM_UP):
        for name, run in ready.items():
            times[name].append(clock.milliseconds(partial(run, frames[number % len(frames)])))
    return {name: values[_WARM_UP:] for name, values in times.items()}


def _timing(
    times: Sequence[float], queued: float, difference: tuple[float, int], limits: tuple[float, float]
) -> Timing:
    p5, median, p95 = (float(value) for value in np.percentile(times, (5, 50, 95)))
    share, by_layers = (round(limit / median, 3) for limit in limits)
    differing, furthest = difference
    return Timing(
        round(median, 4),
        round(p5, 4),
        round(p95, 4),
        round(queued, 4),
        share,
        by_layers,
        is_met=median <= BAR,
        differing=differing,
        furthest=furthest,
    )
