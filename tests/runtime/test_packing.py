"""Planes to blocks and back, by one thread and by two."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clearcall
from clearcall.frame import Planes
from clearcall.media.colour import Colours
from clearcall.runtime.packing import Packing

HELPER = ThreadPoolExecutor(1)
LAYOUTS = [(2, 8, True), (4, 24, True), (4, 16, False)]


def planes(height: int, width: int, seed: int) -> Planes:
    rng = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (rng.integers(0, 256, shape, np.uint8) for shape in ((height, width), half, half))
    return y, u, v


@pytest.mark.parametrize(("stride", "channels", "has_colours"), LAYOUTS)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 9))
def test_two_threads_pack_and_unpack_what_one_does(stride, channels, has_colours, height, width, seed):
    before = planes(height, width, seed)
    alone, helped = (Packing(stride, channels, has_colours, helper) for helper in (None, HELPER))
    packed = alone.pack(before, alone.blank(before))
    assert np.array_equal(helped.pack(before, helped.blank(before)), packed)
    after = tuple(np.zeros_like(plane) for plane in before)
    helped.unpack(packed, after)
    for old, new in list(zip(before, after, strict=True))[: 3 if has_colours else 1]:
        assert np.array_equal(old, new)


def test_a_model_of_two_threads_gives_the_bits_of_one():
    frame, colours = planes(136, 242, 3), Colours(matrix=1, range=1)
    one, two = (clearcall.load("small", threads=threads, device="cpu").expert("fine") for threads in (1, 2))
    found = [model.sharpen_yuv(*frame, colours=colours) for model in (one, two)]
    for few, many in zip(*found, strict=True):
        assert np.array_equal(few, many)
    assert not np.array_equal(found[0][0], frame[0])
