"""The one door to OpenVINO: opened without its telemetry, which would report every import to its makers, without its
converter, which a program that only runs models would load for nothing, and with one core for all models."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import ModuleType
from typing import Any

_TELEMETRY = "openvino_telemetry"
_CONVERTER = "openvino.tools.ovc"
_MAKING = Lock()
_cores: dict[int, Any] = {}
"""By process, since a fork has none of the threads of its parent's core."""


def load_openvino() -> ModuleType:
    """Import OpenVINO so that it finds no telemetry package and takes its own stand-in that sends nothing.

    Returns:
        The module ``openvino``.

    Example:
        >>> load_openvino().__name__
        'openvino'
    """
    if "openvino" in sys.modules or _TELEMETRY in sys.modules:
        return importlib.import_module("openvino")
    with _absent(_TELEMETRY), _absent(_CONVERTER):
        openvino = importlib.import_module("openvino")
    if not hasattr(openvino, "convert_model"):
        openvino.__getattr__ = _convert_model  # type: ignore[method-assign]  # for others in this program who need it
    return openvino


def openvino_core() -> Any:
    """Give the one ``openvino.Core`` of this process, which stays until the process ends.

    Each core's CPU plugin puts a signal stack of its own under the thread that needed it first, and takes it away with
    the last of its models, so of several cores one may leave a thread with the stack of another that is gone. Python
    handles signals there: the next Ctrl-C would crash the process.

    Returns:
        The core; models are read, compiled and imported by it.

    Example:
        >>> openvino_core() is openvino_core()
        True
    """
    with _MAKING:
        if os.getpid() not in _cores:
            _cores[os.getpid()] = load_openvino().Core()
        return _cores[os.getpid()]


@contextmanager
def _absent(module: str) -> Iterator[None]:
    """Make imports of a module fail."""
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def _convert_model(name: str) -> Any:
    """What OpenVINO's module says to ``convert_model``: the converter is loaded when someone asks for it."""
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")
    if _TELEMETRY in sys.modules:
        return importlib.import_module(_CONVERTER).convert_model
    with _absent(_TELEMETRY):
        return importlib.import_module(_CONVERTER).convert_model
