"""What every restoration loss must do, and the values of L1, Charbonnier and SSIM."""

import numpy as np
import pytest
import torch

from clearcall.errors import InputError
from clearcall.evaluation.metrics import ssim
from clearcall.training.losses import LOSSES, CharbonnierLoss, L1Loss, PerceptualLoss, SSIMLoss


@pytest.fixture(params=sorted(LOSSES))
def loss(request, vgg_file):
    if request.param == "perceptual":
        return PerceptualLoss({"relu1_2": 1.0, "relu2_2": 0.5}, vgg_file)
    return LOSSES[request.param]()


def test_l1_and_charbonnier_by_hand():
    preds, target = torch.tensor([[0.0, 0.5]]), torch.tensor([[0.25, 1.0]])
    assert L1Loss()(preds, target).item() == pytest.approx((0.25 + 0.5) / 2)
    expected = (np.hypot(0.25, 0.1) + np.hypot(0.5, 0.1)) / 2
    assert CharbonnierLoss(epsilon=0.1)(preds, target).item() == pytest.approx(expected)


def test_ssim_of_flat_frames_is_the_luminance_term():
    black, grey = torch.zeros(1, 3, 11, 11), torch.full((1, 3, 11, 11), 0.5)
    c1 = 0.01**2
    assert SSIMLoss()(black, grey).item() == pytest.approx(1 - c1 / (0.25 + c1), abs=1e-5)


def test_ssim_is_that_of_the_evaluation():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (24, 30, 3), np.uint8)
    preds = np.clip(target + rng.normal(0, 25, target.shape), 0, 255).round().astype(np.uint8)
    batch = [torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255 for frame in (preds, target)]
    assert 1 - SSIMLoss()(*batch).item() == pytest.approx(ssim(preds, target), abs=1e-4)


def test_gradients_match_finite_differences(loss):
    torch.manual_seed(0)
    preds = torch.rand(1, 3, 12, 11, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, 3, 12, 11, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda preds: loss.double()(preds, target), preds, fast_mode=True)


@pytest.mark.parametrize("preds", [0.0, 0.5, 1.0, 1e-25, "same", "negative"])
@pytest.mark.parametrize("target", [0.0, 0.5, "noise"])
def test_gradients_are_finite_where_slopes_break(loss, preds, target):
    truth = torch.rand(1, 3, 16, 16) if target == "noise" else torch.full((1, 3, 16, 16), target)
    start = {"same": truth.clone(), "negative": -truth}.get(preds)
    start = torch.full_like(truth, preds) if start is None else start
    value = loss(start.requires_grad_(), truth)
    value.backward()
    assert value.isfinite()
    assert start.grad.isfinite().all()
    assert value.item() == pytest.approx(0, abs=1.01e-3) or preds != "same"


def test_each_loss_falls_when_a_student_trains_on_one_batch(loss, batch, student, share_left_after_training):
    degraded, sharp = batch
    assert share_left_after_training(student.parameters(), lambda: loss(student(degraded), sharp)) < 0.95


def test_bfloat16_and_channels_last_change_next_to_nothing(loss, batch):
    preds, target = batch
    preds = preds.bfloat16().float()  # so that bfloat16 holds it exactly
    expected = loss(preds, target).item()
    last = preds.to(torch.bfloat16, memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(last, target.contiguous(memory_format=torch.channels_last))
    value.backward()
    assert value.dtype == torch.float32
    within = 3e-2 if isinstance(loss, PerceptualLoss) else 1e-5  # its network runs in bfloat16, as autocast asks
    assert value.item() == pytest.approx(expected, rel=within)
    assert last.grad.isfinite().all()
    assert last.grad.abs().max() > 0


def test_half_a_batch_on_each_device_gives_the_gradient_of_the_whole(loss, batch):
    preds, target = (side.double() for side in batch)
    loss.double()
    whole = preds.clone().requires_grad_()
    loss(whole, target).backward()
    halves = preds.clone().requires_grad_()
    for index in range(2):
        (loss(halves[index : index + 1], target[index : index + 1]) / 2).backward()
    assert torch.allclose(whole.grad, halves.grad, rtol=1e-6, atol=1e-12)


def test_shapes_that_differ_are_refused_rather_than_stretched(loss):
    with pytest.raises(InputError, match=r"\(1, 3, 16, 16\) and \(2, 3, 16, 16\)"):
        loss(torch.zeros(1, 3, 16, 16), torch.zeros(2, 3, 16, 16))


def test_no_loss_puts_anything_into_checkpoints(loss):
    assert not loss.state_dict()
    assert not list(loss.parameters())
