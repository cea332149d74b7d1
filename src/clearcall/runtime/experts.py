"""Sharpens each frame by the weights that it needs: experts for kinds of links, chosen by a gate."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from clearcall.bundle import Bundle
from clearcall.errors import BundleError
from clearcall.frame import DeepFrame, Frame, Planes
from clearcall.runtime.engine import Engine
from clearcall.runtime.gate import GENERAL, SMALLEST_SIDE, UNTOUCHED, Gate, Image, Steady, measures
from clearcall.runtime.sharpener import Sharpener, copy_planes
from clearcall.runtime.yuv import PlaneSharpener

if TYPE_CHECKING:
    from clearcall.media.colour import Colours

_LONG_UNUSED: Final = 100
"""Frames, of all streams, after which an expert that none of them needed makes room for another."""

AnyFrame = TypeVar("AnyFrame", Frame, DeepFrame)


class ExpertSharpener(Sharpener):
    """A loaded model with experts; each frame is sharpened by the one that the gate chooses for it.

    Frames of one video are better given to what ``following`` returns, which doesn't go to and fro between experts.

    Args:
        bundle: The weights for all links, as a bundle without experts.
        engine: Runs them.
        planes: Runs them on planes, or None.
        gate: Chooses.
        open_expert: Loads an expert by name; called when it is first chosen.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        planes: PlaneSharpener | None = None,
        *,
        gate: Gate,
        open_expert: Callable[[str], Sharpener],
    ) -> None:
        super().__init__(bundle, engine, planes)
        self.gate = gate
        always = {
            GENERAL: Sharpener(bundle, engine, planes),
            UNTOUCHED: _Untouched(bundle, engine, planes),
        }
        self._experts = _Experts(always, open_expert)

    def expert(self, name: str) -> Sharpener:
        """The sharpener of one of the gate's choices, without others; loaded now if need be.

        Args:
            name: Of an expert, or ``GENERAL`` or ``UNTOUCHED`` of ``clearcall.runtime.gate``.

        Raises:
            BundleError: There is no such expert, or its file is damaged.
        """
        return self._experts.open(name)

    def opened(self, name: str) -> Sharpener | None:
        """As ``expert``, but None while it isn't loaded."""
        return self._experts.get(name)

    def chosen(self, image: Image) -> Sharpener:
        """The expert that a frame needs.

        Args:
            image: The whole frame: RGB, or its luma.

        Example:
            >>> import clearcall, numpy as np
            >>> clearcall.load("small").chosen(np.zeros((48, 64), np.uint8)).name
            'small'
        """
        return self.expert(self._choice(image) if min(image.shape[:2]) >= SMALLEST_SIDE else GENERAL)

    def _choice(self, image: Image) -> str:
        return self.gate.best(measures(image))

    def following(self) -> Sharpener:
        """The same model for the frames of one stream, given in their order by one thread at a time."""
        return _Following(self, self._bundle, self._engine, self._planes)

    def prepare(self, width: int, height: int, strength: float = 1.0, *, colours: Colours | None = None) -> None:
        """Compile the weights for all links; an expert is compiled when it is first chosen."""
        self.expert(GENERAL).prepare(width, height, strength, colours=colours)


class _Following(ExpertSharpener):
    """Shares the experts of another, and remembers what it chose for the frames before."""

    def __init__(self, other: ExpertSharpener, bundle: Bundle, engine: Engine, planes: PlaneSharpener | None) -> None:
        super().__init__(bundle, engine, planes, gate=other.gate, open_expert=other.expert)
        self._experts = other._experts
        self._steady = Steady(other.gate)
        self._size: tuple[int, ...] | None = None

    def _choice(self, image: Image) -> str:
        """For the next frame; another size begins anew."""
        if image.shape[:2] != self._size:
            self._size = image.shape[:2]
            self._steady = Steady(self.gate)
        return self._steady.choose(lambda: measures(image))


class _Untouched(Sharpener):
    """Leaves frames as they are."""

    def is_ready(self, width: int, height: int, strength: float = 1.0, *, colours: Colours | None = None) -> bool:
        return True

    def prepare(self, width: int, height: int, strength: float = 1.0, *, colours: Colours | None = None) -> None:
        pass

    def _sharpened(self, frame: AnyFrame, strength: float) -> AnyFrame:
        return frame.copy()

    def _sharpen_planes(self, planes: Planes, colours: Colours, strength: float, out: Planes) -> None:
        copy_planes(planes, out)


class _Experts:
    """Loads an expert when it is first needed, and lets go of it, and of some 30 MiB, when it hasn't been for long."""

    def __init__(self, always: dict[str, Sharpener], load: Callable[[str], Sharpener]) -> None:
        self._always = always
        self._opened: dict[str, Sharpener] = {}
        self._load = load
        self._lock = Lock()
        self._asked = 0
        self._last: dict[str, int] = {}

    def get(self, name: str) -> Sharpener | None:
        self._asked += 1
        self._last[name] = self._asked
        return self._always.get(name) or self._opened.get(name)

    def open(self, name: str) -> Sharpener:
        found = self.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._opened:
                self._drop_unused()
                self._opened[name] = self._load(name)
            return self._opened[name]

    def _drop_unused(self) -> None:
        for name in [name for name in self._opened if self._asked - self._last[name] > _LONG_UNUSED]:
            del self._opened[name]


def check_choices(gate: Gate, bundle: Bundle) -> None:
    """Refuse a gate that doesn't fit its bundle.

    Raises:
        BundleError: It chooses an expert that isn't there.
    """
    for name in gate.choices:
        if name not in (GENERAL, UNTOUCHED, *bundle.card.experts):
            raise BundleError(f"The gate of {bundle.folder} chooses {name}, which is no expert; export it again.")
