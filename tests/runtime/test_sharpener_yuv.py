"""Planes in, planes out: the same as by way of RGB, which is the slow way to the same picture."""

import numpy as np
import pytest
from skimage import data

import clearcall
from clearcall.degrade import degrade_picture, get_profile
from clearcall.errors import InputError
from clearcall.media.colour import Colours, from_planes, from_rgb, to_planes, to_rgb

BT601, BT709, BT2020, LIMITED, FULL = 5, 1, 9, 1, 2


@pytest.fixture(scope="module")
def small():
    return clearcall.load("small", threads=1).expert("general")


@pytest.fixture(scope="module")
def exact():
    return clearcall.load("small", threads=1, precision="float32").expert("general")


@pytest.fixture(scope="module")
def photograph():
    return degrade_picture(np.ascontiguousarray(data.astronaut()[:240, :256]), get_profile("h264-half-crf28"))


def planes_of(rgb, colours):
    y, u, v = (np.ascontiguousarray(plane) for plane in to_planes(from_rgb(rgb, "yuv420p", colours)))
    return y, u, v


def by_way_of_rgb(sharpener, planes, colours, strength=1.0):
    sharp = sharpener.sharpen(to_rgb(from_planes(*planes, colours)), strength)
    return planes_of(sharp, colours)


def differences(some, others):
    return [np.abs(a.astype(int) - b)[8:-8, 8:-8] for a, b in zip(some, others, strict=True)]


@pytest.mark.parametrize("siting", ["center", "left", "topleft"])
@pytest.mark.parametrize("matrix", [BT601, BT709, BT2020])
def test_folding_computes_what_the_way_by_rgb_does(exact, photograph, matrix, siting):
    """In float32 only the rounding of RGB and back is left; of that, colours have more than luma."""
    colours = Colours(matrix=matrix, range=LIMITED, siting=siting)
    planes = planes_of(photograph, colours)
    sharp = exact.sharpen_yuv(*planes, colours=colours)
    there_and_back = planes_of(to_rgb(from_planes(*planes, colours)), colours)
    lost = [difference.mean() for difference in differences(there_and_back, planes)]
    luma, *chroma = differences(sharp, by_way_of_rgb(exact, planes, colours))
    assert np.abs(sharp[0].astype(int) - planes[0]).mean() > 0.5, "nothing was sharpened"
    assert luma.mean() < 0.15
    assert np.percentile(luma, 99) <= 1
    for difference, rounding in zip(chroma, lost[1:], strict=True):
        assert difference.mean() < rounding + 0.1


def test_full_range(exact, photograph):
    colours = Colours(matrix=BT709, range=FULL)
    planes = planes_of(photograph, colours)
    luma, *_ = differences(exact.sharpen_yuv(*planes, colours=colours), by_way_of_rgb(exact, planes, colours))
    assert luma.mean() < 0.15


@pytest.mark.parametrize("signal_range", [LIMITED, FULL])
def test_8_bits_are_close_to_float32(small, exact, photograph, signal_range):
    colours = Colours(matrix=BT709, range=signal_range, siting="left")
    planes = planes_of(photograph, colours)
    fast, reference = (sharpener.sharpen_yuv(*planes, colours=colours) for sharpener in (small, exact))
    for number, (a, b) in enumerate(zip(fast, reference, strict=True)):
        assert np.abs(a.astype(int) - b).mean() < 0.4, number


def test_edges_are_no_worse_than_the_middle(exact, photograph):
    """Offsets of limited range and of colours end with the frame: no coloured fringe along its edges."""
    colours = Colours(matrix=BT709, range=LIMITED)
    planes = planes_of(photograph, colours)
    sharp, expected = exact.sharpen_yuv(*planes, colours=colours), by_way_of_rgb(exact, planes, colours)
    for a, b in zip(sharp, expected, strict=True):
        difference = np.abs(a.astype(int) - b)
        edge = np.concatenate([difference[:2].ravel(), difference[-2:].ravel(), difference[:, :2].ravel()])
        assert edge.mean() < 0.4


def test_grey_stays_grey(small):
    y, half = np.full((64, 64), 126, np.uint8), np.full((32, 32), 128, np.uint8)
    _, u, v = small.sharpen_yuv(y, half, half, colours=Colours(matrix=BT709, range=LIMITED))
    assert np.abs(u.astype(int) - 128).max() <= 1
    assert np.abs(v.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (35, 50), (36, 51)])
def test_odd_sizes(small, size):
    height, width = size
    rng = np.random.default_rng(0)
    planes = [rng.integers(16, 236, s, np.uint8) for s in (size, *[((height + 1) // 2, (width + 1) // 2)] * 2)]
    kept = [plane.copy() for plane in planes]
    sharp = small.sharpen_yuv(*planes, colours=Colours())
    assert [plane.shape for plane in sharp] == [plane.shape for plane in planes]
    assert all(np.array_equal(a, b) for a, b in zip(planes, kept, strict=True))


def test_lines_farther_apart_than_they_are_long_and_planes_to_write_to(small, photograph):
    colours = Colours(matrix=BT709, range=LIMITED)
    planes = planes_of(photograph, colours)
    expected = small.sharpen_yuv(*planes, colours=colours)
    apart = [np.pad(plane, ((0, 0), (0, 7)))[:, : plane.shape[1]] for plane in planes]
    out = tuple(np.zeros((plane.shape[0], plane.shape[1] + 5), np.uint8)[:, : plane.shape[1]] for plane in planes)
    assert small.sharpen_yuv(*apart, colours=colours, out=out) is out
    assert all(np.array_equal(a, b) for a, b in zip(out, expected, strict=True))


def test_strength(small, photograph):
    colours = Colours(matrix=BT709, range=LIMITED)
    planes = planes_of(photograph, colours)
    full = small.sharpen_yuv(*planes, colours=colours)
    assert all(
        np.array_equal(*pair)
        for pair in zip(small.sharpen_yuv(*planes, colours=colours, strength=0), planes, strict=True)
    )
    half = small.sharpen_yuv(*planes, colours=colours, strength=0.5)
    for plane, sharp, blended in zip(planes, full, half, strict=True):
        assert np.abs(blended - (plane + 0.5 * (sharp.astype(float) - plane))).max() <= 1


def test_unspecified_colours_are_taken_as_players_take_them(small, photograph):
    planes = planes_of(photograph, Colours(matrix=BT601, range=LIMITED))
    guessed = small.sharpen_yuv(*planes, colours=Colours())
    told = small.sharpen_yuv(*planes, colours=Colours(matrix=BT601, range=LIMITED))
    assert all(np.array_equal(a, b) for a, b in zip(guessed, told, strict=True))


@pytest.mark.parametrize(
    ("planes", "message"),
    [
        ([(8, 8), (8, 8), (8, 8)], "must be 4x4"),
        ([(8, 8, 3), (4, 4), (4, 4)], "A plane must be"),
        ([(0, 8), (0, 4), (0, 4)], "with samples"),
    ],
)
def test_planes_that_are_none_are_refused(small, planes, message):
    with pytest.raises(InputError, match=message):
        small.sharpen_yuv(*(np.zeros(shape, np.uint8) for shape in planes), colours=Colours())


def test_wrong_output_and_strength_are_refused(small):
    y, half = np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.uint8)
    with pytest.raises(InputError, match="planes to write to"):
        small.sharpen_yuv(y, half, half, colours=Colours(), out=(y.copy(), y.copy(), half.copy()))
    with pytest.raises(InputError, match="strength"):
        small.sharpen_yuv(y, half, half, colours=Colours(), strength=3)
