"""Files of weights: those that authors write, and those that must be refused. Every file here is really made."""

import io
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from clearcall.errors import InputError
from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.teacher import build_teacher, save_teacher
from clearcall.training.vision import load_spandrel


def load(path, architecture="nafnet", **values):
    return build_teacher(TeacherConfig(architecture=architecture, weights=str(path), **values))


def prefixed(weights, prefix):
    return {f"{prefix}{name}": tensor for name, tensor in weights.items()}


WRAPPERS = {
    "plain": lambda weights: weights,
    "params": lambda weights: {"params": weights},
    "the average before the last": lambda weights: {
        "params": {name: tensor * 0 for name, tensor in weights.items()},
        "params_ema": weights,
    },
    "state_dict": lambda weights: {"epoch": 3, "state_dict": weights, "optimizer": {"lr": 1e-4}},
    "data parallel": lambda weights: {"state_dict": prefixed(weights, "module.")},
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_and_prefixes_of_authors_are_taken_off(wrapper, family, tiny, frames, tmp_path):
    teacher = tiny(family)
    torch.save(WRAPPERS[wrapper](teacher.network.state_dict()), tmp_path / "net.pth")
    assert torch.equal(load(tmp_path / "net.pth", family)(frames), teacher(frames))


def test_files_are_told_apart_by_content_not_by_name(tiny, frames, tmp_path):
    teacher = tiny()
    weights = teacher.network.state_dict()
    save_file(weights, tmp_path / "a.pth")
    torch.save(weights, tmp_path / "b.safetensors")
    torch.save(weights, tmp_path / "c", _use_new_zipfile_serialization=False)
    for name in ("a.pth", "b.safetensors", "c"):
        assert torch.equal(load(tmp_path / name)(frames), teacher(frames))


def test_half_precision_is_computed_in_single(tiny, frames, tmp_path):
    teacher = tiny().half()
    torch.save(teacher.network.state_dict(), tmp_path / "half.pth")
    again = load(tmp_path / "half.pth")
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    assert torch.isfinite(again(frames)).all()


def test_any_restoration_network_that_spandrel_knows_teaches(tiny, frames, tmp_path):
    load_spandrel()
    from spandrel.architectures.Compact import Compact
    from spandrel.architectures.DnCNN import DnCNN

    networks = {
        "dncnn": (DnCNN(in_nc=3, out_nc=3, nc=8, nb=17, act_mode="R"), 1),
        "compact": (Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2), 2),
    }
    for name, (network, scale) in networks.items():
        torch.save({"params": network.state_dict()}, tmp_path / f"{name}.pth")
        teacher = load(tmp_path / f"{name}.pth", "spandrel")
        reference = load_spandrel().MAIN_REGISTRY.load(network.state_dict())
        assert teacher.scale == teacher.config.scale == scale
        assert teacher(frames).shape == frames.shape
        if scale == 1:
            assert torch.allclose(teacher(frames[:1]), reference(frames[:1]), atol=1e-6)
        point = next(iter(teacher.feature_points))
        assert teacher.with_features(frames, [point]).features[point].shape[0] == 2
        save_teacher(teacher, tmp_path / "again.safetensors", half=False)
        assert load(tmp_path / "again.safetensors", "spandrel").fingerprint == teacher.fingerprint


def test_a_family_recognised_by_spandrel_keeps_its_points(tiny, tmp_path):
    save_teacher(tiny("restormer"), tmp_path / "r.safetensors")
    assert "latent" in load(tmp_path / "r.safetensors", "spandrel").feature_points


class Malicious:
    """Pickles to a call that makes a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle", "old pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(form, tiny, tmp_path):
    mark, path = tmp_path / "mark", tmp_path / "evil.pth"
    content = {"params": tiny().network.state_dict(), "hook": Malicious(mark)}
    if form in ("zip", "legacy"):
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    else:
        path.write_bytes(pickle.dumps({"a": Malicious(mark)}, protocol=2 if form == "old pickle" else 4))
    with pytest.raises(InputError, match=r"evil\.pth.*expected a"):
        load(path)
    assert not mark.exists()
    if form == "zip":
        with pytest.raises(InputError, match=r"wants to call posix\.system, which could run any code"):
            load(path)
        torch.load(path, weights_only=False)
        assert mark.exists(), "the file is as malicious as it should be"


def stored(weights, form):
    buffer = io.BytesIO()
    if form == "safetensors":
        from safetensors.torch import save

        return save(weights)
    torch.save(weights, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["pth", "safetensors"])
@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_a_truncated_file_is_refused(form, kept, tiny, tmp_path):
    whole = stored(tiny().network.state_dict(), form)
    path = tmp_path / f"cut.{form}"
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(InputError, match=r"cut\.\w+ is .*damaged"):
        load(path)


@pytest.mark.parametrize(
    "content", [b"not weights at all", b"<!DOCTYPE html><html></html>", b"\x89PNG\r\n\x1a\n" * 9, b"PK\x03\x04 no zip"]
)
def test_a_file_of_another_kind_is_refused(content, tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not a checkpoint or is damaged .*expected a \.pth"):
        load(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "holds no weights"),
        ([1, 2], "holds a list; expected tensors by name"),
        (torch.zeros(2), "holds a Tensor; expected tensors by name"),
        ({"params": {}}, "holds no weights"),
        ({"lr": 0.1, "step": 3}, "lr is a float; expected tensors only"),
    ],
)
def test_a_file_without_weights_is_refused(content, said, tmp_path):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(InputError, match=said):
        load(tmp_path / "net.pth")


def without(name):
    def change(weights):
        del weights[name]

    return change


def replaced(name, tensor):
    def change(weights):
        weights[name] = tensor

    return change


CHANGES = {
    "first layer missing": (without("intro.weight"), r"of NAFNet: intro\.weight is missing"),
    "inner one missing": (without("encoders.1.0.conv3.bias"), r"encoders\.1\.0\.conv3\.bias missing"),
    "extra one": (replaced("head.weight", torch.zeros(2)), r"head\.weight unexpected"),
    "other size": (replaced("ending.bias", torch.zeros(5)), r"ending\.bias is \[5\], expected \[3\]"),
    "not a number": (replaced("intro.bias", torch.full((4,), torch.nan)), r"intro\.bias holds values that are not fin"),
    "infinite": (replaced("intro.bias", torch.full((4,), torch.inf)), "not finite"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_do_not_fit_are_named(change, tiny, tmp_path):
    weights = dict(tiny().network.state_dict())
    alter, said = CHANGES[change]
    alter(weights)
    torch.save(weights, tmp_path / "net.pth")
    with pytest.raises(InputError, match=rf"net\.pth.*{said}"):
        load(tmp_path / "net.pth")


def test_many_missing_weights_are_counted(tiny, tmp_path):
    weights = {name: w for name, w in tiny().network.state_dict().items() if not name.startswith("decoders.1.0.norm")}
    weights = {name: w for name, w in weights.items() if not name.startswith("decoders.1.0.conv5")}
    torch.save(weights, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"and 3 more missing"):
        load(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("stored_as", "expected"), [("swinir", "NAFNet"), ("nafnet", "Restormer"), ("mprnet", "SwinIR")]
)
def test_another_architecture_is_named(stored_as, expected, tiny, tmp_path):
    teacher = tiny(stored_as)
    save_teacher(teacher, tmp_path / "net.safetensors")
    said = rf"holds weights of \w+, and {expected} was expected; set teacher.architecture to '{stored_as}'"
    with pytest.raises(InputError, match=said):
        load(tmp_path / "net.safetensors", expected.lower())


def test_weights_of_no_known_network_are_refused(tmp_path):
    torch.save(torch.nn.Linear(3, 3).state_dict(), tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"NAFNet: intro\.weight is missing"):
        load(tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"no architecture that spandrel knows has these 2 tensors \(bias, weight"):
        load(tmp_path / "net.pth", "spandrel")


def test_a_network_for_grey_frames_is_refused(tmp_path):
    load_spandrel()
    from spandrel.architectures.SwinIR import SwinIR

    grey = SwinIR(in_chans=1, img_size=16, embed_dim=12, depths=[2], num_heads=[2], window_size=4)
    torch.save(grey.state_dict(), tmp_path / "grey.pth")
    with pytest.raises(InputError, match="from 1 to 1 channels; expected RGB to RGB"):
        load(tmp_path / "grey.pth", "swinir")


def test_a_scale_that_the_file_contradicts_is_refused(tiny, tmp_path):
    save_teacher(tiny("swinir", scale=2), tmp_path / "x2.safetensors")
    assert load(tmp_path / "x2.safetensors", "swinir").scale == 2
    with pytest.raises(InputError, match=r"upscales by 2, and teacher\.scale says 4"):
        load(tmp_path / "x2.safetensors", "swinir", scale=4)
