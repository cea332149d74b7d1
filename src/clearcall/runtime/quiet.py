"""The one door to OpenVINO: opened without its telemetry, which would report every import to its makers."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_TELEMETRY = "openvino_telemetry"


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
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # what makes an import of it fail
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[_TELEMETRY]
