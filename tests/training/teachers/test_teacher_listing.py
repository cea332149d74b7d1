"""The list of teachers: its figures are counted again, and compared with what the authors published."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from clearcall.training.teachers.config import ARCHITECTURES, TeacherConfig
from clearcall.training.teachers.listing import TEACHERS
from clearcall.training.teachers.teacher import build_teacher

PUBLISHED_MILLIONS = {
    "nafnet, published width 32": 17.1,
    "restormer": 26.1,
    "swinir": 11.5,
    "swinir, scale 2": 11.8,
    "mprnet": 20.1,
}
COUNTED_AT = {"swinir": 64, "swinir, scale 2": 128}
"""Sides at which the training size of the windows' masks is met; all of SwinIR's work grows with the area."""


@pytest.mark.parametrize("listed", TEACHERS, ids=lambda listed: listed.name)
def test_sizes_points_and_cost_are_those_of_the_network(listed):
    teacher = build_teacher(TeacherConfig(**listed.recipe))
    assert tuple(teacher.feature_points) == listed.points
    assert sum(parameter.numel() for parameter in teacher.parameters()) == listed.parameters
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    if "scale" not in listed.name:
        assert torch.isfinite(teacher(torch.rand(1, 3, 16, 16))).all()
    side = COUNTED_AT.get(listed.name, 256)
    with FlopCounterMode(display=False) as counter:
        output = teacher.to("meta").with_features(torch.zeros(1, 3, side, side, device="meta"), listed.points)
    assert output.restored.shape == (1, 3, side, side)
    assert counter.get_total_flops() // 2 * (256 // side) ** 2 == listed.macs
    if listed.name in PUBLISHED_MILLIONS:
        assert round(listed.parameters / 1e6, 1) == PUBLISHED_MILLIONS[listed.name]


def test_every_family_is_listed():
    assert {listed.architecture for listed in TEACHERS} == set(ARCHITECTURES) - {"spandrel"}
