"""A tiny student, one batch, and VGG-19 weights made up at random: enough for each loss."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data
from torch import Tensor

from clearcall.training.losses.vgg import shapes
from clearcall.training.student import Student, StudentConfig


def random_vgg(deepest: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        key: torch.randn(shape, generator=generator) * (2 / max(1, np.prod(shape[1:]))) ** 0.5 * (len(shape) > 1)
        for key, shape in shapes(deepest).items()
    }


@pytest.fixture(scope="session")
def vgg_weights():
    """Random weights of VGG-19 up to a layer, by torchvision's names, with biases of 0."""
    return random_vgg


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory):
    """VGG-19 up to relu2_2, with random weights."""
    path = tmp_path_factory.mktemp("vgg") / "first-layers.safetensors"
    save_file(random_vgg("relu2_2"), path)
    return str(path)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Pale and blurred, and sharp: two squares of a photograph, (2, 3, 24, 24)."""
    photograph = torch.from_numpy(data.astronaut()[80:128, 200:224].copy()).float().div(255)
    sharp = torch.stack([photograph[:24], photograph[24:]]).permute(0, 3, 1, 2).contiguous()
    blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1, count_include_pad=False)
    return 0.2 + 0.6 * blurred, sharp


@pytest.fixture
def student() -> Student:
    torch.manual_seed(0)
    return Student(StudentConfig(width=8, depth=3))


@pytest.fixture
def share_left_after_training():
    """Train something on a loss; what is left of the loss after 60 steps, as a share of the loss before."""

    def train(parameters, loss: Callable[[], Tensor]) -> float:
        optimiser = torch.optim.Adam(parameters, lr=3e-3)
        before = loss().item()
        for _ in range(60):
            optimiser.zero_grad()
            loss().backward()
            optimiser.step()
        return loss().item() / before

    return train
