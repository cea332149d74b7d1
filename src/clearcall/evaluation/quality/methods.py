"""What is measured: the input as shown, what a user would pick instead, and models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from clearcall.degrade.scale import Kernel, resize
from clearcall.evaluation.filters import cas, unsharp
from clearcall.evaluation.quality.sources import Moment
from clearcall.frame import Frame

Restore = Callable[[Frame], Frame]


@runtime_checkable
class Follows(Protocol):
    """A model that may go by the frames before."""

    def following(self) -> Follows:
        """The same for the frames of another stream."""

    def sharpen(self, frame: Frame) -> Frame:
        """Restore the stream's next frame."""


OfMoment = Callable[[Moment], Frame]
Strengths = Mapping[str, float]
"""Name of a filter -> its strength."""

INPUT, BICUBIC, LANCZOS = "input", "bicubic", "lanczos"
FILTERS: Mapping[str, Callable[[float], Restore]] = {"unsharp": unsharp, "cas": cas}
GRID: Mapping[str, Sequence[float]] = {
    "unsharp": (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
    "cas": (0.1, 0.3, 0.5, 0.7, 0.9),
}
"""The strengths among which each filter's best is chosen for each profile."""
BASELINES = (INPUT, BICUBIC, LANCZOS, *FILTERS)


@dataclass(frozen=True)
class Candidate:
    """A model to measure, not yet loaded; can be sent to another process.

    Attributes:
        name: As in tables.
        make: Loads it; gives a function of a uint8 ``(height, width, 3)`` RGB frame, or what follows a stream of them.
        identity: A text that differs where its weights differ, so that runs with other weights aren't mixed.
        ships: Whether it is a model that might ship; a teacher is shown, no more.
        only: Names of the links on which it is measured; empty: all.
    """

    name: str
    make: Callable[[], Restore | Follows]
    identity: str
    ships: bool = True
    only: frozenset[str] = frozenset()

    def takes(self, profile: str) -> bool:
        """Whether it is measured behind a link."""
        return not self.only or profile in self.only


def baselines(strengths: Strengths) -> dict[str, OfMoment]:
    """The methods that need no model, each filter at its strength."""
    filters = {name: of_shown(FILTERS[name](strength)) for name, strength in strengths.items()}
    return {INPUT: lambda moment: moment.shown, BICUBIC: _enlarged("bicubic"), LANCZOS: _enlarged("lanczos"), **filters}


def grid() -> dict[str, list[Restore]]:
    """Every filter at every strength of ``GRID``, in its order."""
    return {name: [FILTERS[name](strength) for strength in values] for name, values in GRID.items()}


def of_shown(restore: Restore) -> OfMoment:
    """A function of a frame as one of a moment: it gets the frame as shown."""
    return lambda moment: restore(moment.shown)


def of_stream(model: Restore | Follows) -> OfMoment:
    """A function of the moments of one source, in their order."""
    return of_shown(model.following().sharpen if isinstance(model, Follows) else model)


def _enlarged(kernel: Kernel) -> OfMoment:
    return lambda moment: resize(moment.received, moment.truth.shape[1], moment.truth.shape[0], kernel)
