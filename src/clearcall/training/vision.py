"""The only door to torchvision, and to spandrel, which imports it."""

from __future__ import annotations

import sys
from types import ModuleType

import torch

from clearcall.errors import require

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_library: torch.library.Library | None = None


def load_torchvision() -> ModuleType:
    """Import torchvision, also where its compiled operators don't load.

    Its wheel expects the CUDA build of PyTorch; beside the CPU-only one the import stops at operators that nothing
    here calls. Then their schemas are defined, without code, and the import is tried again.

    Raises:
        MissingExtraError: torchvision isn't installed.

    Example:
        >>> load_torchvision().__name__
        'torchvision'
    """
    try:
        return require("torchvision", extra="train")
    except RuntimeError as error:
        if _library is not None or "torchvision::" not in str(error):
            raise
    _define_operators()
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    return require("torchvision", extra="train")


def load_spandrel() -> ModuleType:
    """Import spandrel, which recognises and builds restoration networks from their weights.

    Raises:
        MissingExtraError: spandrel or torchvision isn't installed.

    Example:
        >>> "NAFNet" in load_spandrel().MAIN_REGISTRY
        True
    """
    load_torchvision()
    return require("spandrel", extra="train")


def _define_operators() -> None:
    global _library  # noqa: PLW0603  # the schemas live as long as this object
    _library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        _library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
