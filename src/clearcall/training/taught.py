"""A teacher's outputs on disk: computed once for each window, and again when anything they depend on changes."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clearcall.errors import RecipeError
from clearcall.frame import Frame
from clearcall.training.windows import Window, WindowSource

DIGEST_BYTES = 32
SUFFIX = ".taught"


@dataclass
class TaughtWindows:
    """Windows with a third picture: what the teacher makes of the degraded one.

    A file is named by the SHA-256 of the teacher's fingerprint and the degraded pixels, so a change of the teacher, of
    a picture, of the link or of the window is never answered by an old file; and it begins with the SHA-256 of what
    it holds, so a damaged one is made again.

    Attributes:
        source: The windows.
        restore: The teacher: uint8 HWC RGB in and out.
        fingerprint: Names the teacher's architecture and weights.
        folder: Where the files are.
        limit: Most bytes that the folder may hold; windows beyond it are computed each time.

    Example:
        >>> import tempfile
        >>> from clearcall.training.windows import Window
        >>> class One:
        ...     def __len__(self): return 1
        ...     def window(self, item): return np.zeros((2, 4, 4, 3), np.uint8)
        >>> with tempfile.TemporaryDirectory() as place:
        ...     taught = TaughtWindows(One(), lambda frame: frame + 9, "plus nine", Path(place), limit=10_000)
        ...     taught.window(0)[:, 0, 0, 0].tolist(), len(list(Path(place).iterdir()))
        ([0, 0, 9], 1)
    """

    source: WindowSource
    restore: Callable[[Frame], Frame]
    fingerprint: str
    folder: Path
    limit: int
    _held: int | None = field(default=None, init=False)

    def __len__(self) -> int:
        return len(self.source)

    def window(self, item: int) -> Window:
        """Window ``item`` as (3, H, W, 3): degraded, sharp, taught."""
        window = self.source.window(item)
        return np.concatenate([window, self._taught(window[0])[None]])

    def _taught(self, degraded: Frame) -> Frame:
        key = hashlib.sha256(self.fingerprint.encode() + str(degraded.shape).encode() + degraded.tobytes()).hexdigest()
        path = self.folder / f"{key[:40]}{SUFFIX}"
        found = _read(path)
        if found is None or found.shape != degraded.shape:
            found = self.restore(np.ascontiguousarray(degraded))
            self._keep(path, found)
        return found

    def _keep(self, path: Path, taught: Frame) -> None:
        content = io.BytesIO()
        np.save(content, taught)
        payload = content.getvalue()
        if self._held is None:
            self._held = _bytes_in(self.folder)
        if self._held + len(payload) > self.limit:
            return
        self._held += len(payload) + DIGEST_BYTES
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        unfinished.write_bytes(hashlib.sha256(payload).digest() + payload)
        unfinished.replace(path)


def _bytes_in(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f"The folder distillation.cache, {folder}, can't be made: {error.strerror}.") from error
    return sum(path.stat().st_size for path in folder.glob(f"*{SUFFIX}"))


def _read(path: Path) -> Frame | None:
    """The frame in a file, or None where there is none, or a damaged one."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        return None
    frame: Frame = np.load(io.BytesIO(payload), allow_pickle=False)
    return frame
