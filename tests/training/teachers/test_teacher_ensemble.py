import numpy as np
import pytest
import torch

from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.ensemble import self_ensemble
from clearcall.training.teachers.teacher import build_teacher, save_teacher

VIEWS = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


def seen(frame, turns, mirrored):
    turned = np.rot90(frame, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def seen_back(frame, turns, mirrored):
    return np.rot90(frame[:, ::-1] if mirrored else frame, -turns)


def restored(teacher, frame):
    planes = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
    return teacher(planes)[0].permute(1, 2, 0).numpy()


@pytest.fixture
def frame():
    return np.random.default_rng(3).random((20, 28, 3), np.float32)


def test_it_is_the_mean_of_eight_different_views_each_turned_back(family, tiny, frame):
    plain, ensemble = tiny(family), tiny(family, self_ensemble=True)
    ensemble.load_state_dict(plain.state_dict())
    views = [seen_back(restored(plain, seen(frame, *view)), *view) for view in VIEWS]
    assert len({view.tobytes() for view in views}) == 8
    assert np.allclose(restored(ensemble, frame), np.mean(views, 0), atol=1e-5)


def test_it_has_no_preferred_direction(tiny, frame):
    teacher = tiny(self_ensemble=True)
    output = restored(teacher, frame)
    for view in VIEWS:
        assert np.allclose(restored(teacher, seen(frame, *view)), seen(output, *view), atol=1e-5)
    plain = restored(tiny(), frame)
    assert not np.allclose(restored(tiny(), seen(frame, 1, False)), seen(plain, 1, False), atol=1e-5)


def test_frames_of_8_bits_and_tiles_are_restored_so_as_well(tiny, frame):
    teacher = tiny(self_ensemble=True)
    levels = (frame * 255).astype(np.uint8)
    whole = teacher.restore(levels)
    assert np.array_equal(whole, (restored(teacher, levels / np.float32(255)) * 255).round().astype(np.uint8))
    assert teacher.restore(levels, tile=16, overlap=4).shape == whole.shape


def test_features_are_those_of_the_frame_as_it_is(tiny, frames):
    plain, ensemble = tiny(), tiny(self_ensemble=True)
    ours, theirs = (teacher.with_features(frames, ["intro", "middle"]) for teacher in (ensemble, plain))
    assert all(torch.equal(ours.features[point], theirs.features[point]) for point in ("intro", "middle"))
    assert torch.equal(ours.restored, ensemble(frames))
    assert not torch.allclose(ours.restored, theirs.restored, atol=1e-5)


def test_one_that_learns_sees_each_frame_once(tiny, frames):
    calls = []
    self_ensemble(lambda views: calls.append(views.shape[-2:]) or views, frames)
    assert len(calls) == 8
    learner = build_teacher(TeacherConfig(width=8, self_ensemble=True), trainable=True)
    learner.network.register_forward_hook(lambda *_: calls.append(None))
    learner(frames)
    assert len(calls) == 9


def test_a_saved_one_does_not_say_how_it_is_used(tiny, tmp_path):
    teacher = tiny(self_ensemble=True)
    save_teacher(teacher, tmp_path / "a.safetensors")
    save_teacher(tiny(), tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
