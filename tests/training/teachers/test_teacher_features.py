import pytest
import torch

from clearcall.errors import RecipeError


def test_every_documented_point_is_a_map_with_the_channels_it_announces(family, tiny, frames):
    teacher = tiny(family)
    points = list(teacher.feature_points)
    output = teacher.with_features(frames, points)
    assert torch.equal(output.restored, teacher(frames))
    assert list(output.features) == points
    for feature in output.features.values():
        assert feature.ndim == 4
        assert feature.shape[0] == 2
        assert 32 % feature.shape[2] == 0
        assert feature.shape[2] * 48 == feature.shape[3] * 32, "a map has the frame's shape"
    assert teacher.feature_channels(points) == {point: output.features[point].shape[1] for point in points}


def test_one_pass_gives_everything(tiny, frames):
    teacher, passes = tiny(), []
    teacher.network.register_forward_hook(lambda *_: passes.append(1))
    teacher.with_features(frames, ["intro", "middle"])
    assert passes == [1]
    assert not teacher.network.intro._forward_hooks, "nothing stays hooked"


def test_points_of_nafnet_are_what_its_parts_compute(tiny, frames):
    teacher = tiny()
    network = teacher.network
    with torch.no_grad():
        intro = network.intro(frames)
        first = network.encoders[0](intro)
        second = network.encoders[1](network.downs[0](first))
        middle = network.middle_blks(network.downs[1](second))
        up = network.decoders[0](network.ups[0](middle) + second)
    features = teacher.with_features(frames, ["intro", "encoder1", "encoder2", "middle", "decoder1"]).features
    for found, expected in zip(features.values(), (intro, first, second, middle, up), strict=True):
        assert torch.allclose(found, expected, atol=1e-6)


def test_tokens_of_swinir_become_the_map_that_its_own_layer_makes(tiny, frames):
    teacher = tiny("swinir")
    tokens = []
    handle = teacher.network.layers[0].register_forward_hook(lambda _module, _inputs, output: tokens.append(output))
    found = teacher.with_features(frames, ["stage1"]).features["stage1"]
    handle.remove()
    assert torch.equal(found, teacher.network.patch_unembed(tokens[0], (32, 48)))


def test_patches_of_mprnet_are_put_together(tiny, frames):
    teacher = tiny("mprnet")
    network = teacher.network
    features = teacher.with_features(frames, ["stage1_encoder1", "stage2_encoder2", "stage1_decoder3"]).features
    with torch.no_grad():
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            rows, columns = slice(16 * row, 16 * row + 16), slice(24 * column, 24 * column + 24)
            expected = network.stage1_encoder(network.shallow_feat1(frames[:, :, rows, columns]))[0]
            assert torch.allclose(features["stage1_encoder1"][:, :, rows, columns], expected, atol=1e-6)
    assert features["stage2_encoder2"].shape == (2, 12, 16, 24)
    assert features["stage1_decoder3"].shape == (2, 16, 8, 12)


def test_a_later_in_place_operation_does_not_change_a_feature(tiny, frames):
    teacher = tiny("mprnet")
    path = "stage3_orsnet.orb1.body"  # its output is added to in place
    inside = []
    last = teacher.network.stage3_orsnet.orb1.body[-1]
    handle = last.register_forward_hook(lambda _module, _inputs, output: inside.append(output.clone()))
    found = teacher.with_features(frames, [path]).features[path]
    handle.remove()
    assert torch.equal(found, inside[0])


def test_any_path_of_a_module_is_a_point(tiny, frames):
    features = tiny().with_features(frames, ["encoders.0.0.conv4", "middle_blks.0"]).features
    assert features["encoders.0.0.conv4"].shape == (2, 8, 32, 48)
    assert features["middle_blks.0"].shape == (2, 16, 8, 12)


@pytest.mark.parametrize(
    ("architecture", "wrong", "said"),
    [
        (
            "nafnet",
            "encoder9",
            r"'encoder9' is not a feature point; the nearest are encoder\d, encoder\d.*documented: intro",
        ),
        ("nafnet", "midle", "the nearest are middle"),
        ("nafnet", "", "is not a feature point"),
        ("nafnet", "encoders", r"isn't run by itself; name one of its parts, as encoders\.0"),
        ("nafnet", "encoders.0.0.sca.1.weight", "is not a feature point"),
        ("mprnet", "stage1_encoder", "gives no feature map but a list"),
        ("mprnet", "shallow_feat1.1.body.1", "times in a pass"),
        ("swinir", "layers.0.residual_group.blocks.0.attn", "is no grid"),
        ("swinir", "layers.0.residual_group.blocks.0.attn.softmax", "is no grid"),
        ("restormer", "lattent", "the nearest are latent"),
    ],
)
def test_a_wrong_point_names_the_right_ones(architecture, wrong, said, tiny, frames):
    teacher = tiny(architecture)
    with pytest.raises(RecipeError, match=said):
        teacher.with_features(frames, [wrong])
    with pytest.raises(RecipeError):
        teacher.feature_channels([wrong])


def test_the_features_of_a_trainable_teacher_carry_gradients(tiny, frames):
    teacher = tiny(trainable=True)
    teacher.with_features(frames, ["middle"]).features["middle"].square().mean().backward()
    assert teacher.network.intro.weight.grad.abs().sum() > 0
