"""Flicker: only change that the truth doesn't have counts."""

from __future__ import annotations

import numpy as np
import pytest

from clearcall.errors import InputError
from clearcall.evaluation.flicker import Flicker
from clearcall.evaluation.metrics import luma

TRUTH = [np.random.default_rng(seed).integers(60, 190, (20, 24, 3), dtype=np.uint8) for seed in range(4)]


def measured(clip: list[np.ndarray]) -> float | None:
    meter = Flicker()
    for preds, target in zip(clip, TRUTH, strict=False):
        meter.add(preds, target)
    return meter.mean


def test_the_definition_term_by_term() -> None:
    clip = [np.random.default_rng(seed + 9).integers(0, 256, (20, 24, 3), dtype=np.uint8) for seed in range(4)]
    steps = [
        np.abs((luma(clip[t]) - luma(clip[t - 1])) - (luma(TRUTH[t]) - luma(TRUTH[t - 1]))).mean() for t in (1, 2, 3)
    ]
    assert measured(clip) == pytest.approx(np.mean(steps), rel=1e-5)


def test_the_truth_and_a_steady_error_do_not_flicker() -> None:
    assert measured(TRUTH) == 0
    assert measured([frame + 7 for frame in TRUTH]) == pytest.approx(0, abs=1e-4)


def test_an_error_that_comes_and_goes_costs_its_height() -> None:
    blinking = [frame + np.uint8(10 * (index % 2)) for index, frame in enumerate(TRUTH)]
    assert measured(blinking) == pytest.approx(10 * 219 / 255, rel=1e-4)


def test_one_frame_has_no_flicker_and_sizes_must_fit() -> None:
    assert measured(TRUTH[:1]) is None
    with pytest.raises(InputError, match="differ in size"):
        Flicker().add(TRUTH[0], TRUTH[0][:16])
