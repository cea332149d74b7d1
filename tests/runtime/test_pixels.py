"""Planes and RGB on their way through a sharpener."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

import clearcall
from clearcall.media.colour import Colours, from_rgb, to_planes, to_rgb
from clearcall.runtime.pixels import Shape, pixels_of, sharpen_pixels, to_frame, to_video_frame

SHARP = clearcall.load("small", threads=1).expert("general")
"""One set of weights: which of them fits may be told otherwise from planes than from RGB."""


def decoded(pixel_format: str, colours: Colours | None = None) -> av.VideoFrame:
    """A frame of soft stripes, with a time stamp."""
    stripes = 120 + 60 * np.tanh(2 * np.sin(np.arange(66) / 3))[None, :, None]
    rgb = stripes + np.array([0, 10, 20]) + np.arange(50)[:, None, None] / 5
    frame = from_rgb(rgb.astype(np.uint8), pixel_format, colours or Colours(1, 1))
    frame.pts, frame.time_base = 7, Fraction(1, 90000)
    return frame


@pytest.mark.parametrize(("pixel_format", "is_planar"), [("yuv420p", True), ("yuyv422", False), ("nv12", False)])
def test_planes_stay_planes_and_all_else_becomes_rgb(pixel_format: str, is_planar: bool) -> None:
    frame = decoded(pixel_format)
    pixels = pixels_of(frame)
    assert (pixels is frame) is is_planar
    if not is_planar:
        np.testing.assert_array_equal(pixels, to_rgb(frame))


def test_ten_bits_become_eight() -> None:
    pixels = pixels_of(decoded("yuv420p10le"))
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("colours", [Colours(1, 1), Colours(6, 2), Colours(9, 1)])
def test_planes_are_sharpened_as_the_planes_they_are(colours: Colours) -> None:
    frame = decoded("yuv420p", colours)
    before = [plane.copy() for plane in to_planes(frame)]
    sharp = sharpen_pixels(SHARP, frame, Shape.of(frame), 0.7)
    expected = SHARP.sharpen_yuv(*to_planes(frame), colours=Colours.of(frame), strength=0.7)
    for plane, other, untouched, was in zip(to_planes(sharp), expected, to_planes(frame), before, strict=True):
        np.testing.assert_array_equal(plane, other)
        np.testing.assert_array_equal(untouched, was)
    tags = Colours.of(sharp)
    assert (tags.matrix, tags.range) == (colours.matrix, colours.range)


def test_planes_and_rgb_look_alike_once_sharpened() -> None:
    frame = decoded("yuv420p")
    planar = to_frame(sharpen_pixels(SHARP, frame, Shape.of(frame), 1.0))
    rgb = to_rgb(frame)
    by_rgb = sharpen_pixels(SHARP, rgb, Shape.of(rgb), 1.0)
    assert np.abs(planar.astype(int) - by_rgb).mean() < 1.5
    assert np.abs(planar.astype(int) - rgb).mean() > 0.5, "it was sharpened at all"


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuyv422"])
def test_what_was_sharpened_takes_the_place_of_the_decoded_frame(pixel_format: str) -> None:
    frame = decoded(pixel_format)
    pixels = pixels_of(frame)
    back = to_video_frame(sharpen_pixels(SHARP, pixels, Shape.of(pixels), 1.0), frame)
    assert (back.format.name, back.width, back.height) == (pixel_format, 66, 50)
    assert (back.pts, back.time_base) == (7, frame.time_base)
    assert back is not frame


def test_a_model_is_ready_for_planes_only_once_it_was_prepared_for_their_colours() -> None:
    model = clearcall.load("small", threads=1)
    model.prepare(66, 50)
    limited, full = Colours(1, 1), Colours(1, 2)
    assert not model.is_ready(66, 50, colours=limited)
    model.prepare(66, 50, colours=limited)
    assert model.is_ready(66, 50, colours=limited)
    assert not model.is_ready(66, 50, colours=full)
    assert not model.is_ready(66, 50, 0.5, colours=limited)
    assert not model.is_ready(68, 50, colours=limited)


def test_a_model_that_cannot_be_folded_is_ready_when_its_rgb_graph_is() -> None:
    model = clearcall.load("small", threads=1, device="onnxruntime")
    colours = Colours(1, 1)
    assert model.is_ready(66, 50, colours=colours) == model.is_ready(66, 50)
