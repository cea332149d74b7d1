"""The weighted sum of all losses, and each family of teachers teaching a student."""

from copy import deepcopy

import pytest
import torch
from safetensors.torch import save_file

from clearcall.errors import RecipeError
from clearcall.training import distillation
from clearcall.training.distillation import Distillation
from clearcall.training.recipe import parse_recipe
from clearcall.training.student import Student
from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.teacher import build_teacher
from clearcall.training.views import other_views

SEED = 11
TINY = {
    "nafnet": {"width": 8, "encoder": (1,), "middle": 1, "decoder": (1,), "stride": 2},
    "restormer": {"options": {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1, "heads": [1, 1, 1, 1]}},
    "swinir": {"options": {"embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4}},
    "mprnet": {"options": {"n_feat": 8, "scale_unetfeats": 4, "scale_orsnetfeats": 4, "num_cab": 1}},
}
POINT = {"nafnet": "decoder1", "restormer": "decoder_level1", "swinir": "stage1", "mprnet": "stage1_decoder1"}


def batch(squares=2, size=32):
    chance = torch.Generator().manual_seed(SEED)
    sharp = torch.rand(squares, 3, size, size, generator=chance)
    soft = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1)
    return soft, sharp


def recipe(losses, architecture="nafnet", **more):
    values = {
        "name": "tiny",
        "student": {"width": 8, "depth": 3},
        "teacher": {"architecture": architecture},
        "losses": {"l1": 0.0} | losses,
        "distillation": {"features": [["conv2", POINT[architecture]]]},
    }
    return parse_recipe(values | more, "tiny")


def tiny_teacher(architecture="nafnet"):
    torch.manual_seed(SEED)
    return build_teacher(TeacherConfig(architecture=architecture, **TINY[architecture]))


@pytest.fixture
def student():
    torch.manual_seed(SEED)
    student = Student(recipe({"l1": 1.0}).student)
    for parameter in student.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return student


def test_the_total_is_the_weighted_sum_of_its_parts(student):
    weights = {"l1": 2.0, "ssim": 0.5, "frequency": 0.1, "output": 3.0, "feature": 0.7, "views": 0.2}
    teaching = Distillation(recipe(weights), student, tiny_teacher())
    total, parts = teaching(student, batch(), seed=1)
    assert set(parts) == set(weights)
    assert total.item() == pytest.approx(sum(weights[name] * part.item() for name, part in parts.items()), rel=1e-5)
    assert parts["l1"].item() == pytest.approx((student(batch()[0]) - batch()[1]).abs().mean().item(), rel=1e-5)


def test_what_has_no_weight_costs_nothing(student, monkeypatch):
    teacher = tiny_teacher()
    monkeypatch.setattr(type(teacher), "forward", lambda *_: pytest.fail("the teacher ran"))
    monkeypatch.setattr(distillation, "PerceptualLoss", lambda *_: pytest.fail("VGG was built"))
    _, parts = Distillation(recipe({"l1": 1.0}), student, teacher)(student, batch(), seed=1)
    assert set(parts) == {"l1"}


def test_kept_outputs_spare_the_teacher(student, monkeypatch):
    teacher = tiny_teacher()
    degraded, sharp = batch()
    teaching = Distillation(recipe({"output": 1.0}), student, teacher)
    total, _ = teaching(student, (degraded, sharp), seed=1)
    taught = teacher(degraded)
    monkeypatch.setattr(type(teacher), "forward", lambda *_: pytest.fail("the teacher ran"))
    kept, _ = teaching(student, (degraded, sharp, taught), seed=1)
    assert kept.item() == pytest.approx(total.item(), rel=1e-6)


def test_teacher_and_vgg_are_neither_trained_nor_saved_nor_copied(student, tmp_path):
    chance = torch.Generator().manual_seed(1)
    vgg = {"features.0.weight": (64, 3, 3, 3), "features.2.weight": (64, 64, 3, 3)}
    weights = {name: torch.randn(shape, generator=chance) * 0.05 for name, shape in vgg.items()}
    biases = {name.replace("weight", "bias"): torch.zeros(64) for name in vgg}
    save_file(weights | biases, tmp_path / "vgg.safetensors")
    perceptual = {"layers": {"relu1_2": 1.0}, "weights": str(tmp_path / "vgg.safetensors"), "share": 0.5}
    teacher = tiny_teacher()
    wider = {"features": [["conv2", "middle"]]}
    losses = {"feature": 1.0, "perceptual": 0.1}
    teaching = Distillation(recipe(losses, perceptual=perceptual, distillation=wider), student, teacher)
    assert deepcopy(teaching).teacher.network is teacher
    names = [name for name, _ in teaching.named_parameters()]
    assert names
    assert all(name.startswith("feature.adaptors") for name in names)
    assert set(teaching.state_dict()) == set(names)
    total, parts = teaching(student, batch(), seed=1)
    assert parts["perceptual"].item() > 0
    total.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in teaching.parameters())


def test_views_compare_student_and_teacher_on_the_same_other_view(student):
    teacher = tiny_teacher()
    views = {"views": {"zoomed": 1.0}, "features": [["conv2", "decoder1"]]}
    teaching = Distillation(recipe({"views": 1.0}, distillation=views), student, teacher)
    total, parts = teaching(student, batch(), seed=5)
    view = other_views(batch()[0], {"zoomed": 1.0}, seed=5)
    by_hand = (student(view) - teacher(view)).abs().mean().item()
    assert total.item() == pytest.approx(by_hand, rel=1e-5)
    assert parts["views"].item() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("architecture", TINY)
def test_each_family_of_teachers_distils_a_student(student, architecture):
    """Features and outputs of a teacher that was never trained are imitated all the same: the loss falls by a fifth."""
    weights = {"feature": 1.0, "views": 1.0, "l1": 0.1}
    teaching = Distillation(recipe(weights, architecture), student, tiny_teacher(architecture))
    optimiser = torch.optim.Adam([*student.parameters(), *teaching.parameters()], lr=5e-3)
    losses = []
    for _ in range(25):
        total, _ = teaching(student, batch(), seed=1)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(total.item())
    assert losses[-1] < 0.8 * losses[0]


def test_unknown_points_are_named(student):
    values = {"features": [["conv9", "decoder1"]]}
    with pytest.raises(RecipeError, match="no feature point conv9; the nearest is conv"):
        Distillation(recipe({"feature": 1.0}, distillation=values), student, tiny_teacher())
    values = {"features": [["conv1", "decodr1"]]}
    with pytest.raises(RecipeError, match="decoder1"):
        Distillation(recipe({"feature": 1.0}, distillation=values), student, tiny_teacher())


def test_teaching_losses_need_a_teacher(student):
    with pytest.raises(RecipeError, match=r"losses\.output needs a teacher"):
        parse_recipe({"name": "x", "losses": {"output": 1.0}}, "x")
    with pytest.raises(RecipeError, match="need a"):
        Distillation(recipe({"output": 1.0}), student, None)


def test_flicker_compares_with_the_frame_before(student):
    soft, sharp = batch()
    flickering = Distillation(recipe({"l1": 1.0, "flicker": 2.0}), student, None)
    total, parts = flickering(student, (soft, sharp, soft, sharp), 0)
    assert parts["flicker"].item() == 0  # nothing has changed
    _, moved = flickering(student, (soft, sharp, soft.flip(-1), sharp), 0)
    assert moved["flicker"].item() > 0
    assert torch.isclose(total, parts["l1"])


def test_flicker_needs_frames_that_have_one_before():
    with pytest.raises(RecipeError, match=r"losses\.flicker needs frames degraded with the one before"):
        recipe({"l1": 1.0, "flicker": 1.0}, data={"source": "paired"})
