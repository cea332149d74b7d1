"""MS-SSIM against torchmetrics, SSIM against the plain functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from clearcall.errors import InputError
from clearcall.evaluation.metrics import luma, ssim, ssim_y
from clearcall.evaluation.multiscale import structure
from clearcall.training.vision import load_torchvision

SHARP = np.ascontiguousarray(data.astronaut()[:200, 100:331])
SOFT = np.asarray(SHARP.astype(np.float32) * 0.9 + np.roll(SHARP, 3, axis=1) * 0.1 + 2).clip(0, 255).astype(np.uint8)


def of_torchmetrics(preds: np.ndarray, target: np.ndarray) -> float:
    """One plane of range 0-255."""
    load_torchvision()
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    planes = (torch.from_numpy(plane.astype(np.float64))[None, None] for plane in (preds, target))
    return float(multiscale_structural_similarity_index_measure(*planes, data_range=255.0))


def test_ms_ssim_agrees_with_torchmetrics() -> None:
    found = structure(SOFT, SHARP)
    of_channels = [of_torchmetrics(SOFT[..., channel], SHARP[..., channel]) for channel in range(3)]
    assert found.ms_ssim == pytest.approx(np.mean(of_channels), abs=1e-4)
    assert found.ms_ssim_y == pytest.approx(of_torchmetrics(luma(SOFT), luma(SHARP)), abs=1e-4)
    assert 0.5 < found.ms_ssim < 0.999


def test_ssim_is_that_of_the_plain_functions() -> None:
    found = structure(SOFT, SHARP)
    assert found.ssim == pytest.approx(ssim(SOFT, SHARP), abs=1e-9)
    assert found.ssim_y == pytest.approx(ssim_y(SOFT, SHARP), abs=1e-9)


def test_a_negative_scale_counts_as_nothing() -> None:
    assert structure(255 - SHARP, SHARP).ms_ssim == 0


def test_frames_too_small_for_five_scales_are_one_sentence() -> None:
    with pytest.raises(InputError, match="at least 176 pixels"):
        structure(SHARP[:175], SHARP[:175])
