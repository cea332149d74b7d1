import numpy as np
import pytest
import torch
from torch import nn

from clearcall.errors import RecipeError
from clearcall.training.losses import LOSSES, FrequencyLoss, L1Loss, PerceptualLoss, WeightedLosses


def never() -> nn.Module:
    raise AssertionError("a loss of weight 0 was made")


def test_weight_zero_leaves_a_loss_out():
    losses = WeightedLosses({"l1": 0.5, "ssim": 0.0, "charbonnier": 2.0, "perceptual": 0.0}, {"perceptual": never})
    preds, target = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    total, parts = losses(preds, target)  # frames too small for the SSIM window: it must not run
    assert set(parts) == {"l1", "charbonnier"}
    assert total.item() == pytest.approx(0.5 + 2 * np.hypot(1, 1e-3))


def test_terms_are_taken_ready_or_made(vgg_file):
    ready = PerceptualLoss({"relu1_1": 1.0}, vgg_file)
    losses = WeightedLosses({"perceptual": 1.0, "frequency": 1.0}, {"perceptual": ready, "frequency": FrequencyLoss})
    assert losses.terms["perceptual"] is ready
    assert isinstance(losses.terms["frequency"], FrequencyLoss)


def test_a_term_may_have_a_name_of_its_own():
    total, parts = WeightedLosses({"mine": 3.0}, {"mine": L1Loss()})(torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2))
    assert (total.item(), parts["mine"].item()) == (3.0, 1.0)


def test_without_any_weight_the_sum_is_zero():
    total, parts = WeightedLosses(dict.fromkeys(LOSSES, 0.0))(torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2))
    assert total.item() == 0
    assert parts == {}


def test_an_unknown_loss_names_the_nearest():
    with pytest.raises(RecipeError, match=r"frequncy is not a loss; the nearest is frequency\."):
        WeightedLosses({"frequncy": 1.0})
