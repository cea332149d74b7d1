"""The one door to OpenVINO: opened without its telemetry, which would report every import to its makers, and without
its converter, which a program that only runs models would load for nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_TELEMETRY = "openvino_telemetry"
_CONVERTER = "openvino.tools.ovc"


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
