"""What the C library does with freed memory: a server that runs for weeks wants it to go back."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

# From glibc's malloc.h; other C libraries have no mallopt, or ignore it.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3

_LARGE_BYTES: Final = 2**18
"""Blocks from this size on are mapped: pictures from 640x360 on, and hardly anything else."""
_SPARE_BYTES: Final = 2**20
"""Free memory that stays at the end of each heap: none would cost a system call for many a small block."""


def return_freed_frames() -> None:
    """Let the memory of a freed frame go back to the system at once, in this whole process.

    glibc's own threshold grows to the largest block that was ever freed. Frames then come from heaps, of which there
    are up to eight a CPU, and one small block that lives on keeps all that was freed below it.

    Example:
        >>> return_freed_frames()
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_TRIM_THRESHOLD, _SPARE_BYTES)
