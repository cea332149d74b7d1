"""BD-rate: against another implementation's figures, and by its properties."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcall.evaluation.bdrate import bd_rate, pareto_front

# Rates and PSNR of two encoders, and eight rungs of a ladder; the expected figures are those of the package
# `bjontegaard` 1.3.0 with method="akima".
RATES = ([9487.76, 4593.60, 2486.44, 1358.24], [9787.80, 4469.00, 2451.52, 1356.24])
PSNRS = ([40.037, 38.615, 36.845, 34.851], [40.121, 38.651, 36.970, 34.987])
RUNGS = [82, 151, 248, 395, 505, 810, 897, 2490]
INPUT = [0.741, 0.772, 0.801, 0.822, 0.833, 0.851, 0.858, 0.884]
OUTPUT = [0.749, 0.783, 0.812, 0.835, 0.845, 0.864, 0.867, 0.891]


def points(rates, qualities):
    return list(zip(rates, qualities, strict=True))


def test_agrees_with_the_bjontegaard_package() -> None:
    encoders = bd_rate(points(RATES[0], PSNRS[0]), points(RATES[1], PSNRS[1]))
    ladder = bd_rate(points(RUNGS, INPUT), points(RUNGS, OUTPUT))
    assert encoders is not None
    assert ladder is not None
    assert encoders.percent == pytest.approx(-4.425245156997493, abs=1e-9)
    assert ladder.percent == pytest.approx(-21.236041152023, abs=1e-9)
    assert (ladder.low, ladder.high) == (0.749, 0.884)


def test_is_near_the_single_cubic_of_vceg_m33() -> None:
    logs = [np.polynomial.Polynomial.fit(quality, np.log(rate), 3) for rate, quality in zip(RATES, PSNRS, strict=True)]
    low, high = max(map(min, PSNRS)), min(map(max, PSNRS))
    areas = [log.integ()(high) - log.integ()(low) for log in logs]
    cubic = 100 * (np.exp((areas[1] - areas[0]) / (high - low)) - 1)
    found = bd_rate(points(RATES[0], PSNRS[0]), points(RATES[1], PSNRS[1]))
    assert found is not None
    assert found.percent == pytest.approx(cubic, abs=0.05)


CURVES = st.lists(st.tuples(st.floats(20, 5000), st.floats(0.3, 1)), min_size=4, max_size=12, unique_by=lambda p: p[1])


@settings(deadline=None, max_examples=40)
@given(CURVES, st.floats(0.2, 5))
def test_a_curve_at_a_share_of_its_rate_saves_the_rest(curve, share) -> None:
    found = bd_rate(curve, [(rate * share, quality) for rate, quality in curve])
    assert (found is None) == (len(pareto_front(curve)) < 4)
    assert found is None or found.percent == pytest.approx(100 * (share - 1), rel=1e-6, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(CURVES)
def test_the_front_rises_and_no_point_beats_it(curve) -> None:
    front = pareto_front(curve)
    assert front == sorted(front)
    assert all(one[1] < other[1] for one, other in pairwise(front))
    assert all(any(kept[0] <= rate and kept[1] >= quality for kept in front) for rate, quality in curve)


def test_curves_that_cannot_be_compared_give_nothing() -> None:
    assert bd_rate(points(RUNGS, INPUT)[:3], points(RUNGS, OUTPUT)) is None
    assert bd_rate(points(RUNGS, INPUT), points(RUNGS, [quality + 0.5 for quality in INPUT])) is None
