"""How sure a figure is: a mean difference between two methods on the same pictures, or a trend over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, stdev

import numpy as np

CONFIDENCE = 0.95
PROTOCOL = "95 % confidence interval of the mean difference over pictures, paired Student's t"


@dataclass(frozen=True)
class Interval:
    """A mean difference, or a slope, with its confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def paired_interval(differences: Sequence[float]) -> Interval:
    """Student's t interval (95 %) of the mean of paired differences.

    Args:
        differences: One for each picture, at least one.

    Returns:
        The mean and its interval; of a single difference the interval is unbounded.

    References:
        Student (W. S. Gosset), "The probable error of a mean", Biometrika 6(1), 1908.

    Example:
        >>> interval = paired_interval([0.02, 0.03, 0.04])
        >>> round(interval.mean, 3), round(interval.low, 4), interval.is_clear
        (0.03, 0.0052, True)
    """
    mean, count = fmean(differences), len(differences)
    if count < 2:
        return Interval(mean, -inf, inf)
    from scipy.special import stdtrit

    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * stdev(differences) / sqrt(count)
    return Interval(mean, mean - half, mean + half)


def slope_interval(times: Sequence[float], values: Sequence[float], *, block: int, draws: int = 2000) -> Interval:
    """Least-squares slope of a series, with a 95 % interval by the moving-block bootstrap of its residuals.

    What is measured once a second isn't independent from one second to the next, so residuals are drawn in blocks of
    neighbours; with independent ones the interval would be too narrow.

    Args:
        times: When each value was measured, evenly spaced; at least three.
        values: What was measured.
        block: Values in a block: longer than what one disturbance lasts, and at most a third of all.
        draws: Series to draw; the seed is fixed.

    Returns:
        The slope, in units of the values per unit of the times, and its interval. It is unbounded where there are too
        few values for three blocks.

    References:
        H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics
        17(3), 1989.

    Example:
        >>> slope = slope_interval(range(60), [5 + 2 * minute for minute in range(60)], block=10)
        >>> round(slope.mean, 6), round(slope.low, 6), round(slope.high, 6)
        (2.0, 2.0, 2.0)
    """
    centred = np.asarray(times, float) - np.mean(times)
    weights = centred / (centred**2).sum()
    series = np.asarray(values, float)
    slope, count = float(weights @ series), len(series)
    if count < 3 * block:
        return Interval(slope, -inf, inf)
    residuals = series - series.mean() - slope * centred
    starts = np.random.default_rng(0).integers(0, count - block + 1, (draws, -(-count // block)))
    drawn = residuals[(starts[..., None] + np.arange(block)).reshape(draws, -1)[:, :count]]
    low, high = np.quantile(slope + drawn @ weights, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(slope, float(low), float(high))
