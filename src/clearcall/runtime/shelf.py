"""The models of a live stream: loaded and compiled in the background, so that no frame waits for them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Thread
from typing import Final, Protocol, runtime_checkable

from clearcall.media.colour import Colours
from clearcall.runtime.gate import GENERAL, SMALLEST_SIDE, Gate, Steady, measures
from clearcall.runtime.pixels import Pixels, Shape, SharpensPixels, luma_of

_CLOSE_SECONDS: Final = 10.0


class SharpensLive(SharpensPixels, Protocol):
    """What is needed of a sharpener here."""

    def is_ready(self, width: int, height: int, strength: float = ..., *, colours: Colours | None = ...) -> bool:
        """Whether frames of a size (RGB, or planes of some colours) are sharpened at once."""

    def prepare(self, width: int, height: int, strength: float = ..., *, colours: Colours | None = ...) -> None:
        """Get ready for such frames, however long it takes."""


@runtime_checkable
class HasExperts(SharpensLive, Protocol):
    """A model with other weights for other frames."""

    gate: Gate

    def opened(self, name: str) -> SharpensLive | None:
        """One of the gate's choices; None while it isn't loaded."""

    def expert(self, name: str) -> SharpensLive:
        """The same, loaded if need be."""


class Shelf:
    """Keeps models at hand, and gets one ready at a time in a thread of its own.

    Args:
        load: Loads a model by name.

    Example:
        >>> from clearcall.runtime.loading import load
        >>> shelf = Shelf(load)
        >>> shelf.find("small", Shape(64, 36), 1.0) is None
        True
        >>> shelf.find("small", Shape(64, 36), 1.0, wait=True).name
        'small'
    """

    def __init__(self, load: Callable[[str], SharpensLive]) -> None:
        self._load = load
        self._loaded: dict[str, SharpensLive] = {}
        self._failed: dict[str, Exception] = {}
        self._work: Thread | None = None
        self._steady: tuple[str, Shape, Steady] | None = None
        self._running: dict[str, str] = {}

    def find(self, name: str, shape: Shape, strength: float, *, wait: bool = False) -> SharpensLive | None:
        """Fetch a model that can sharpen pixels of a shape at once; otherwise begin to get it ready.

        Args:
            name: What ``load`` understands.
            shape: Of the pixels.
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
            if model is not None and model.is_ready(shape.width, shape.height, strength, colours=shape.colours):
                return model
            if self._work is None or not self._work.is_alive():
                self._begin(name, shape, strength)
            if not wait:
                return None
            self._join()

    def find_for(self, name: str, pixels: Pixels, strength: float) -> SharpensLive | None:
        """As ``find``, but for the next frame of the stream: of a model with experts the one that it needs.

        While that one is being loaded or compiled, the one before goes on, or the weights for all links.

        Args:
            name: What ``load`` understands.
            pixels: The whole frame.
            strength: As for ``Sharpener.sharpen``.
        """
        shape = Shape.of(pixels)
        model = self.find(name, shape, strength)
        if not isinstance(model, HasExperts) or min(shape.width, shape.height) < SMALLEST_SIDE:
            return model
        wanted = self._steady_of(name, model, shape).choose(lambda: measures(luma_of(pixels)))
        for choice in dict.fromkeys((wanted, self._running.get(name, GENERAL), GENERAL)):
            expert = model.opened(choice)
            if expert is not None and expert.is_ready(shape.width, shape.height, strength, colours=shape.colours):
                self._running[name] = choice
                return expert
            if self._work is None or not self._work.is_alive():
                self._begin(name, shape, strength, choice)
        return model

    def _steady_of(self, name: str, model: HasExperts, shape: Shape) -> Steady:
        """What chooses for the stream's frames of this size; another size begins anew."""
        if self._steady is None or self._steady[:2] != (name, shape):
            self._steady = (name, shape, Steady(model.gate))
        return self._steady[2]

    def keep(self, names: Collection[str]) -> None:
        """Let go of all models but these."""
        for name in [name for name in self._loaded if name not in names]:
            del self._loaded[name]
            self._running.pop(name, None)

    def close(self) -> None:
        """Wait for the thread, if one is at work, and let go of all models."""
        if self._work is not None:
            self._work.join(_CLOSE_SECONDS)
        self._loaded.clear()

    def _join(self) -> None:
        if self._work is not None:
            self._work.join()

    def _begin(self, name: str, shape: Shape, strength: float, choice: str = GENERAL) -> None:
        work = (name, shape, strength, choice)
        self._work = Thread(target=self._prepare, args=work, name="clearcall-shelf", daemon=True)
        self._work.start()

    def _prepare(self, name: str, shape: Shape, strength: float, choice: str) -> None:
        try:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            model = self._loaded[name]
            expert = model.expert(choice) if isinstance(model, HasExperts) else model
            expert.prepare(shape.width, shape.height, strength, colours=shape.colours)
        except Exception as error:  # raised by the next ``find``, in the stream's thread
            self._failed[name] = error
