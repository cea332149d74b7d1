"""clearcall makes video calls over thin links sharp again.

Example:
    >>> import clearcall, numpy as np
    >>> frame = np.zeros((360, 640, 3), np.uint8)
    >>> clearcall.load("small").sharpen(frame, strength=0.8).shape
    (360, 640, 3)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["ClearcallError", "Sharpener", "__version__", "available_models", "load"]

if TYPE_CHECKING:
    from clearcall.errors import ClearcallError
    from clearcall.runtime.loading import available_models, load
    from clearcall.runtime.sharpener import Sharpener


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that ``import clearcall`` stays quick."""
    if name == "ClearcallError":
        from clearcall.errors import ClearcallError

        return ClearcallError
    if name in __all__:
        from clearcall.runtime import loading

        return getattr(loading, name)
    raise AttributeError(f"module 'clearcall' has no attribute {name!r}")
