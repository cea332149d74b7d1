"""The models of a live stream: loaded and compiled in the background, so that no frame waits for them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Thread
from typing import Final, Protocol

from clearcall.runtime.video import SharpensFrames

_CLOSE_SECONDS: Final = 10.0


class SharpensLive(SharpensFrames, Protocol):
    """What is needed of a sharpener here."""

    def is_ready(self, width: int, height: int, strength: float = ...) -> bool:
        """Whether frames of a size are sharpened at once."""

    def prepare(self, width: int, height: int, strength: float = ...) -> None:
        """Get ready for frames of a size, however long it takes."""


class Shelf:
    """Keeps models at hand, and gets one ready at a time in a thread of its own.

    Args:
        load: Loads a model by name.

    Example:
        >>> from clearcall.runtime.sharpener import load
        >>> shelf = Shelf(load)
        >>> shelf.find("small", (64, 36), 1.0) is None
        True
        >>> shelf.find("small", (64, 36), 1.0, wait=True).name
        'small'
    """

    def __init__(self, load: Callable[[str], SharpensLive]) -> None:
        self._load = load
        self._loaded: dict[str, SharpensLive] = {}
        self._failed: dict[str, Exception] = {}
        self._work: Thread | None = None

    def find(self, name: str, size: tuple[int, int], strength: float, *, wait: bool = False) -> SharpensLive | None:
        """Fetch a model that can sharpen frames of a size at once; otherwise begin to get it ready.

        Args:
            name: What ``load`` understands.
            size: Width and height.
            strength: As for ``Sharpener.sharpen``.
            wait: Whether to wait until it is ready.

        Returns:
            The model; None while it is being loaded or compiled.

        Raises:
            Exception: What loading or compiling it raised; the next call tries again.
        """
        while True:
            if name in self._failed:
                raise self._failed.pop(name)
            model = self._loaded.get(name)
            if model is not None and model.is_ready(*size, strength):
                return model
            if self._work is None or not self._work.is_alive():
                self._begin(name, size, strength)
            if not wait:
                return None
            self._join()

    def keep(self, names: Collection[str]) -> None:
        """Let go of all models but these."""
        for name in [name for name in self._loaded if name not in names]:
            del self._loaded[name]

    def close(self) -> None:
        """Wait for the thread, if one is at work."""
        if self._work is not None:
            self._work.join(_CLOSE_SECONDS)

    def _join(self) -> None:
        if self._work is not None:
            self._work.join()

    def _begin(self, name: str, size: tuple[int, int], strength: float) -> None:
        self._work = Thread(target=self._prepare, args=(name, size, strength), name="clearcall-shelf", daemon=True)
        self._work.start()

    def _prepare(self, name: str, size: tuple[int, int], strength: float) -> None:
        try:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            self._loaded[name].prepare(*size, strength)
        except Exception as error:  # raised by the next ``find``, in the stream's thread
            self._failed[name] = error
