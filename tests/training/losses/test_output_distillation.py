import pytest
import torch
from torch import nn

from clearcall.errors import InputError
from clearcall.training.losses import OutputDistillationLoss


def frame(*values: float) -> torch.Tensor:
    """One row of grey pixels."""
    return torch.tensor(values).expand(1, 3, 1, len(values)).clone()


def test_only_pixels_where_the_teacher_is_closer_count():
    target, preds, teacher = frame(0, 0, 0, 0), frame(0.5, 0.5, 0.5, -0.25), frame(0.25, 0.75, -0.4, 0.25)
    # Better, worse, better on the other side, as good: |0.5 - 0.25| + |0.5 + 0.4| over four pixels.
    assert OutputDistillationLoss()(preds, teacher, target).item() == pytest.approx((0.25 + 0.9) / 4)


def test_the_margin_is_what_the_teacher_must_be_better_by():
    target, preds, teacher = frame(0, 0), frame(0.5, 0.5), frame(0.25, 0.4)
    assert OutputDistillationLoss(margin=0.2)(preds, teacher, target).item() == pytest.approx(0.25 / 2)


def test_a_pixel_is_judged_by_its_three_colours_together():
    target, preds, teacher = torch.zeros(1, 3, 1, 1), torch.zeros(1, 3, 1, 1), torch.zeros(1, 3, 1, 1)
    preds[0, :, 0, 0], teacher[0, :, 0, 0] = torch.tensor([0.6, 0.0, 0.0]), torch.tensor([0.0, 0.3, 0.0])
    assert OutputDistillationLoss()(preds, teacher, target).item() == pytest.approx((0.6 + 0.3) / 3)


def test_a_teacher_that_is_worse_everywhere_teaches_nothing(batch):
    _, sharp = batch
    preds = (sharp + 0.01).requires_grad_()
    value = OutputDistillationLoss()(preds, sharp + 0.02, sharp)
    value.backward()
    assert value.item() == 0
    assert not preds.grad.any()


def test_gradients_match_finite_differences_and_stay_away_from_teacher_and_truth():
    torch.manual_seed(0)
    preds, teacher, target = (torch.rand(1, 3, 5, 4, dtype=torch.float64) for _ in range(3))
    preds.requires_grad_()
    teacher.requires_grad_()
    assert torch.autograd.gradcheck(lambda preds: OutputDistillationLoss()(preds, teacher, target), preds)
    OutputDistillationLoss()(preds, teacher, target).backward()
    assert teacher.grad is None


def test_it_falls_when_a_student_trains_on_one_batch(batch, student, share_left_after_training):
    degraded, sharp = batch
    unsharp = torch.full((3, 1, 3, 3), -0.15)
    unsharp[:, :, 1, 1] = 1 + 8 * 0.15
    teacher = nn.functional.conv2d((degraded - 0.2) / 0.6, unsharp, padding=1, groups=3)
    loss = OutputDistillationLoss()
    assert share_left_after_training(student.parameters(), lambda: loss(student(degraded), teacher, sharp)) < 0.9


def test_bfloat16_and_channels_last(batch):
    preds, target = (side.to(torch.bfloat16, memory_format=torch.channels_last) for side in batch)
    teacher = target * 0.99
    expected = OutputDistillationLoss()(preds.float(), teacher.float(), target.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = OutputDistillationLoss()(preds, teacher, target)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)


def test_shapes_that_differ_are_refused():
    with pytest.raises(InputError, match="one shape"):
        OutputDistillationLoss()(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8))
