import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from clearcall.errors import InputError, MissingExtraError, OutputError, RecipeError
from clearcall.training.teachers import networks
from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.teacher import build_teacher, save_teacher
from clearcall.training.teachers.weights import read_weights
from clearcall.training.vision import load_spandrel


def spandrel_registry():
    registry = load_spandrel().MAIN_REGISTRY.copy()
    import spandrel_extra_arches

    registry.add(*spandrel_extra_arches.EXTRA_REGISTRY)
    return registry


def test_each_family_computes_what_spandrel_computes(family, tiny, frames):
    teacher = tiny(family)
    reference = spandrel_registry().load(teacher.network.state_dict())
    for frame in frames:
        assert torch.allclose(teacher(frame[None]), reference(frame[None]), atol=1e-6)


def test_each_family_takes_any_size_and_gives_it_back(family, tiny):
    teacher = tiny(family)
    for height, width in ((1, 1), (5, 33), (24, 17)):
        restored = teacher(torch.rand(1, 3, height, width))
        assert restored.shape == (1, 3, height, width)
        assert torch.isfinite(restored).all()


def test_sizes_that_do_not_divide_are_mirrored_and_cropped(family, tiny, frames):
    teacher = tiny(family)
    by = {"nafnet": 4, "swinir": 4, "restormer": 8, "mprnet": 8}[family]
    padded = np.pad(frames[..., :27, :43].numpy(), ((0, 0), (0, 0), (0, -27 % by), (0, -43 % by)), "reflect")
    expected = teacher(torch.from_numpy(padded))[..., :27, :43]
    assert torch.allclose(teacher(frames[..., :27, :43]), expected, atol=1e-6)


def test_a_frozen_teacher_learns_nothing_and_stays_in_eval_mode(family, tiny, frames):
    teacher = tiny(family)
    holder = torch.nn.Sequential(teacher).train()
    output = teacher.with_features(frames.requires_grad_(), list(teacher.feature_points))
    assert not any(module.training for module in holder[0].modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not output.restored.requires_grad
    assert not any(feature.requires_grad for feature in output.features.values())
    # Outputs are plain tensors that a student's graph may hold on to.
    (torch.ones(1, requires_grad=True) * output.restored).sum().backward()


def test_a_trainable_teacher_learns(family, tiny, frames):
    teacher = tiny(family, trainable=True)
    assert teacher.training
    optimiser = torch.optim.Adam(teacher.parameters(), lr=3e-3)
    losses = []
    for _ in range(4):
        loss = functional.l1_loss(teacher(frames[..., :16, :16]), torch.full((2, 3, 16, 16), 0.5))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert not teacher.eval().training


def test_a_new_nafnet_to_be_trained_starts_with_the_frame_itself(frames):
    sizes = {"width": 4, "encoder": (1,), "middle": 1, "decoder": (1,), "stride": 2}
    assert torch.equal(build_teacher(TeacherConfig(**sizes), trainable=True)(frames), frames)


def test_unshuffled_frames_are_cut_as_the_paper_says(tiny, frames):
    teacher = tiny(stride=2)
    given = torch.cat([frames[:, :, y::2, x::2][:, :, None] for y in (0, 1) for x in (0, 1)], 2).flatten(1, 2)
    low = teacher.network(given)
    expected = torch.empty_like(frames)
    for place in range(4):
        expected[:, :, place // 2 :: 2, place % 2 :: 2] = low[:, place::4]
    assert torch.allclose(teacher(frames), expected.clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_super_resolution_teacher_is_given_the_frame_brought_down_by_its_scale(scale, tiny):
    teacher = tiny("swinir", scale=scale)
    assert teacher.scale == scale
    frame = np.random.default_rng(0).random((3, 16 * scale, 24 * scale), np.float32)
    small = [Image.fromarray(plane).resize((24, 16), Image.Resampling.BICUBIC) for plane in frame]
    low = torch.from_numpy(np.stack([np.asarray(plane) for plane in small]))[None].clamp(0, 1)
    restored = teacher(torch.from_numpy(frame)[None])
    assert restored.shape == (1, 3, 16 * scale, 24 * scale)
    assert torch.allclose(restored, teacher.network(low).clamp(0, 1), atol=2e-3)
    assert teacher(torch.rand(1, 3, 8 * scale + 1, 5)).shape == (1, 3, 8 * scale + 1, 5)


def test_frames_of_8_bits_are_restored_as_tensors_are(tiny):
    teacher = tiny()
    frame = np.random.default_rng(0).integers(0, 256, (21, 34, 3), np.uint8)
    planes = torch.from_numpy(frame).permute(2, 0, 1)[None] / 255
    expected = (teacher(planes)[0] * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)
    assert np.array_equal(teacher.restore(frame), expected)
    with pytest.raises(InputError, match="frame"):
        teacher.restore(frame[..., 0])


def test_the_same_teacher_has_the_same_fingerprint_and_another_one_another(tiny):
    fingerprint = tiny().fingerprint
    assert fingerprint == tiny().fingerprint
    changed = tiny()
    with torch.no_grad():
        changed.network.intro.bias[0] += 1e-6
    others = [changed, tiny(stride=2), tiny(width=8), tiny("swinir"), tiny(self_ensemble=True)]
    others.append(tiny(precision="bf16-mixed"))
    assert len({fingerprint, *(other.fingerprint for other in others)}) == 7


def test_bfloat16_changes_outputs_by_little_and_their_type_not_at_all(family, tiny, frames):
    exact, rounded = tiny(family)(frames), tiny(family, precision="bf16-mixed")(frames)
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).abs().max() < 0.05
    learner = tiny(family, precision="bf16-mixed", trainable=True)
    assert torch.equal(learner(frames), tiny(family, trainable=True)(frames))


@pytest.mark.parametrize("half", [True, False])
def test_a_saved_teacher_is_the_same_when_built_again(half, family, tiny, frames, tmp_path):
    teacher = tiny(family)
    path = tmp_path / "teacher.safetensors"
    save_teacher(teacher, path, half=half, extra={"recipe": "{}"})
    config = TeacherConfig(architecture=family, weights=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    again = build_teacher(config)
    assert torch.allclose(again(frames), teacher(frames), atol=5e-3 if half else 0)
    assert read_weights(path).metadata["recipe"] == "{}"
    assert (again.fingerprint == teacher.fingerprint) is not half
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_sizes_come_from_the_file(tiny, tmp_path):
    save_teacher(tiny(stride=4, width=6), tmp_path / "t.safetensors")
    config = build_teacher(TeacherConfig(weights=str(tmp_path / "t.safetensors"))).config
    assert (config.stride, config.width, config.encoder, config.middle) == (4, 6, (1, 1), 1)


def test_half_precision_takes_half_the_room_and_spares_values_beyond_it(tiny, tmp_path):
    teacher = tiny(width=32)
    with torch.no_grad():
        teacher.network.ending.bias.fill_(1e6)
    sizes = {}
    for half in (True, False):
        path = tmp_path / f"{half}.safetensors"
        save_teacher(teacher, path, half=half)
        sizes[half] = path.stat().st_size
        assert read_weights(path).tensors["ending.bias"].tolist() == [1e6] * 3
    assert sizes[True] < 0.6 * sizes[False]


def test_saving_replaces_a_file_and_says_when_it_cannot(tiny, tmp_path):
    path = tmp_path / "t.safetensors"
    path.write_text("old")
    save_teacher(tiny(), path)
    assert len(read_weights(path).tensors) > 10
    with pytest.raises(OutputError, match="missing"):
        save_teacher(tiny(), tmp_path / "nowhere" / "t.safetensors")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"embed_dims": 12}, "embed_dims is not an option of swinir; the nearest is embed_dim "),
        ({"embed_dim": 13, "num_heads": [2, 2], "depths": [2, 2]}, "don't fit swinir"),
        ({"depths": [1, 1], "num_heads": [2]}, "don't fit swinir"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said):
    with pytest.raises(RecipeError, match=said):
        build_teacher(TeacherConfig(architecture="swinir", options=options))


def test_a_scale_that_the_options_contradict_is_refused():
    options = {"img_size": 16, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4, "upscale": 4}
    with pytest.raises(RecipeError, match=r"upscale by 4, and teacher\.scale says 2"):
        build_teacher(TeacherConfig(architecture="swinir", scale=2, options=options))


def test_without_the_extra_its_families_say_how_to_get_it_and_under_which_licence(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "spandrel_extra_arches", None)
    with pytest.raises(MissingExtraError, match=r"clearcall\[teachers-noncommercial\].*non-commercial"):
        build_teacher(TeacherConfig(architecture="restormer"))
    assert "Restormer" not in networks._registry()
    build_teacher(TeacherConfig(width=4))
