"""The paired interval against SciPy's t test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from clearcall.evaluation.interval import paired_interval


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
