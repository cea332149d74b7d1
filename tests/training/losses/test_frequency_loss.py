import math

import numpy as np
import pytest
import torch

from clearcall.training.losses import FrequencyLoss


def waves(columns: int, shift: float, amplitude: float = 0.5) -> torch.Tensor:
    """Two vertical waves over the width of a frame, shifted by an angle."""
    angles = torch.arange(columns, dtype=torch.float64) * (2 * math.pi * 2 / columns) - shift
    return (amplitude * torch.cos(angles)).expand(1, 3, 6, columns)


@pytest.mark.parametrize("columns", [9, 12])
def test_a_wave_of_another_height_counts_by_its_magnitude(columns):
    value = FrequencyLoss()(waves(columns, 0.3, amplitude=0.2), waves(columns, 0.3, amplitude=0.5))
    pixels = 6 * columns
    # Two mirrored frequencies of magnitude amplitude / 2 * sqrt(pixels), averaged over all.
    assert value.item() == pytest.approx(2 * (0.5 - 0.2) / 2 * math.sqrt(pixels) / pixels)


@pytest.mark.parametrize("shift", [0.1, 1.0, math.pi, 2 * math.pi - 0.1])
def test_a_shifted_wave_counts_by_the_chord_of_its_phase(shift):
    value = FrequencyLoss(phase=0.5)(waves(12, 0.0), waves(12, shift))
    assert value.item() == pytest.approx(0.5 * 2 * 0.25 * math.sqrt(72) / 72 * 2 * math.sin(shift / 2))


def test_whole_turns_of_the_phase_count_nothing():
    assert FrequencyLoss()(waves(12, 0.0), waves(12, 2 * math.pi)).item() == pytest.approx(0, abs=1e-12)
    near = FrequencyLoss()(waves(12, -math.pi + 0.01), waves(12, math.pi - 0.01)).item()
    assert near == pytest.approx(FrequencyLoss()(waves(12, 0.0), waves(12, 0.02)).item())


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 6)])
def test_it_is_the_formula_over_the_whole_spectrum_of_numpy(size):
    rng = np.random.default_rng(0)
    preds, target = rng.random((2, 2, 3, *size))
    x, y = np.fft.fft2(preds, norm="ortho"), np.fft.fft2(target, norm="ortho")
    turn = np.angle(x) - np.angle(y)
    magnitude, phase = abs(abs(x) - abs(y)), np.minimum(abs(x), abs(y)) * 2 * abs(np.sin(turn / 2))
    value = FrequencyLoss(phase=0.7)(torch.from_numpy(preds), torch.from_numpy(target))
    assert value.item() == pytest.approx((magnitude + 0.7 * phase).mean())


def test_noise_weighs_the_same_at_any_size():
    torch.manual_seed(0)
    small, large = (torch.rand(4, 3, side, side) for side in (16, 64))
    values = [FrequencyLoss()(frame + 0.1 * torch.randn_like(frame), frame).item() for frame in (small, large)]
    assert values[0] == pytest.approx(values[1], rel=0.1)


def test_gradients_are_bounded_where_a_magnitude_is_tiny():
    target = torch.rand(1, 3, 16, 16)
    blurred = (0.5 + 1e-9 * torch.rand(1, 3, 16, 16).double()).requires_grad_()
    FrequencyLoss()(blurred, target.double()).backward()
    # At most sqrt(2) / pixels at each frequency: in the sum of squares no more than twice that of L1.
    assert blurred.grad.norm() <= math.sqrt(2 / target.numel()) * (1 + 1e-9)


def test_frames_without_gradient_are_measured_too():
    with torch.no_grad():
        assert FrequencyLoss()(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)).item() == 0
