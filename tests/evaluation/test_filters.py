"""FFmpeg's filters as functions of an RGB frame."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from skimage import data

from clearcall.errors import InputError, RecipeError
from clearcall.evaluation.filters import FFmpegFilter, cas, unsharp
from clearcall.evaluation.metrics import ssim

SHARP = data.coffee()[:200, :300]


def soft() -> np.ndarray:
    half = Image.fromarray(SHARP).resize((150, 100), Image.Resampling.BICUBIC)
    return np.asarray(half.resize((300, 200), Image.Resampling.BILINEAR))


def test_unsharp_of_zero_changes_nothing() -> None:
    assert np.array_equal(unsharp(0)(SHARP), SHARP)


@pytest.mark.parametrize("sharpen", [unsharp(0.5), unsharp(), unsharp(1, size=3), cas(0.5), cas(0.9)])
def test_each_brings_a_soft_picture_nearer_to_the_truth(sharpen: FFmpegFilter) -> None:
    before = soft()
    after = sharpen(before)
    assert after.shape == before.shape
    assert after.dtype == np.uint8
    assert ssim(after, SHARP) > ssim(before, SHARP) + 0.003


def test_unsharp_is_the_classical_mask() -> None:
    """Against NumPy: frame + amount * (frame - blur), with FFmpeg's binomial 5x5 blur."""
    frame = data.astronaut()[100:180, 200:300]
    taps = np.array([1, 4, 6, 4, 1]) / 16
    padded = np.pad(frame.astype(float), ((2, 2), (2, 2), (0, 0)), mode="edge")
    rows = sum(tap * padded[i : i + 80] for i, tap in enumerate(taps))
    blur = sum(tap * rows[:, i : i + 100] for i, tap in enumerate(taps))
    expected = np.clip(frame + 1.5 * (frame - blur), 0, 255)
    assert np.abs(unsharp(1.5)(frame).astype(float) - expected).max() <= 1.5


def test_channels_stay_apart() -> None:
    red = SHARP * np.array([1, 0, 0], np.uint8)
    assert not unsharp(2)(red)[..., 1:].any()


@pytest.mark.parametrize("shape", [(11, 11, 3), (65, 33, 3), (12, 200, 3)])
@pytest.mark.parametrize("sharpen", [unsharp(), cas()])
def test_odd_and_small_sizes(sharpen: FFmpegFilter, shape: tuple[int, int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert sharpen(frame).shape == shape


def test_one_filter_serves_many_threads_and_sizes() -> None:
    sharpen = unsharp(1)
    frames = [SHARP[: 60 + 10 * (i % 3), : 80 + 7 * (i % 4)] for i in range(24)]
    expected = [unsharp(1)(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(np.array_equal, pool.map(sharpen, frames), expected))


def test_bad_values_are_one_sentence() -> None:
    with pytest.raises(RecipeError, match=r"from -1\.5 to 5"):
        unsharp(9)
    with pytest.raises(RecipeError, match="odd size"):
        unsharp(1, size=4)
    with pytest.raises(RecipeError, match="from 0 to 1"):
        cas(1.5)
    with pytest.raises(InputError, match="float64"):
        unsharp()(np.zeros((20, 20, 3)))
