"""SSIM and PSNR against scikit-image, an independent implementation (tolerance 1e-4, 1e-3 dB)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import data
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from clearcall.errors import InputError
from clearcall.evaluation.metrics import psnr, psnr_y, ssim, ssim_y

Array = NDArray[np.uint8]
PROTOCOL = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
TOLERANCE = 1e-4


def noisy(frame: Array, amplitude: int, seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def pair(height: int, width: int, amplitude: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 7 + 1, width // 7 + 1, 3))
    target = np.kron(coarse, np.ones((7, 7, 1)))[:height, :width].astype(np.uint8)
    return noisy(target, amplitude, seed), target


@given(
    height=st.integers(11, 140),
    width=st.integers(11, 140),
    amplitude=st.sampled_from([0, 1, 5, 40, 255]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_ssim_equals_scikit_image_at_any_size(height: int, width: int, amplitude: int, seed: int) -> None:
    preds, target = pair(height, width, amplitude, seed)
    expected = structural_similarity(preds, target, channel_axis=-1, **PROTOCOL)
    assert ssim(preds, target) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "cat"])
def test_all_four_equal_scikit_image_on_photographs(name: str) -> None:
    target = getattr(data, name)()[:301, :400]
    preds = noisy(target, 12)
    y_preds, y_target = rgb2ycbcr(preds)[..., 0], rgb2ycbcr(target)[..., 0]
    assert ssim(preds, target) == pytest.approx(
        structural_similarity(preds, target, channel_axis=-1, **PROTOCOL), abs=TOLERANCE
    )
    assert ssim_y(preds, target) == pytest.approx(structural_similarity(y_preds, y_target, **PROTOCOL), abs=TOLERANCE)
    assert psnr(preds, target) == pytest.approx(peak_signal_noise_ratio(target, preds), abs=1e-3)
    assert psnr_y(preds, target) == pytest.approx(peak_signal_noise_ratio(y_target, y_preds, data_range=255), abs=1e-3)


@pytest.mark.parametrize(("dark", "bright"), [(0, 255), (0, 1), (254, 255), (0, 0), (255, 255), (3, 200)])
def test_flat_frames_equal_scikit_image(dark: int, bright: int) -> None:
    preds, target = np.full((70, 80, 3), dark, np.uint8), np.full((70, 80, 3), bright, np.uint8)
    expected = structural_similarity(preds, target, channel_axis=-1, **PROTOCOL)
    assert ssim(preds, target) == pytest.approx(expected, abs=TOLERANCE)


def test_identical_frames() -> None:
    frame = data.chelsea()
    assert ssim(frame, frame) == pytest.approx(1, abs=1e-6)
    assert ssim_y(frame, frame) == pytest.approx(1, abs=1e-6)
    assert math.isinf(psnr(frame, frame))
    assert math.isinf(psnr_y(frame, frame))


def test_opposite_extremes_do_not_overflow() -> None:
    black, white = np.zeros((600, 600, 3), np.uint8), np.full((600, 600, 3), 255, np.uint8)
    assert psnr(black, white) == pytest.approx(0)
    assert ssim(black, white) == pytest.approx(0, abs=TOLERANCE)


def test_views_need_not_be_contiguous() -> None:
    target = data.astronaut()[::-1, ::2, ::-1]
    preds = noisy(target, 9)
    assert ssim(preds, target) == ssim(np.ascontiguousarray(preds), np.ascontiguousarray(target))


@pytest.mark.parametrize("metric", [ssim, ssim_y, psnr, psnr_y])
@pytest.mark.parametrize(
    ("preds", "target", "sentence"),
    [
        (np.zeros((20, 20, 3), np.uint8), np.zeros((20, 21, 3), np.uint8), "20x20 and 21x20"),
        (np.zeros((20, 20, 3), np.float32), np.zeros((20, 20, 3), np.uint8), "preds is float32"),
        (np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8), r"target is uint8 of shape \(20, 20\)"),
        (np.zeros((20, 20, 4), np.uint8), np.zeros((20, 20, 4), np.uint8), "preds is uint8"),
        (np.zeros((10, 40, 3), np.uint8), np.zeros((10, 40, 3), np.uint8), "40x10 is smaller than the 11x11"),
    ],
)
def test_unusable_frames_are_one_sentence(
    metric: Callable[[Array, Array], float], preds: Array, target: Array, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        metric(preds, target)
