import pytest
import torch
from torch import nn

from clearcall.errors import RecipeError
from clearcall.training.losses import FeatureDistillationLoss


def one_to_one(channels: int = 1) -> FeatureDistillationLoss:
    return FeatureDistillationLoss([("own", "theirs")], {"own": channels}, {"theirs": channels})


def compare(own: torch.Tensor, theirs: torch.Tensor) -> float:
    return one_to_one(own.shape[1])({"own": own}, {"theirs": theirs}).item()


def test_it_is_one_minus_the_correlation_by_hand():
    own = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)
    theirs = torch.tensor([1.0, 3.0, 2.0, 4.0]).view(1, 1, 2, 2)
    assert compare(own, theirs) == pytest.approx(1 - 0.8, abs=1e-3)  # r = (2.25 + 2 * -0.25 + 2.25) / 5
    assert compare(own, 1000 * own + 7) == pytest.approx(0, abs=1e-3)
    assert compare(own, -0.001 * own) == pytest.approx(2, abs=1e-2)


def test_it_is_torch_s_correlation_averaged_over_channels_and_pictures():
    torch.manual_seed(0)
    own, theirs = torch.rand(2, 3, 5, 6), torch.rand(2, 3, 5, 6)
    pairs = zip(own.flatten(0, 1).flatten(1), theirs.flatten(0, 1).flatten(1), strict=True)
    expected = torch.stack([1 - torch.corrcoef(torch.stack(pair))[0, 1] for pair in pairs]).mean()
    assert compare(own, theirs) == pytest.approx(expected.item(), abs=1e-3)


def test_a_dead_channel_of_the_teacher_counts_half_and_pulls_at_nothing():
    torch.manual_seed(0)
    own, theirs = torch.rand(1, 2, 6, 6, requires_grad=True), torch.rand(1, 2, 6, 6)
    theirs[:, 1] = 3.0
    one_to_one(2)({"own": own}, {"theirs": theirs}).backward()
    assert own.grad[:, 1].abs().max() < 1e-3 * own.grad[:, 0].abs().max()


@pytest.mark.parametrize(("height", "width"), [(4, 4), (16, 16), (4, 16), (8, 8), (3, 5)])
def test_the_teacher_s_maps_are_brought_to_the_student_s_size(height, width):
    slope = torch.linspace(0, 1, 64)
    whole = (slope[:, None] + slope[None, :] ** 2).view(1, 1, 64, 64)
    own, theirs = (nn.functional.adaptive_avg_pool2d(whole, size) for size in ((8, 8), (height, width)))
    assert compare(own, theirs) < 0.02


def test_areas_are_averaged_when_shrunk():
    checkers = (torch.arange(16)[:, None] + torch.arange(16)[None, :]) % 2
    ramp = torch.arange(16.0).view(1, 1, 1, 16).expand(1, 1, 16, 16)
    own = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 8, 8).clone()
    assert compare(own, ramp + 50 * checkers) == pytest.approx(0, abs=1e-3)  # samples would keep some checkers


def test_adaptors_are_there_where_channels_differ_and_only_there():
    channels = {"a": 4, "b": 8}
    loss = FeatureDistillationLoss([("a", "x"), ("b", "x"), ("b", "y")], channels, {"x": 8, "y": 6})
    assert [tuple(parameter.shape) for parameter in loss.parameters()] == [(8, 4, 1, 1), (6, 8, 1, 1)]


def test_pairs_weigh_the_same():
    own, theirs = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4)
    loss = FeatureDistillationLoss([("own", "theirs"), ("own", "own")], {"own": 1}, {"theirs": 1, "own": 1})
    both = loss({"own": own}, {"theirs": theirs, "own": own}).item()
    assert both == pytest.approx(compare(own, theirs) / 2, abs=1e-3)


def test_gradients_match_finite_differences_for_student_and_adaptor():
    torch.manual_seed(0)
    loss = FeatureDistillationLoss([("own", "theirs")], {"own": 2}, {"theirs": 3}).double()
    own = torch.rand(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    theirs = torch.rand(2, 3, 8, 2, dtype=torch.float64, requires_grad=True)
    (weight,) = loss.parameters()
    assert torch.autograd.gradcheck(lambda own, weight: loss({"own": own}, {"theirs": theirs}), (own, weight))
    loss({"own": own}, {"theirs": theirs}).backward()
    assert theirs.grad is None


@pytest.mark.parametrize("own", [0.0, 1.0])
@pytest.mark.parametrize("theirs", [0.0, "noise"])
def test_gradients_are_finite_for_maps_that_are_constant(own, theirs):
    maps = torch.full((1, 2, 4, 4), own, requires_grad=True)
    hint = torch.rand(1, 2, 4, 4) if theirs == "noise" else torch.zeros(1, 2, 4, 4)
    value = one_to_one(2)({"own": maps}, {"theirs": hint})
    value.backward()
    assert value.isfinite()
    assert maps.grad.isfinite().all()


def test_it_falls_when_a_student_trains_on_one_batch(batch, student, share_left_after_training):
    degraded, _ = batch
    torch.manual_seed(1)
    teacher = nn.Sequential(nn.Conv2d(3, 12, 5, padding=2), nn.ReLU()).requires_grad_(False)
    hints = {"relu": teacher(degraded)}
    loss = FeatureDistillationLoss(
        [("conv1", "relu"), ("conv2", "relu")], dict.fromkeys(student.feature_points, 8), {"relu": 12}
    )

    def compute():
        return loss(student.with_features(degraded, ["conv1", "conv2"])[1], hints)

    assert share_left_after_training([*student.parameters(), *loss.parameters()], compute) < 0.7


def test_bfloat16_and_channels_last_give_a_float32_loss():
    torch.manual_seed(0)
    loss = FeatureDistillationLoss([("own", "theirs")], {"own": 4}, {"theirs": 6})
    own, theirs = torch.rand(2, 4, 8, 8), torch.rand(2, 6, 4, 4)
    expected = loss({"own": own}, {"theirs": theirs}).item()
    low = [maps.to(torch.bfloat16, memory_format=torch.channels_last) for maps in (own, theirs)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss({"own": low[0].requires_grad_()}, {"theirs": low[1]})
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, rel=2e-2)
    assert low[0].grad.isfinite().all()


def test_unknown_points_name_the_nearest():
    with pytest.raises(RecipeError, match=r"conv9 is not a feature point of the student; the nearest is conv1\."):
        FeatureDistillationLoss([("conv9", "x")], {"conv1": 4}, {"x": 8})
    with pytest.raises(RecipeError, match=r"decoder is not a feature point of the teacher; the nearest is decoder1\."):
        FeatureDistillationLoss([("conv1", "decoder")], {"conv1": 4}, {"decoder1": 8, "x": 8})
    with pytest.raises(RecipeError, match="no pair of points"):
        FeatureDistillationLoss([], {"conv1": 4}, {"x": 8})
    with pytest.raises(RecipeError, match="theirs is not a feature point of the teacher; it has none"):
        one_to_one()({"own": torch.rand(1, 1, 2, 2)}, {})
