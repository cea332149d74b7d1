"""Resizing: sizes, kernels, moved views, against independent references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import resize as skimage_resize

from clearcall.degrade.scale import Kernel, resize

KERNELS: tuple[Kernel, ...] = ("area", "bilinear", "bicubic", "lanczos")


def smooth_picture(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7.0) + np.cos(y / 5.0), np.sin((x + y) / 9.0), np.cos(x / 6.0 - y / 8.0)]
    return np.stack([128 + 60 * wave for wave in waves], axis=-1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_any_size_to_any_size_keeps_a_flat_colour(kernel: Kernel, rows: int, columns: int, height: int, width: int):
    flat = np.full((rows, columns, 3), (10, 128, 250), np.uint8)
    assert (resize(flat, width, height, kernel) == np.full((height, width, 3), (10, 128, 250), np.uint8)).all()


def test_area_by_two_is_the_mean_of_four():
    pixels = np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)
    mean = pixels.reshape(5, 2, 7, 2, 3).mean(axis=(1, 3))
    assert np.abs(resize(pixels, 7, 5, "area") - mean).max() <= 1.0


def test_bilinear_upscaling_matches_scikit_image():
    pixels = smooth_picture(24, 32)
    reference = skimage_resize(pixels, (48, 64), order=1, preserve_range=True, mode="edge", anti_aliasing=False)
    assert np.abs(resize(pixels, 64, 48, "bilinear") - reference).max() <= 1.0


def test_shrinking_is_antialiased():
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(resize(stripes, 8, 8, "bicubic")[:, 2:-2]) <= 2


def test_the_same_size_is_a_copy():
    pixels = smooth_picture()
    same = resize(pixels, 64, 48, "bicubic")
    assert (same == pixels).all()
    assert not np.shares_memory(same, pixels)


def test_a_whole_pixel_offset_is_a_crop_with_repeated_edges():
    pixels = smooth_picture()
    moved = resize(pixels, 64, 48, "bicubic", offset=(3.0, -2.0))
    assert (moved[2:, :-3] == pixels[:-2, 3:]).all()
    assert (moved[:2, :-3] == pixels[0, 3:]).all()
    assert (moved[2:, -3:] == pixels[:-2, -1:]).all()


def test_a_half_pixel_offset_lies_between_its_neighbours():
    pixels = smooth_picture()
    moved = resize(pixels, 64, 48, "bicubic", offset=(0.5, 0.0)).astype(float)
    between = (pixels[:, :-1].astype(float) + pixels[:, 1:]) / 2
    assert np.abs(moved[:, 2:-3] - between[:, 2:-2]).max() <= 3.0
