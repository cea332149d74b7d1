import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch.nn import functional

from clearcall.errors import RecipeError
from clearcall.training.teachers.tiles import restore_in_tiles

LEVEL = 1 / 255


def blurred(frames):
    """A local operation: 5 x 5 mean, zeros around."""
    return functional.avg_pool2d(frames, 5, 1, 2)


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    unit=st.sampled_from([1, 2, 4]),
    tile=st.integers(12, 60),
    overlap=st.integers(8, 20),
)
def test_a_local_operation_gives_the_same_in_tiles(height, width, unit, tile, overlap):
    frames = torch.rand(1, 3, height * 4, width * 4)
    if (tile // unit * unit - overlap) // unit < 1:
        with pytest.raises(RecipeError, match=f"Tiles of {tile} pixels can't overlap by {overlap}"):
            restore_in_tiles(blurred, frames, tile=tile, overlap=overlap, unit=unit)
        return
    sizes = []

    def restore(part):
        sizes.append(part.shape[-2:])
        return blurred(part)

    tiled = restore_in_tiles(restore, frames, tile=tile, overlap=overlap, unit=unit)
    assert torch.allclose(tiled, blurred(frames), atol=1e-5)
    assert all(max(size) <= tile for size in sizes)
    assert all(side % unit == 0 for size in sizes for side in size)


def test_without_overlap_tiles_only_stand_side_by_side():
    frames = torch.rand(2, 3, 10, 14)
    assert torch.allclose(restore_in_tiles(lambda part: part, frames, tile=4, overlap=0, unit=1), frames)


def test_a_step_between_tiles_is_spread_over_the_overlap():
    values = iter([0.0, 1.0])
    frames = torch.zeros(1, 1, 32, 96)
    tiled = restore_in_tiles(lambda part: torch.full_like(part, next(values)), frames, tile=64, overlap=32, unit=1)
    row = tiled[0, 0, 0]
    assert row[0] == 0
    assert row[-1] == 1
    assert row.diff().min() >= 0
    assert row.diff().max() < 0.08


def photograph():
    return np.ascontiguousarray(data.astronaut()[60:173, 120:253])


def test_a_network_without_global_operations_gives_the_same_in_tiles(tiny):
    teacher = tiny("swinir")
    whole, tiled = (teacher.restore(photograph(), tile=tile).astype(int) for tile in (0, 72))
    assert np.abs(whole - photograph()).max() > 2, "the network does something"
    assert np.abs(tiled - whole).max() <= 1
    assert np.mean(tiled != whole) < 0.01


@pytest.fixture
def attentive(tiny):
    """A NAFNet whose global pooling matters much."""
    teacher = tiny()
    for name, parameter in teacher.named_parameters():
        if name.endswith(("beta", "gamma")):
            torch.nn.init.normal_(parameter, std=1)
        elif ".sca." in name and name.endswith("weight"):
            torch.nn.init.normal_(parameter, std=3)
    return teacher


def planes():
    return torch.from_numpy(photograph()).permute(2, 0, 1)[None] / 255


def test_nafnet_differs_in_tiles_by_its_global_pooling_alone(attentive):
    whole, tiled = attentive(planes()), attentive._in_tiles(planes(), 96, 64)
    assert (whole - planes()).abs().mean() > 10 * LEVEL, "the network does something"
    assert (tiled - whole).abs().max() > LEVEL
    for module in attentive.network.modules():
        if hasattr(module, "sca"):
            module.sca[0] = torch.nn.Identity()
    whole, tiled = attentive(planes()), attentive._in_tiles(planes(), 96, 64)
    assert (whole - planes()).abs().mean() > 10 * LEVEL
    assert (tiled - whole).abs().max() < LEVEL / 10


def steepest(change):
    """The largest step from one column or row to the next, against the usual one: a seam stands out."""
    steps = [change.diff(dim=side).abs().mean((0, 1, 5 - side)) for side in (2, 3)]
    return max(float(step.max() / step.median()) for step in steps)


def test_where_tiles_differ_no_seam_shows(attentive):
    blended, abrupt = (attentive._in_tiles(planes(), 96, overlap) - attentive(planes()) for overlap in (64, 0))
    assert steepest(blended) < 4
    assert steepest(abrupt) > 10


@pytest.mark.parametrize("architecture", ["nafnet", "swinir", "restormer", "mprnet"])
def test_frames_of_any_size_are_restored_in_tiles(architecture, tiny):
    teacher = tiny(architecture)
    frame = photograph()[:70, :51]
    assert teacher.restore(frame, tile=48, overlap=16).shape == frame.shape
    assert np.array_equal(teacher.restore(frame, tile=4096), teacher.restore(frame))


def test_a_super_resolution_teacher_works_in_tiles(tiny):
    teacher = tiny("swinir", scale=2)
    whole, tiled = (teacher.restore(photograph(), tile=tile, overlap=48).astype(int) for tile in (0, 96))
    assert np.abs(tiled - whole).max() <= 1


def test_tiles_too_small_for_the_overlap_are_refused(tiny):
    with pytest.raises(RecipeError, match="Tiles of 40 pixels can't overlap by 64: give at least 72 pixels"):
        tiny().restore(photograph(), tile=40, overlap=64)
    with pytest.raises(RecipeError, match="can't overlap by -1"):
        tiny().restore(photograph(), tile=40, overlap=-1)
    assert tiny().restore(photograph()[:80, :90], tile=72, overlap=64).shape == (80, 90, 3)
