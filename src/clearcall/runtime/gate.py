"""The gate: tells from a frame what the link has done to it, and so which expert's weights it needs.

It looks at pieces of some rows of a frame only, so that it costs a fraction of a millisecond. What it measures there is
how quickly second differences grow with their distance (softness, and by that the factor by which a frame was
enlarged), whether they are periodic (enlarging leaves a pattern: Gallagher, "Detection of Linear and Cubic
Interpolation in JPEG Compressed Images", CRV 2005), and how many of them have vanished (what a codec does). Enlarging
by two, linearly, leaves every other third difference at nought. A network of one hidden layer weighs that. One expert
is chosen for the whole frame (hard gating; Jacobs et al., "Adaptive Mixtures of Local Experts", Neural Computation
1991).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearcall.errors import BundleError

FORMAT_VERSION = 2

GENERAL: Final = "general"
"""The choice that stands for the bundle's own weights, made for all links."""
UNTOUCHED: Final = "untouched"
"""The choice that leaves a frame as it is: nothing was lost, so nothing can be gained."""

_SAMPLES: Final = 10_240
_LONGEST: Final = 512
"""Columns of a piece of a row at most: short pieces of many rows see more of a frame than a few whole rows."""
_FEWEST_COLUMNS: Final = 48
_DISTANCES: Final = (1, 2, 3, 4, 6, 8)
_PERIODS: Final = (2, 3, 4, 6, 8)
_FOLD: Final = 24
"""Columns after which all patterns of ``_PERIODS`` repeat."""
_LOUDEST: Final = 8.0
"""What a second difference counts for at most in the patterns: one sharp edge must not drown them."""
_LITTLE: Final = 0.02
"""Added to means before their logarithms, in levels."""
_FLAT, _NEARLY_FLAT, _EDGE = 0.5, 1.5, 16.5
_VANISHED: Final = (1.0, 2.0)
"""Third differences below these are nought but for rounding."""
_WAVES: Final = np.exp(
    -2j * np.pi * np.outer(np.arange(_FOLD), [_FOLD // period for period in _PERIODS]) / _FOLD
).astype(np.complex64)
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""What red, green and blue weigh in luma (ITU-R BT.709-6, item 3.2)."""

_EVERY: Final = 4
"""A stream's first frame is measured, and then one of so many: links don't change from frame to frame."""
_SHARE: Final = 0.34
"""How much of the trust in a stream's choices the newest measured frame decides."""
_LEAD: Final = 0.3
"""By how much another choice must be trusted more before it takes over."""

SMALLEST_SIDE: Final = 48
"""Frames with a shorter side say too little: they get the weights for all links."""

MEASURES: Final = len(_DISTANCES) + len(_PERIODS) + 6 + len(_VANISHED) + 3
"""How many figures ``measures`` gives."""

Measures = NDArray[np.float32]
Image = NDArray[np.uint8] | NDArray[np.uint16]
"""HWC RGB, or luma alone."""


def measures(image: Image) -> Measures:
    """Measure what a link leaves in a frame.

    Args:
        image: Luma (height, width) or RGB (height, width, 3), uint8, or uint16 of full range.

    Returns:
        float32 (``MEASURES``,): logarithms of the mean second differences along rows at distances of 1, 2, 3, 4 and 6
        pixels, relative to 8, and of that one in levels; logarithms of the strength of patterns of 2, 3, 4, 6 and 8
        pixels; how rough the second differences at a distance of 1 are (see ``_roughness``); by how much the shares of
        third differences below one level, and below two, differ between even and odd places; the shares of second
        differences below half a level, one and a half, and above 16.5.

    Example:
        >>> measures(np.zeros((48, 64), np.uint8))[-3:].tolist()
        [1.0, 1.0, 0.0]
    """
    rows = _rows(image)
    width = rows.shape[1]
    doubled = rows * np.float32(2)
    means = []
    nearest = rows
    for distance in _DISTANCES:
        second = rows[:, : -2 * distance] + rows[:, 2 * distance :]
        second -= doubled[:, distance : width - distance]
        np.abs(second, out=second)
        means.append(second.sum() / second.size)
        nearest = second if distance == 1 else nearest
    levels = np.log(np.array(means) + _LITTLE)
    shares = [_share(nearest < _FLAT), _share(nearest < _NEARLY_FLAT), _share(nearest > _EDGE)]
    softness = [*(levels[:-1] - levels[-1]), levels[-1]]
    differences = _differences(rows)
    rough, alternating = _roughness(*differences), _alternation(differences[2])
    return np.array([*softness, *_patterns(nearest), *rough, *alternating, *shares], np.float32)


def _rows(image: Image) -> NDArray[np.float32]:
    """Pieces of rows from all over a frame, as luma in levels of 8 bits; a narrow frame is repeated to its right."""
    height, width = image.shape[:2]
    length = min(width, _LONGEST)
    count = min(height, max(1, _SAMPLES // length))
    rows = np.stack([image[y, x : x + length] for y, x in _places(height, width - length, count)]).astype(np.float32)
    luma: NDArray[np.float32] = rows @ _LUMA if image.ndim == 3 else rows
    if image.dtype == np.uint16:
        luma = luma / np.float32(257)
    return luma if width >= _FEWEST_COLUMNS else np.tile(luma, (1, -(-_FEWEST_COLUMNS // width)))


def _places(height: int, room: int, count: int) -> list[tuple[int, int]]:
    """Where pieces begin: down the frame evenly, across it by the golden section, at multiples of ``_FOLD``."""
    starts = room // _FOLD + 1
    down = [(2 * piece + 1) * height // (2 * count) for piece in range(count)]
    across = [_FOLD * (piece * 618 % 1000 * starts // 1000) for piece in range(count)]
    return list(zip(down, across, strict=True))


def _differences(rows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """First to fourth differences of neighbours."""
    found = [rows]
    for _ in range(4):
        found.append(found[-1][:, 1:] - found[-1][:, :-1])
    return found[1:]


def _roughness(
    first: NDArray[np.float32], second: NDArray[np.float32], third: NDArray[np.float32], fourth: NDArray[np.float32]
) -> list[float]:
    """Logarithms of the means of first, third and fourth differences of neighbours, relative to second ones, and of the
    latters' root mean square; and how like second differences are to the next ones and the next but one.
    """
    usual = float(np.abs(second).mean()) + _LITTLE
    power = float(np.square(second).mean()) + _LITTLE / 2
    others = [float(np.log((np.abs(each).mean() + _LITTLE) / usual)) for each in (first, third, fourth)]
    alike = [float((second[:, step:] * second[:, :-step]).mean()) / power for step in (1, 2)]
    return [*others, float(np.log(np.sqrt(power) / usual)), *alike]


def _alternation(third: NDArray[np.float32]) -> list[float]:
    """By how much the shares of third differences that have vanished differ between even and odd places."""
    size = np.abs(third)
    even, odd = size[:, ::2], size[:, 1::2]
    return [abs(_share(even < most) - _share(odd < most)) for most in _VANISHED]


def _share(found: NDArray[np.bool_]) -> float:
    return np.count_nonzero(found) / found.size


def _patterns(second: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
    columns = np.minimum(second, _LOUDEST).sum(0)
    folded = columns[: len(columns) // _FOLD * _FOLD].reshape(-1, _FOLD).sum(0)
    strengths: NDArray[np.floating[Any]] = np.log(np.abs(folded @ _WAVES) / (folded.sum() + 1) + 0.01)
    return strengths


@dataclass(frozen=True)
class Gate:
    """A small network from ``measures`` to a score for each choice.

    Attributes:
        choices: Names of experts, and perhaps ``GENERAL`` and ``UNTOUCHED``, in the order of the scores.
        mean: What each measure is on average, float32 (``MEASURES``,).
        scale: How far it usually is from that, likewise.
        layers: Weight, float32 (outputs, inputs), and bias, (outputs,), of each layer; ReLU between them.

    Example:
        >>> ones = np.ones(MEASURES, np.float32)
        >>> layer = (np.stack([ones, -ones]), np.zeros(2, np.float32))
        >>> gate = Gate(("general", "untouched"), 0 * ones, ones, (layer,))
        >>> Gate.read(gate.written()).scores(ones).tolist()
        [22.0, -22.0]
    """

    choices: tuple[str, ...]
    mean: Measures
    scale: Measures
    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]

    def scores(self, measured: Measures) -> NDArray[np.float32]:
        """Score each choice; the highest is the best.

        Args:
            measured: By ``measures``.

        Returns:
            float32 (choices,); ``softmax`` of them are shares of trust.
        """
        values = (measured - self.mean) / self.scale
        for number, (weight, bias) in enumerate(self.layers):
            values = weight @ (np.maximum(values, 0) if number else values) + bias
        return values

    def best(self, measured: Measures) -> str:
        """The choice with the highest score.

        Args:
            measured: By ``measures``.
        """
        return self.choices[int(self.scores(measured).argmax())]

    @classmethod
    def read(cls, content: bytes) -> Gate:
        """Read a gate's file.

        Raises:
            BundleError: Not a gate, of another version, or with layers that don't fit together.
        """
        try:
            values = json.loads(content)
            version = values["format_version"]
            layers = tuple((_numbers(layer["weight"]), _numbers(layer["bias"])) for layer in values["layers"])
            gate = cls(tuple(values["choices"]), _numbers(values["mean"]), _numbers(values["scale"]), layers)
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError(f"The model's gate can't be read ({error!r}); export it again.") from error
        if version != FORMAT_VERSION:
            raise BundleError(
                f"The model's gate has format version {version}; this clearcall reads version {FORMAT_VERSION}: "
                "use a matching clearcall or export the bundle again."
            )
        if not gate._fits():
            raise BundleError("The model's gate has layers that don't fit together; export it again.")
        return gate

    def written(self) -> bytes:
        """The content of the gate's file: JSON."""
        layers = [{"weight": _rounded(weight), "bias": _rounded(bias)} for weight, bias in self.layers]
        values = {"format_version": FORMAT_VERSION, "choices": self.choices, "mean": _rounded(self.mean)}
        return (json.dumps(values | {"scale": _rounded(self.scale), "layers": layers}) + "\n").encode()

    def _fits(self) -> bool:
        sizes = [MEASURES, *(len(bias) for _, bias in self.layers)]
        shapes = [(outputs, inputs) for inputs, outputs in pairwise(sizes)]
        numbers = [self.mean, self.scale, *(array for layer in self.layers for array in layer)]
        return (
            self.mean.shape == self.scale.shape == (MEASURES,)
            and [weight.shape for weight, _ in self.layers] == shapes
            and sizes[-1] == len(self.choices) > 0
            and all(np.isfinite(array).all() for array in numbers)
            and bool((self.scale > 0).all())
        )


class Steady:
    """Chooses for the frames of one stream, without going to and fro between choices that are nearly as good.

    Args:
        gate: What tells frames apart.

    Example:
        >>> ones = np.ones(MEASURES, np.float32)
        >>> layer = (np.stack([ones, -ones]), np.zeros(2, np.float32))
        >>> steady = Steady(Gate(("general", "untouched"), 0 * ones, ones, (layer,)))
        >>> {steady.choose(lambda: ones) for _ in range(4)}
        {'general'}
        >>> [steady.choose(lambda: -ones) for _ in range(9)][-2:]
        ['general', 'untouched']
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._frames = 0
        self._trust: NDArray[np.float32] | None = None
        self._chosen = 0

    def choose(self, measure: Callable[[], Measures]) -> str:
        """Take note of the next frame.

        Args:
            measure: Measures it, by ``measures``; called for one frame of some.

        Returns:
            The choice for it: the first frame's best one, until another has earned clearly more trust over some frames.
        """
        if self._frames % _EVERY == 0:
            self._trust_in(self._gate.scores(measure()))
        self._frames += 1
        return self._gate.choices[self._chosen]

    def _trust_in(self, scores: NDArray[np.float32]) -> None:
        trust = np.exp(scores - scores.max())
        trust /= trust.sum()
        if self._trust is None:
            self._trust, self._chosen = trust, int(trust.argmax())
        self._trust = self._trust + np.float32(_SHARE) * (trust - self._trust)
        best = int(self._trust.argmax())
        if self._trust[best] - self._trust[self._chosen] > _LEAD:
            self._chosen = best


def _numbers(values: object) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def _rounded(values: NDArray[np.float32]) -> Any:
    return np.round(values.astype(np.float64), 5).tolist()
