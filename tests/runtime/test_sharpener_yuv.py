"""Planes in, planes out: the same as by way of RGB."""

import av
import numpy as np
import pytest

import clearcall
from clearcall.errors import InputError
from clearcall.media.colour import Colours, from_rgb, to_planes, to_rgb
from tests.conftest import picture


@pytest.fixture(scope="module")
def small():
    return clearcall.load("small", threads=1)


def planes_of(rgb: np.ndarray, colours: Colours):
    return [np.ascontiguousarray(plane) for plane in to_planes(from_rgb(rgb, "yuv420p", colours))]


def test_planes_come_out_as_by_way_of_rgb(small):
    colours = Colours(matrix=1, range=1)
    y, u, v = planes_of(picture(96, 64), colours)
    sharp = small.sharpen_yuv(y, u, v, colours=colours)
    assert [plane.shape for plane in sharp] == [(64, 96), (32, 48), (32, 48)]
