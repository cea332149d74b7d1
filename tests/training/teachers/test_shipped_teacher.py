"""The teacher that comes with the repository."""

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from clearcall.degrade import degrade_picture, get_profile
from clearcall.evaluation.metrics import psnr, ssim
from clearcall.training.recipe import read_recipe
from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.teacher import build_teacher

SHIPPED = Path(__file__).parents[3] / "teachers" / "teacher.safetensors"


@pytest.fixture(scope="module")
def teacher():
    return build_teacher(TeacherConfig(weights=str(SHIPPED)))


@pytest.mark.parametrize(("profile", "gain"), [("bicubic-x2", 0.02), ("h264-half-crf28", 0.005), ("clean", -0.01)])
def test_it_restores_what_a_link_took_and_leaves_clean_frames_alone(teacher, profile, gain):
    sharp = np.ascontiguousarray(data.astronaut()[:256, 100:356])
    degraded = degrade_picture(sharp, get_profile(profile))
    restored = teacher.restore(degraded)
    assert ssim(restored, sharp) > ssim(degraded, sharp) + gain
    if profile != "clean":
        assert psnr(restored, sharp) > psnr(degraded, sharp) + 0.3


def test_it_is_small_and_is_what_its_recipe_says(teacher):
    assert SHIPPED.stat().st_size < 20e6
    recipe = read_recipe("teacher")
    assert recipe.teacher is not None
    for size in ("architecture", "stride", "width", "encoder", "middle", "decoder"):
        assert getattr(teacher.config, size) == getattr(recipe.teacher, size)
