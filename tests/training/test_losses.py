import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from clearcall.training.losses import LOSSES, CharbonnierLoss, L1Loss, SSIMLoss, WeightedLosses
from clearcall.training.student import Student, StudentConfig


def test_hand_computed_values():
    preds, target = torch.tensor([[0.0, 0.5]]), torch.tensor([[0.25, 1.0]])
    assert L1Loss()(preds, target).item() == pytest.approx((0.25 + 0.5) / 2)
    expected = (np.hypot(0.25, 0.1) + np.hypot(0.5, 0.1)) / 2
    assert CharbonnierLoss(epsilon=0.1)(preds, target).item() == pytest.approx(expected)


def test_ssim_of_flat_frames_is_the_luminance_term():
    black, grey = torch.zeros(1, 3, 11, 11), torch.full((1, 3, 11, 11), 0.5)
    c1 = 0.01**2
    assert SSIMLoss()(black, grey).item() == pytest.approx(1 - c1 / (0.25 + c1), abs=1e-5)


def test_ssim_agrees_with_scikit_image():
    rng = np.random.default_rng(0)
    target = rng.random((24, 30, 3)).astype(np.float32)
    preds = np.clip(target + rng.normal(0, 0.1, target.shape), 0, 1).astype(np.float32)
    expected = structural_similarity(
        preds, target, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
    )
    batch = [torch.from_numpy(frame).permute(2, 0, 1)[None] for frame in (preds, target)]
    assert 1 - SSIMLoss()(*batch).item() == pytest.approx(expected, abs=1e-4)


def test_ssim_is_computed_in_float32_under_autocast():
    frame = torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert SSIMLoss()(frame, frame).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"perceptual"}))
def test_gradients_match_finite_differences(name):
    torch.manual_seed(0)
    loss = LOSSES[name]()
    target = torch.rand(1, 3, 12, 12)
    preds = torch.rand(1, 3, 12, 12, requires_grad=True)
    loss(preds, target).backward()
    direction = torch.randn_like(preds)
    step = 1e-3
    with torch.no_grad():
        slope = (loss(preds + step * direction, target) - loss(preds - step * direction, target)) / (2 * step)
    assert (preds.grad * direction).sum().item() == pytest.approx(slope.item(), rel=0.1, abs=2e-3)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"perceptual"}))
def test_each_loss_falls_when_a_student_trains_on_one_batch(name):
    torch.manual_seed(0)
    student, loss = Student(StudentConfig(width=8, depth=3)), LOSSES[name]()
    sharp = torch.rand(2, 3, 16, 16)
    degraded = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1)
    optimiser = torch.optim.Adam(student.parameters(), lr=3e-3)
    before = loss(student(degraded), sharp).item()
    for _ in range(30):
        optimiser.zero_grad()
        loss(student(degraded), sharp).backward()
        optimiser.step()
    assert loss(student(degraded), sharp).item() < 0.97 * before


def test_weight_zero_leaves_a_loss_out():
    losses = WeightedLosses({"l1": 0.5, "ssim": 0.0, "charbonnier": 2.0})
    preds, target = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    total, parts = losses(preds, target)  # frames too small for the SSIM window: it must not run
    assert set(parts) == {"l1", "charbonnier"}
    assert total.item() == pytest.approx(0.5 + 2 * np.hypot(1, 1e-3))
