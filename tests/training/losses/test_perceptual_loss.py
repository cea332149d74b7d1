"""The perceptual loss, and VGG-19 with its files of weights."""

import pickle
import urllib.error

import pytest
import torch
from safetensors.torch import save_file

from clearcall.errors import InputError, RecipeError
from clearcall.training.losses import PerceptualLoss
from clearcall.training.losses.vgg import LAYERS, VGG19, shapes
from clearcall.training.vision import load_torchvision


def identity_weights() -> dict[str, torch.Tensor]:
    """A first layer whose channel 0 is red as it is, normalised; all others are silent."""
    weights = {key: torch.zeros(shape) for key, shape in shapes("relu1_1").items()}
    weights["features.0.weight"][0, 0, 1, 1] = 1.0
    return weights


def test_the_value_by_hand(tmp_path):
    save_file(identity_weights(), tmp_path / "red.safetensors")
    loss = PerceptualLoss({"relu1_1": 3.0}, str(tmp_path / "red.safetensors"))
    preds, target = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.6)
    distance = 0.1 / 0.229 / 64  # red normalised with ImageNet's deviation, one channel of 64
    scale = 3.0 / loss.factors["relu1_1"]
    assert loss(preds, target).item() == pytest.approx(3.0 * distance / scale, rel=1e-5)
    dark = loss(torch.full((1, 3, 4, 4), 0.4), torch.full((1, 3, 4, 4), 0.3)).item()
    assert dark == 0  # below the mean of 0.485, where the ReLU is silent


def test_the_features_are_torchvision_s(tmp_path):
    vgg = load_torchvision().models.vgg
    torch.manual_seed(0)
    features = vgg.make_layers(vgg.cfgs["E"], batch_norm=False).eval()  # what vgg19() calls `features`
    torch.save({f"features.{key}": value for key, value in features.state_dict().items()}, tmp_path / "vgg19.pth")
    ours = VGG19(LAYERS, str(tmp_path / "vgg19.pth"))
    frames = torch.rand(1, 3, 32, 40)
    maps = (frames - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )
    expected = []
    with torch.no_grad():
        for layer in features:
            maps = layer(maps)
            if isinstance(layer, torch.nn.ReLU):
                expected.append(maps.clone())
        found = ours(frames)
    assert list(found) == list(LAYERS)
    for name, theirs in zip(LAYERS, expected, strict=True):
        assert torch.allclose(found[name], theirs, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("scale", [1e-3, 500.0])
def test_the_scale_of_the_weights_does_not_matter(tmp_path, vgg_weights, vgg_file, batch, scale):
    weights = vgg_weights("relu2_2")
    weights["features.0.weight"] = weights["features.0.weight"] * scale  # biases are 0: every activation scales
    save_file(weights, tmp_path / "scaled.safetensors")
    layers = {"relu1_1": 1.0, "relu2_2": 0.5}
    scaled, plain = (PerceptualLoss(layers, str(file))(*batch) for file in (tmp_path / "scaled.safetensors", vgg_file))
    assert scaled.item() == pytest.approx(plain.item(), rel=1e-3)


def test_layers_add_up_with_their_weights_and_deeper_ones_are_not_computed(vgg_file, batch):
    single = [PerceptualLoss({name: 1.0}, vgg_file)(*batch).item() for name in ("relu1_2", "relu2_1")]
    both = PerceptualLoss({"relu1_2": 2.0, "relu2_1": 0.5, "relu5_4": 0.0}, vgg_file)
    assert both.vgg.computed == ("relu1_1", "relu1_2", "relu2_1")
    assert both(*batch).item() == pytest.approx(2 * single[0] + 0.5 * single[1], rel=1e-5)


def test_no_gradient_flows_to_the_target(vgg_file, batch):
    preds, target = (side.clone().requires_grad_() for side in batch)
    PerceptualLoss({"relu1_2": 1.0}, vgg_file)(preds, target).backward()
    assert preds.grad.abs().max() > 0
    assert target.grad is None


def refused(layers, weights, match, kind=InputError):
    with pytest.raises(kind, match=match) as caught:
        PerceptualLoss(layers, str(weights))
    assert str(caught.value).count("\n") == 0


def test_bad_layers_are_refused(vgg_file):
    refused({"relu3_5": 1.0}, vgg_file, r"relu3_5 is not a layer of VGG-19; the nearest is relu3_4\.", RecipeError)
    refused({"relu1_2": -1.0}, vgg_file, "relu1_2 is -1.0; give it 0 or more", RecipeError)
    refused({"relu1_2": float("nan")}, vgg_file, "relu1_2 is nan", RecipeError)
    refused({"relu1_2": 0.0}, vgg_file, "no layer of weight above 0", RecipeError)


def test_a_layer_deeper_than_the_file_is_refused(vgg_file):
    refused({"relu3_4": 1.0, "relu1_1": 1.0}, vgg_file, "reaches only to relu2_2, and relu3_4 is asked for")


def test_files_that_are_not_vgg_19_are_refused(tmp_path, vgg_weights):
    layer = {"relu1_2": 1.0}
    refused(layer, tmp_path / "absent.pth", r"absent\.pth: no such file")
    save_file({"conv.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    refused(layer, tmp_path / "other.safetensors", "doesn't hold VGG-19 in torchvision's naming")
    with_norms = vgg_weights("relu1_2") | {"features.1.weight": torch.ones(64)}  # VGG-19 with batch normalisation
    save_file(with_norms, tmp_path / "norms.safetensors")
    refused(layer, tmp_path / "norms.safetensors", "doesn't hold VGG-19")
    narrow = vgg_weights("relu1_2") | {"features.2.weight": torch.ones(64, 32, 3, 3)}
    save_file(narrow, tmp_path / "narrow.safetensors")
    refused(
        layer, tmp_path / "narrow.safetensors", r"features.2.weight should be \(64, 64, 3, 3\) and is \(64, 32, 3, 3\)"
    )
    without = vgg_weights("relu1_2")
    del without["features.2.bias"]
    save_file(without, tmp_path / "without.safetensors")
    refused(layer, tmp_path / "without.safetensors", r"features.2.bias should be \(64,\) and is missing")


def test_damaged_files_are_refused_and_run_nothing(tmp_path, vgg_weights):
    layer = {"relu1_2": 1.0}
    weights = vgg_weights("relu1_2")
    weights["features.2.weight"][0, 0, 0, 0] = float("nan")
    save_file(weights, tmp_path / "nan.safetensors")
    refused(layer, tmp_path / "nan.safetensors", "not finite")
    whole = (tmp_path / "nan.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    refused(layer, tmp_path / "half.safetensors", "damaged")
    save_file({key: torch.zeros(shape) for key, shape in shapes("relu1_2").items()}, tmp_path / "zero.safetensors")
    refused(layer, tmp_path / "zero.safetensors", "relu1_2 stays at 0.0")
    (tmp_path / "code.pth").write_bytes(pickle.dumps({"features.0.weight": Toucher(tmp_path / "ran")}))
    refused(layer, tmp_path / "code.pth", "code.pth")
    assert not (tmp_path / "ran").exists()


class Toucher:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_offline_the_error_says_which_file_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def unreachable(*_arguments, **_options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    refused({"relu1_2": 1.0}, "torchvision", rf"no route to host.*{tmp_path}/hub/checkpoints/vgg19-dcbb9e9d\.pth")


def test_torchvision_s_weights_are_found_in_pytorch_s_cache(tmp_path, vgg_weights, monkeypatch, vgg_file, batch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(vgg_weights("relu2_2"), cache / "vgg19-dcbb9e9d.pth")
    found, expected = PerceptualLoss({"relu2_2": 1.0}), PerceptualLoss({"relu2_2": 1.0}, vgg_file)
    assert found(*batch).item() == expected(*batch).item()
    (cache / "vgg19-dcbb9e9d.pth").write_bytes(b"half a file")
    refused({"relu1_2": 1.0}, "torchvision", "could not be had from torchvision")


def test_pictures_too_small_for_the_deepest_layer_are_refused(vgg_file):
    loss = PerceptualLoss({"relu2_2": 1.0}, vgg_file)
    assert loss(torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)).isfinite()
    with pytest.raises(InputError, match="1x8 are too small for the perceptual layer relu2_2; give it at least 2"):
        loss(torch.zeros(1, 3, 8, 1), torch.ones(1, 3, 8, 1))
