"""Only what changed is computed, and the bits are those of the full computation."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clearcall
from clearcall.frame import Planes
from clearcall.media.colour import Colours
from clearcall.runtime.changes import ChangesOnly
from clearcall.runtime.sharpener import Sharpener

LEFT = Colours(matrix=1, range=1, siting="left")
HEIGHT, WIDTH = 144, 256


@cache
def sharpener() -> Sharpener:
    return clearcall.load("deblur", threads=1)


def noise(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Planes:
    random = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (random.integers(16, 236, shape, dtype=np.uint8) for shape in ((height, width), half, half))
    return y, u, v


def copy(planes: Planes) -> Planes:
    y, u, v = (plane.copy() for plane in planes)
    return y, u, v


def assert_same(some: Planes, others: Planes) -> None:
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


class Counting:
    """A sharpener that counts the luma pixels that it is asked for."""

    def __init__(self) -> None:
        self.reach, self.multiple_of = sharpener().reach, sharpener().multiple_of
        self.pixels: list[int] = []

    def sharpen_yuv(self, y, u, v, *, colours, strength=1.0, out=None):
        self.pixels.append(y.size)
        return sharpener().sharpen_yuv(y, u, v, colours=colours, strength=strength, out=out)


BOXES = st.tuples(
    st.integers(0, 2), st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, 70), st.integers(1, 90)
)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(BOXES, max_size=3), min_size=1, max_size=4), st.sampled_from([1.0, 0.5]))
def test_any_changes_give_the_bits_of_the_full_computation(steps: list[list[tuple[int, ...]]], strength: float) -> None:
    changes, frame = ChangesOnly(sharpener()), noise(0)
    for number, boxes in enumerate([[], *steps]):
        frame = copy(frame)
        for index, top, left, tall, wide in boxes:
            part = frame[index][top // (1 + (index > 0)) :, left // (1 + (index > 0)) :][:tall, :wide]
            part[:] = np.random.default_rng(number).integers(0, 256, part.shape)
        found = changes.sharpen_yuv(*frame, colours=LEFT, strength=strength)
        assert_same(found, sharpener().sharpen_yuv(*frame, colours=LEFT, strength=strength))


@pytest.mark.parametrize("where", [(0, 0), (0, WIDTH - 1), (HEIGHT - 1, 0), (HEIGHT - 1, WIDTH - 1), (70, 131)])
def test_one_changed_pixel_costs_a_crop(where: tuple[int, int]) -> None:
    counting = Counting()
    changes, first, second = ChangesOnly(counting), noise(1), noise(1)
    second[0][where] ^= 255
    changes.sharpen_yuv(*first, colours=LEFT)
    changes.sharpen_yuv(*first, colours=LEFT)
    changes.sharpen_yuv(*second, colours=LEFT)
    whole = HEIGHT * WIDTH
    assert counting.pixels[:3] == [whole, counting.pixels[1], whole], "the first crop is checked against the whole"
    counting.pixels.clear()
    found = changes.sharpen_yuv(*first, colours=LEFT)
    assert counting.pixels[0] <= whole // 2
    assert len(counting.pixels) == 1
    assert changes.counts == {"whole": 1, "same": 1, "part": 2}
    assert_same(found, sharpener().sharpen_yuv(*first, colours=LEFT))


def test_the_result_changes_within_reach_alone() -> None:
    """What the crops rely on, for every sample of a stride and both kinds of planes."""
    base = noise(2, 96, 96)
    expected = sharpener().sharpen_yuv(*base, colours=LEFT)
    reach = sharpener().reach
    for index, top, left in [
        (plane, 24 + down, 24 + across) for plane in (0, 1) for down in (0, 1) for across in (0, 1)
    ]:
        changed = copy(base)
        changed[index][top, left] ^= 255
        factor = 1 if index == 0 else 2
        found = sharpener().sharpen_yuv(*changed, colours=LEFT)
        assert not np.array_equal(found[index], expected[index])
        for old, new, scale in zip(expected, found, (1, 2, 2), strict=True):
            differs = np.argwhere(old != new) * scale
            assert (np.abs(differs - np.array([top, left]) * factor) <= reach + factor - 1).all()


def test_when_everything_changes_only_sampled_lines_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    import clearcall.runtime.changes as module

    compared: list[int] = []
    original = module._difference

    def counting(old: np.ndarray, new: np.ndarray) -> object:
        compared.append(old.shape[0])
        return original(old, new)

    monkeypatch.setattr(module, "_difference", counting)
    changes = ChangesOnly(sharpener())
    for seed in range(3):
        changes.sharpen_yuv(*noise(seed), colours=LEFT)
    assert changes.counts == {"whole": 3}
    assert compared == [5, 5]


class Untrue(Counting):
    """An engine whose crops have other bits than its whole frames."""

    def sharpen_yuv(self, y, u, v, *, colours, strength=1.0, out=None):
        y, u, v = super().sharpen_yuv(y, u, v, colours=colours, strength=strength, out=out)
        y[:] += y.size < HEIGHT * WIDTH
        return y, u, v


def test_an_engine_with_other_bits_for_crops_gets_whole_frames() -> None:
    untrue = Untrue()
    changes = ChangesOnly(untrue)
    for number in range(4):
        frame = noise(1)
        frame[0][60:64, 60 + number] = 255
        assert_same(changes.sharpen_yuv(*frame, colours=LEFT), sharpener().sharpen_yuv(*frame, colours=LEFT))
    untrue.pixels.clear()
    changes.sharpen_yuv(*noise(1), colours=LEFT)
    assert untrue.pixels == [HEIGHT * WIDTH]
    assert changes.counts == {"whole": 5}


@pytest.mark.parametrize("size", [(47, 63), (50, 66), (2, 2), (1, 1)])
def test_sizes_off_the_grid(size: tuple[int, int]) -> None:
    changes, frame = ChangesOnly(sharpener()), noise(3, *size)
    for _ in range(2):
        frame = copy(frame)
        frame[0][0, 0] ^= 1
        assert_same(changes.sharpen_yuv(*frame, colours=LEFT), sharpener().sharpen_yuv(*frame, colours=LEFT))
    changes.sharpen_yuv(*frame, colours=LEFT)
    assert changes.counts == {"whole": 2, "same": 1}


def test_another_size_strength_or_matrix_begins_anew() -> None:
    changes, frame = ChangesOnly(sharpener()), noise(4)
    bt601 = Colours(matrix=6, range=1, siting="left")
    for options in ({"colours": LEFT}, {"colours": bt601}, {"colours": bt601, "strength": 0.5}):
        assert_same(changes.sharpen_yuv(*frame, **options), sharpener().sharpen_yuv(*frame, **options))
    small = noise(4, 64, 64)
    assert_same(changes.sharpen_yuv(*small, colours=LEFT), sharpener().sharpen_yuv(*small, colours=LEFT))
    assert changes.counts == {"whole": 4}
