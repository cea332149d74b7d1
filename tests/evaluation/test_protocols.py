"""SSIM as papers compute it, against computations that share nothing with ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import structural_similarity

from clearcall.errors import InputError
from clearcall.evaluation.metrics import ssim
from clearcall.evaluation.protocols import ssim_matlab, ssim_uniform


def by_definition(preds: np.ndarray, target: np.ndarray) -> float:
    """MATLAB's ssim of a volume, window by window: every 11x11x11 block of the volume with its edges repeated."""
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.multiply.outer(np.multiply.outer(taps, taps), taps)
    window /= window.sum()
    blocks = [
        np.lib.stride_tricks.sliding_window_view(np.pad(frame.astype(float), 5, "edge"), (11, 11, 11))
        for frame in (preds, target)
    ]
    mean = [np.einsum("hwcijk,ijk->hwc", block, window) for block in blocks]
    centred = [block - average[..., None, None, None] for block, average in zip(blocks, mean, strict=True)]
    variance = [np.einsum("hwcijk,hwcijk,ijk->hwc", block, block, window) for block in centred]
    covariance = np.einsum("hwcijk,hwcijk,ijk->hwc", *centred, window)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean[0] * mean[1] + c1) * (2 * covariance + c2)
    return float((top / ((mean[0] ** 2 + mean[1] ** 2 + c1) * (variance[0] + variance[1] + c2))).mean())


def noisy(frame: np.ndarray, amplitude: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


@given(st.integers(11, 15), st.integers(11, 15), st.sampled_from([0, 3, 60]), st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_the_matlab_protocol_is_its_definition(height: int, width: int, amplitude: int, seed: int):
    target = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    preds = noisy(target, amplitude, seed)
    assert ssim_matlab(preds, target) == pytest.approx(by_definition(preds, target), abs=1e-9)


def test_the_matlab_protocol_is_its_definition_on_a_photograph():
    target = np.ascontiguousarray(data.astronaut()[100:132, 200:232])
    assert ssim_matlab(noisy(target, 20), target) == pytest.approx(by_definition(noisy(target, 20), target), abs=1e-9)


def test_on_grey_frames_the_window_across_channels_changes_only_what_happens_at_the_edge():
    target = np.repeat(data.camera()[:200, :200, None], 3, axis=2)
    preds = noisy(target[..., :1], 15).repeat(3, axis=2)
    whole = structural_similarity(
        preds, target, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
        full=True,
    )[1]  # fmt: skip
    assert ssim_matlab(preds, target) == pytest.approx(float(whole.mean()), abs=2e-3)


def test_the_three_protocols_differ_on_the_same_frames():
    target = np.ascontiguousarray(data.coffee()[:200, :200])
    preds = noisy(target, 25)
    figures = [metric(preds, target) for metric in (ssim, ssim_matlab, ssim_uniform)]
    assert min(abs(a - b) for a, b in zip(figures, figures[1:] + figures[:1], strict=True)) > 0.005


def test_the_uniform_protocol_is_what_scikit_image_gives_per_channel():
    target = np.ascontiguousarray(data.coffee()[:60, :80])
    preds = noisy(target, 25)
    expected = np.mean([structural_similarity(preds[..., c], target[..., c], data_range=255) for c in range(3)])
    assert ssim_uniform(preds, target) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", [ssim_matlab, ssim_uniform])
def test_unusable_frames_are_one_sentence(metric):
    with pytest.raises(InputError, match="20x20 and 21x20"):
        metric(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 21, 3), np.uint8))
    with pytest.raises(InputError, match="smaller than the 11x11"):
        metric(np.zeros((10, 20, 3), np.uint8), np.zeros((10, 20, 3), np.uint8))
