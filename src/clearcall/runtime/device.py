"""Which hardware runs a model: as told, or the fastest at hand, measured once and remembered."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from clearcall.errors import ClearcallError, RecipeError
from clearcall.runtime.compiled import cache_folder, write_atomically
from clearcall.runtime.engine import Engine
from clearcall.runtime.onnx_engine import PROVIDERS
from clearcall.runtime.torch_engine import TORCH, has_torch_gpu

AUTO: Final = "auto"
CPU: Final = "cpu"
DEVICES: Final = (AUTO, CPU, *PROVIDERS, TORCH)
"""``cpu`` is OpenVINO, ``onnxruntime`` ONNX Runtime's own CPU kernels, ``torch`` PyTorch's GPU."""

_BUILDS: Final = {"onnxruntime-gpu": "cuda", "onnxruntime-directml": "directml"}
_FRAME: Final = (720, 1280, 3)
_TRIES: Final = 5


def check_device(name: str) -> None:
    """Refuse an unknown device.

    Raises:
        RecipeError: It isn't one of ``DEVICES``.

    Example:
        >>> check_device("toaster")
        Traceback (most recent call last):
        ...
        clearcall.errors.RecipeError: There is no device toaster; choose one of auto, cpu, onnxruntime, cuda, \
directml, coreml, torch.
    """
    if name not in DEVICES:
        raise RecipeError(f"There is no device {name}; choose one of {', '.join(DEVICES)}.")


def candidates() -> list[str]:
    """The devices that ``auto`` chooses from: the CPU, what an installed build of ONNX Runtime is made for, and
    PyTorch where there is a GPU.

    Nothing is imported for it, so where there is no choice nothing is slower.

    Example:
        >>> candidates()[0]
        'cpu'
    """
    return [CPU, *_providers(), *([TORCH] if has_torch_gpu() else [])]


def _providers() -> list[str]:
    if find_spec("onnxruntime") is None:
        return []
    found = [device for build, device in _BUILDS.items() if _installed(build)]
    if sys.platform == "darwin" and _installed("onnxruntime"):
        found.append("coreml")
    return found


def open_fastest(
    makers: Mapping[str, Callable[[], Engine]], model: str, memory: Path | None = None
) -> tuple[str, Engine]:
    """Open the engine that is fastest at 720p; what was fastest is remembered for this computer and model.

    Args:
        makers: Open an engine, by device; one whose hardware is absent or fails doesn't count.
        model: What tells the model from others, and the way it is run: precision, threads.
        memory: The file that remembers; by default in the user's cache. A damaged one is ignored.

    Returns:
        The device and its engine.

    Raises:
        ClearcallError: None of them opens; the first one's error.
    """
    memory = memory or cache_folder() / "devices.json"
    key = _key(makers, model)
    known = _read(memory)
    if known.get(key) in makers:
        try:
            return known[key], makers[known[key]]()
        except ClearcallError:  # hardware that was there is gone: choose anew
            pass
    device, engine = _measure(makers)
    write_atomically(memory, json.dumps({**known, key: device}, indent=2).encode())
    return device, engine


def _measure(makers: Mapping[str, Callable[[], Engine]]) -> tuple[str, Engine]:
    opened: dict[str, Engine] = {}
    errors: list[ClearcallError] = []
    for device, make in makers.items():
        try:
            opened[device] = make()
        except ClearcallError as error:
            errors.append(error)
    if not opened:
        raise errors[0]
    best = min(opened, key=lambda device: _milliseconds(opened[device]))
    return best, opened[best]


def _milliseconds(engine: Engine) -> float:
    frame = np.zeros(_FRAME, np.uint8)
    times = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        engine.infer(frame, 1.0)
        times.append((time.perf_counter() - started) * 1e3)
    return min(times[1:])


def _key(makers: Mapping[str, object], model: str) -> str:
    builds = [f"{build} {_installed(build)}" for build in ("openvino", "onnxruntime", *_BUILDS, TORCH)]
    parts = (platform.node(), platform.machine(), sorted(makers), builds, model)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _read(memory: Path) -> dict[str, str]:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _installed(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # as slow to import as a model to load

    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
