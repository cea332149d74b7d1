import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage import data

from clearcall.degrade.softness import MOVED, soften

SHARP = np.ascontiguousarray(data.astronaut()[100:228, 120:280])


def softened(seed, focus=(0.5, 1.5), shake=(1.5, 8.0)):
    return soften(SHARP, np.random.default_rng(seed), focus, shake)


def moves(seed):
    return np.random.default_rng(seed).random() < MOVED


def light(picture):
    return ((picture / 255) ** 2.2).mean()


def detail(picture):
    return np.abs(np.diff(picture[..., 1].astype(int), axis=1)).mean()


@given(seed=st.integers(0, 500))
def test_every_picture_keeps_its_size_and_light_and_loses_detail(seed):
    soft = softened(seed)
    assert soft.shape == SHARP.shape
    assert soft.dtype == np.uint8
    assert detail(soft) < 0.97 * detail(SHARP)
    assert light(soft) == pytest.approx(light(SHARP), rel=0.02)


def test_out_of_focus_is_a_gaussian_blur():
    seed = next(seed for seed in range(50) if not moves(seed))
    soft = softened(seed, focus=(1.2, 1.2)).astype(float)
    expected = 255 * gaussian_filter((SHARP / 255) ** 2.2, (1.2, 1.2, 0), mode="nearest") ** (1 / 2.2)
    assert np.abs(soft - expected).max() <= 1


def test_longer_ways_and_wider_blurs_are_softer():
    for seed in range(6):
        little = softened(seed, focus=(0.5, 0.5), shake=(1.0, 1.0))
        much = softened(seed, focus=(1.5, 1.5), shake=(8.0, 8.0))
        assert detail(much) < detail(little)


def test_what_moved_lies_around_where_it_was():
    dot = np.zeros((41, 41, 3), np.uint8)
    dot[20, 20] = 255
    for seed in filter(moves, range(20)):
        soft = soften(dot, np.random.default_rng(seed), (0.5, 0.5), (6.0, 6.0)).astype(float) ** 2.2
        rows, columns = np.indices(dot.shape[:2])
        weight = soft[..., 0] / soft[..., 0].sum()
        assert np.hypot((rows * weight).sum() - 20, (columns * weight).sum() - 20) < 1.5


@pytest.mark.parametrize("seed", [0, 3])
def test_the_same_chance_gives_the_same_picture(seed):
    assert np.array_equal(softened(seed), softened(seed))
