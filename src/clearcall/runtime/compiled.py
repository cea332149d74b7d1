"""Compiled graphs on disk, so that a program's first frame needn't wait for a compiler."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_KEPT: Final = 32
_DIGEST_BYTES: Final = 32
_SUFFIX: Final = ".blob"


def cache_folder() -> Path:
    """Where this user's programs keep what can be made again; ``CLEARCALL_CACHE`` names another place.

    Example:
        >>> cache_folder().name
        'clearcall'
    """
    if chosen := os.environ.get("CLEARCALL_CACHE"):
        return Path(chosen) / "clearcall"
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "clearcall"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "clearcall"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "clearcall"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file of the cache beside its place and move it there; a cache that can't be written is done without.

    Args:
        path: Where to; its folder is made if need be.
        content: What to write.
    """
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        number, unfinished = tempfile.mkstemp(prefix=f".{path.stem}-", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
            Path(unfinished).replace(path)
        finally:
            Path(unfinished).unlink(missing_ok=True)


class CompiledGraphs:
    """Compiled graphs in a folder; the ones not used for longest make room for new ones.

    A file that is damaged counts as missing. What a graph depends on (itself, its size, the engine's version and
    settings, the CPU) is in its key, so a change of any of them finds nothing.

    Args:
        folder: Where they are; by default in the user's cache.

    Example:
        >>> graphs = CompiledGraphs(Path(tempfile.mkdtemp()))
        >>> graphs.put(("graph", 1080), b"compiled")
        >>> graphs.get(("graph", 1080)), graphs.get(("graph", 720))
        (b'compiled', None)
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder() / "compiled"

    def get(self, key: Sequence[object]) -> bytes | None:
        """Read a compiled graph, or None where there is no whole one.

        Args:
            key: What the graph depends on.
        """
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        blob = content[_DIGEST_BYTES:]
        return blob if hashlib.sha256(blob).digest() == content[:_DIGEST_BYTES] else None

    def put(self, key: Sequence[object], blob: bytes) -> None:
        """Keep a compiled graph.

        Args:
            key: What the graph depends on.
            blob: The compiled graph.
        """
        write_atomically(self._path(key), hashlib.sha256(blob).digest() + blob)
        with suppress(OSError):
            by_age = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
            for path in by_age[:-_KEPT]:
                path.unlink(missing_ok=True)

    def drop(self, key: Sequence[object]) -> None:
        """Forget a compiled graph that turned out not to be usable.

        Args:
            key: What the graph depends on.
        """
        with suppress(OSError):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: Sequence[object]) -> Path:
        return self._folder / f"{hashlib.sha256(repr(tuple(key)).encode()).hexdigest()[:40]}{_SUFFIX}"
