"""The paired interval against SciPy's t test; the slope's against least squares and series of known slope."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import linregress, ttest_1samp

from clearcall.evaluation.interval import paired_interval, slope_interval


@pytest.mark.parametrize("count", [2, 5, 102])
def test_agrees_with_the_t_test(count: int) -> None:
    differences = np.random.default_rng(count).normal(0.01, 0.02, count)
    found = paired_interval(differences.tolist())
    expected = ttest_1samp(differences, 0)
    low, high = expected.confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((differences.mean(), low, high))
    assert found.is_clear == (expected.pvalue < 0.05)


def test_a_single_difference_says_nothing_for_sure() -> None:
    found = paired_interval([0.1])
    assert (found.mean, found.low, found.high) == (0.1, -math.inf, math.inf)
    assert not found.is_clear


def series(seed: int, slope: float, count: int = 300, memory: float = 0.8) -> np.ndarray:
    """A line with noise that remembers: each value keeps a share of the one before."""
    noise = np.random.default_rng(seed).normal(size=count)
    for i in range(1, count):
        noise[i] += memory * noise[i - 1]
    return 40 + slope * np.arange(count) + noise


def test_the_slope_is_that_of_least_squares() -> None:
    values = series(0, 0.01)
    found = slope_interval(range(300), values.tolist(), block=20)
    assert found.mean == pytest.approx(linregress(range(300), values).slope)
    assert found.low < found.mean < found.high


def test_the_slope_interval_holds_the_truth_where_independence_would_miss_it() -> None:
    blocked = naive = 0
    for seed in range(100):
        values = series(seed, 0.01)
        found = slope_interval(range(300), values.tolist(), block=30, draws=400)
        line = linregress(range(300), values)
        blocked += found.low <= 0.01 <= found.high
        naive += abs(line.slope - 0.01) <= 1.96 * line.stderr
    assert blocked >= 85, "a little under 95 %, as the bootstrap is in short series"
    assert naive < 75


def test_growth_is_clear_and_flatness_is_not() -> None:
    assert slope_interval(range(300), series(1, 0.05).tolist(), block=30).low > 0
    assert not slope_interval(range(300), series(1, 0.0).tolist(), block=30).is_clear


def test_a_short_series_bounds_nothing() -> None:
    found = slope_interval([0, 1, 2, 3], [1, 2, 3, 4], block=30)
    assert (found.mean, found.low, found.high) == (1, -math.inf, math.inf)
