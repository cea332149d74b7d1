import pytest
import torch

from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.teacher import Teacher, build_teacher

TINY = {
    "nafnet": {"width": 4, "encoder": (1, 1), "middle": 1, "decoder": (1, 1)},
    "restormer": {"options": {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1, "heads": [1, 1, 2, 2]}},
    "swinir": {"options": {"img_size": 16, "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4}},
    "mprnet": {"options": {"n_feat": 8, "scale_unetfeats": 4, "scale_orsnetfeats": 4, "num_cab": 1}},
}


@pytest.fixture(params=TINY)
def family(request) -> str:
    return request.param


@pytest.fixture
def tiny():
    """Makes a tiny teacher with weights that all matter; the same ones every time."""

    def make(architecture: str = "nafnet", *, trainable: bool = False, **sizes) -> Teacher:
        torch.manual_seed(0)
        values = {**TINY[architecture], **sizes}
        teacher = build_teacher(TeacherConfig(architecture=architecture, **values), trainable=trainable)
        for name, parameter in teacher.named_parameters():
            if name.endswith(("beta", "gamma")):
                torch.nn.init.normal_(parameter, std=0.3)
        return teacher

    return make


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))
