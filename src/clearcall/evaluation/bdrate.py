"""Bjontegaard delta rate: how many percent fewer bits give the same quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST_POINTS = 4
PROTOCOL = "Bjontegaard delta rate (VCEG-M33) with Akima interpolation of log rate over quality, on the Pareto front"

Point = tuple[float, float]
"""Rate in kbit/s, and quality."""


@dataclass(frozen=True)
class Saving:
    """A BD-rate, and the range of quality over which both curves were compared."""

    percent: float
    low: float
    high: float


def bd_rate(anchor: Sequence[Point], test: Sequence[Point]) -> Saving | None:
    """Mean difference of rate at equal quality, in percent; negative where ``test`` needs fewer bits.

    The logarithm of the rate is interpolated over quality by Akima splines, both curves are integrated over the
    quality that both reach, and the mean difference is turned back into percent. Points that cost more than another
    and give no more are left out first (they are not on the Pareto front), each curve for itself.

    Args:
        anchor: Rates in kbit/s, above 0, with their qualities (any metric that grows with quality).
        test: The same for what is judged.

    Returns:
        The saving, or None where a front has fewer than four points or the fronts share no range of quality.

    References:
        G. Bjontegaard, "Calculation of average PSNR differences between RD-curves", ITU-T VCEG-M33, 2001.
        C. Herglotz, M. Kraenzler, R. Mons, A. Kaup, "Beyond Bjontegaard: limits of video compression performance
        comparisons", IEEE International Conference on Image Processing, 2022 (Akima instead of one cubic).

    Example:
        >>> curve = [(100.0, 0.80), (200.0, 0.85), (400.0, 0.89), (800.0, 0.92)]
        >>> saving = bd_rate(curve, [(rate * 0.9, quality) for rate, quality in curve])
        >>> round(saving.percent, 6)
        -10.0
    """
    fronts = pareto_front(anchor), pareto_front(test)
    if min(map(len, fronts)) < FEWEST_POINTS:
        return None
    low = max(front[0][1] for front in fronts)
    high = min(front[-1][1] for front in fronts)
    if not low < high:
        return None
    of_anchor, of_test = (_log_rate(front).integrate(low, high) for front in fronts)
    return Saving(float(100 * np.expm1((of_test - of_anchor) / (high - low))), low, high)


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """The points that no cheaper one equals or beats, by rate.

    Example:
        >>> pareto_front([(400, 0.9), (100, 0.8), (200, 0.79), (200, 0.85)])
        [(100, 0.8), (200, 0.85), (400, 0.9)]
    """
    front: list[Point] = []
    for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or quality > front[-1][1]:
            front.append((rate, quality))
    return front


def _log_rate(front: Sequence[Point]) -> Any:
    from scipy.interpolate import Akima1DInterpolator

    rates, qualities = np.array(front, np.float64).T
    return Akima1DInterpolator(qualities, np.log(rates))
