"""The loss against the metric that it stands for."""

import numpy as np
import torch

from clearcall.evaluation.flicker import Flicker
from clearcall.training.losses import FlickerLoss


def frames(seed):
    return np.random.default_rng(seed).integers(0, 256, (2, 16, 20, 3), dtype=np.uint8)


def tensors(clip):
    return tuple(torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255 for frame in clip)


def test_of_grey_it_is_the_metric_in_shares_of_the_range_of_luma():
    preds, truth = (frames(seed)[..., :1].repeat(3, axis=3) for seed in (0, 1))
    meter = Flicker()
    for shown, sharp in zip(preds, truth, strict=True):
        meter.add(shown, sharp)
    found = FlickerLoss()(tensors(preds), tensors(truth)).item()
    assert abs(found * 219 - meter.mean) < 0.01


def test_a_colour_that_changes_while_luma_stays_counts():
    grey = torch.full((1, 3, 4, 4), 0.5)
    tinted = grey + torch.tensor([0.1 * 0.587 / 0.299, -0.1, 0.0])[None, :, None, None]
    assert FlickerLoss()((tinted, grey), (grey, grey)).item() > 0.09


def test_an_error_that_stays_costs_nothing():
    truth = tensors(frames(1))
    preds = tuple(frame + 0.25 for frame in truth)
    assert FlickerLoss()(preds, truth).item() < 1e-6
