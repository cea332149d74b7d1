"""Blur as a long exposure: the formula, which frames it takes, and stills moved by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data
from skimage.registration import phase_cross_correlation

from clearcall.degrade.exposure import average, expose_still, exposures
from clearcall.errors import InputError, RecipeError

STILL = np.ascontiguousarray(data.astronaut()[:160, 150:350])


def flat(level: int, size: tuple[int, int] = (2, 3)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=15), st.sampled_from([1.0, 1.8, 2.2]))
def test_the_average_is_the_formula_of_the_paper(levels: list[int], gamma: float):
    light = sum((level / 255) ** gamma for level in levels) / len(levels)
    blurred = average([flat(level) for level in levels], gamma)
    assert blurred.dtype == np.uint8
    assert abs(float(blurred[0, 0, 0]) - 255 * light ** (1 / gamma)) <= 0.501
    assert (blurred == blurred[0, 0, 0]).all()


def test_equal_frames_come_out_unchanged():
    every_level = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert (average([every_level] * 11) == every_level).all()


def test_light_adds_up_brighter_than_values_do():
    assert average([flat(0), flat(255)])[0, 0, 0] > average([flat(0), flat(255)], gamma=1)[0, 0, 0]


@pytest.mark.parametrize(
    ("counts", "stride", "starts"),
    [((7, 7), None, [0, 7, 14]), ((7, 7), 3, [0, 3, 6, 9, 12, 15]), ((7, 7), 10, [0, 10]), ((23, 23), None, [])],
)
def test_exposures_take_the_right_frames(counts, stride, starts):
    found = list(exposures((flat(number) for number in range(22)), counts, stride))
    assert [exposure.start for exposure in found] == starts
    for exposure in found:
        assert [int(frame[0, 0, 0]) for frame in exposure.frames] == list(range(exposure.start, exposure.start + 7))
        assert exposure.sharp[0, 0, 0] == exposure.middle == exposure.start + 3


def test_the_middle_of_an_even_count_is_the_later_one():
    exposure = next(exposures((flat(number) for number in range(8)), (8, 8)))
    assert exposure.middle == exposure.sharp[0, 0, 0] == 4


def test_counts_are_drawn_between_both_ends_and_repeat_with_the_seed():
    def counts(seed: int) -> list[int]:
        frames = (flat(0) for _ in range(900))
        return [len(exposure.frames) for exposure in exposures(frames, (7, 15), rng=np.random.default_rng(seed))]

    assert set(counts(1)) == set(range(7, 16))
    assert counts(1) == counts(1) != counts(2)


def test_frames_are_read_only_when_needed():
    read: list[int] = []

    def frames():
        for number in range(1000):
            read.append(number)
            yield flat(0)

    found = exposures(frames(), (5, 5), stride=2)
    next(found)
    next(found)
    assert len(read) == 7


def test_what_makes_no_sense_is_one_sentence():
    with pytest.raises(InputError, match="Frame 2 is 3x4, those before it 3x2"):
        list(exposures([flat(0), flat(0), flat(0, (4, 3))], (2, 2), 1))
    for counts in ((0, 3), (5, 4)):
        with pytest.raises(RecipeError, match="makes no sense"):
            list(exposures([], counts))
    with pytest.raises(RecipeError, match="stride of 0"):
        list(exposures([], (1, 1), 0))
    with pytest.raises(RecipeError, match="gamma of -1"):
        average([flat(0)], -1)
    with pytest.raises(InputError, match="at least one frame"):
        average([])


@pytest.mark.parametrize("seed", range(4))
def test_a_shaken_still_is_blurred_in_place(seed: int):
    blurred, sharp = expose_still(STILL, np.random.default_rng(seed), (6, 12))
    assert (sharp == STILL[14:-14, 14:-14]).all()
    assert blurred.shape == sharp.shape
    assert blurred.var() < sharp.var()
    error = np.mean((blurred.astype(float) - sharp) ** 2)
    assert error > 20
    shift, *_ = phase_cross_correlation(sharp.mean(axis=2), blurred.mean(axis=2), upsample_factor=10)
    assert np.abs(shift).max() < 6


def test_a_longer_way_blurs_more_and_the_seed_repeats_it():
    def error(length: int) -> float:
        blurred, sharp = expose_still(STILL, np.random.default_rng(7), (length, length))
        extra = 20 - length
        inner = np.s_[extra : blurred.shape[0] - extra, extra : blurred.shape[1] - extra]
        return float(np.mean((blurred[inner].astype(float) - sharp[inner]) ** 2))

    assert error(2) < error(6) < error(20)
    assert error(6) == error(6)


def test_no_pixel_from_outside_the_still_is_made_up():
    framed = np.pad(STILL[2:-2, 2:-2], ((2, 2), (2, 2), (0, 0)))
    plain, other = (expose_still(still, np.random.default_rng(3), (10, 10))[0] for still in (STILL, framed))
    assert (plain == other).all()


def test_impossible_stills_and_lengths_are_one_sentence():
    with pytest.raises(InputError, match=r"A still of 40x28 is too small .* longer than 28"):
        expose_still(np.zeros((28, 40, 3), np.uint8), np.random.default_rng(0), (1, 12))
    for lengths in ((0, 3), (5, 4)):
        with pytest.raises(RecipeError, match="make no sense"):
            expose_still(STILL, np.random.default_rng(0), lengths)
