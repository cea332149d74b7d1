"""How sure a mean difference between two methods on the same pictures is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, stdev

CONFIDENCE = 0.95
PROTOCOL = "95 % confidence interval of the mean difference over pictures, paired Student's t"


@dataclass(frozen=True)
class Interval:
    """A mean difference with its confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out no difference at all."""
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
