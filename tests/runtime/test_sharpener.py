import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from skimage import data

import clearcall
from clearcall.bundle import bundled_models, read_bundle, write_bundle
from clearcall.degrade import degrade_picture, get_profile
from clearcall.errors import BundleError, InputError
from clearcall.evaluation.metrics import ssim


@pytest.fixture(scope="module")
def sharpener():
    return clearcall.load("small")


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(data.astronaut())


def test_a_degraded_photograph_comes_closer_to_the_truth(sharpener, astronaut):
    for profile in ("bicubic-x2", "h264-half-crf28"):
        degraded = degrade_picture(astronaut, get_profile(profile))
        assert ssim(sharpener.sharpen(degraded), astronaut) > ssim(degraded, astronaut) + 0.003


def test_a_clean_photograph_is_left_practically_alone(sharpener, astronaut):
    assert ssim(sharpener.sharpen(astronaut), astronaut) > 0.99


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 9))
def test_every_size_comes_back_in_its_shape_and_the_input_is_untouched(height, width, seed):
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    kept = frame.copy()
    sharp = clearcall.load("small", threads=1).sharpen(frame) if seed == 0 else SHARED.sharpen(frame)
    assert sharp.shape == frame.shape
    assert sharp.dtype == np.uint8
    assert np.array_equal(frame, kept)
    assert not np.shares_memory(sharp, frame)


SHARED = clearcall.load("small")


@pytest.mark.parametrize("size", [(1, 1), (4321, 7681)], ids=["1x1", "7681x4321"])
def test_extreme_sizes(sharpener, size):
    frame = np.full((*size, 3), 77, np.uint8)
    assert sharpener.sharpen(frame).shape == frame.shape


def test_strength_runs_from_the_frame_over_the_model_to_exaggeration(sharpener, astronaut):
    frame = degrade_picture(astronaut, get_profile("bicubic-x2"))
    full = sharpener.sharpen(frame).astype(int)
    assert np.array_equal(sharpener.sharpen(frame, strength=0), frame)
    for strength in (0.25, 0.5, 1.0, 2.0):
        expected = np.clip(frame + strength * (full - frame), 0, 255)
        difference = np.abs(sharpener.sharpen(frame, strength) - expected)
        # A handful of pixels round the other way inside the network when the engine fuses the blend with it.
        assert (difference > 0.5).mean() < 1e-3
        assert difference.max() <= 0.5 + strength


@pytest.mark.parametrize("strength", [-0.1, 2.1, float("nan"), float("inf")])
def test_a_strength_out_of_range_is_refused(sharpener, strength):
    with pytest.raises(InputError, match="between 0"):
        sharpener.sharpen(np.zeros((4, 4, 3), np.uint8), strength)


def test_16_bits_are_kept(sharpener):
    rng = np.random.default_rng(0)
    shallow = rng.integers(40, 200, (30, 41, 3)).astype(np.uint16)
    fine = rng.integers(-120, 120, shallow.shape)
    deep = (shallow * 257 + fine).astype(np.uint16)
    expected = sharpener.sharpen(shallow.astype(np.uint8)).astype(int) * 257 + fine
    assert np.array_equal(sharpener.sharpen(deep), np.clip(expected, 0, 65535))


def test_frames_that_are_views_into_larger_arrays(sharpener, astronaut):
    view = astronaut[10:150:2, 7:200, ::-1]
    assert np.array_equal(sharpener.sharpen(view), sharpener.sharpen(np.ascontiguousarray(view)))


def test_many_threads_get_what_one_gets(sharpener):
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (32 + 2 * (i % 3), 48, 3), np.uint8) for i in range(40)]
    alone = [sharpener.sharpen(frame) for frame in frames]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(sharpener.sharpen, frames))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_8_bits_agree_with_float32(astronaut):
    degraded = degrade_picture(astronaut, get_profile("bicubic-x2"))
    fast = clearcall.load("small").sharpen(degraded)
    exact = clearcall.load("small", precision="float32").sharpen(degraded)
    assert np.abs(fast.astype(int) - exact).mean() < 0.5
    assert abs(ssim(fast, astronaut) - ssim(exact, astronaut)) < 0.001


def test_unknown_model_names_the_nearest():
    with pytest.raises(BundleError, match="the nearest is small"):
        clearcall.load("smal")


def test_a_bundle_folder_is_a_model_too(tmp_path, astronaut):
    folder = shutil.copytree(bundled_models()["small"], tmp_path / "copy")
    assert np.array_equal(clearcall.load(folder).sharpen(astronaut), SHARED.sharpen(astronaut))
    assert clearcall.load(folder).name == "small"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    bundle = read_bundle(bundled_models()["small"])
    model = onnx.load_from_string(bundle.graph("int8"))
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "bias0")
    values = numpy_helper.to_array(bias).copy()
    values[0] = value
    bias.CopyFrom(numpy_helper.from_array(values, "bias0"))
    write_bundle(tmp_path / "broken", bundle.card, {"int8": model.SerializeToString()})
    with pytest.raises(BundleError, match="not finite"):
        clearcall.load(tmp_path / "broken")


def test_a_graph_that_is_none_is_refused(tmp_path):
    card = read_bundle(bundled_models()["small"]).card
    write_bundle(tmp_path / "broken", card, {"int8": b"not an ONNX file"})
    with pytest.raises(BundleError, match="can't be read"):
        clearcall.load(tmp_path / "broken")


def test_available_models():
    assert "small" in clearcall.available_models()


@pytest.mark.parametrize("model", clearcall.available_models())
def test_8_bits_sharpen_as_float32_does_on_this_cpu(model):
    """Fails where a CPU without VNNI saturates sums of products: then most of the sharpening is lost."""
    frame = degrade_picture(data.astronaut(), get_profile("bicubic-x2"))
    fast, exact = (clearcall.load(model, precision=kind).sharpen(frame) for kind in ("int8", "float32"))
    difference = np.abs(fast.astype(np.int16) - exact)
    assert np.abs(exact.astype(np.int16) - frame).mean() > 3 * difference.mean()
    assert difference.mean() < 0.7
