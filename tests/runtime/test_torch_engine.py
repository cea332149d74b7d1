"""PyTorch's engine: compared with OpenVINO in float32, in every way it computes; half precision on the CPU stands for a
GPU's."""

import sys

import numpy as np
import pytest
from skimage import data

import clearcall
from clearcall.bundle import bundled_models, read_bundle
from clearcall.errors import MissingExtraError, MissingHardwareError
from clearcall.runtime import torch_engine
from clearcall.runtime.engine import ONNXGraph, OpenVINOEngine
from clearcall.runtime.folding import Layer, Network
from clearcall.runtime.packed_graph import read_network
from clearcall.runtime.torch_engine import TorchEngine, Way, has_torch_gpu

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def frame():
    return np.ascontiguousarray(data.astronaut()[:96, :128])


def graph_of(model):
    return read_bundle(bundled_models()[model]).graph("float32")


def network_of(model):
    return read_network(ONNXGraph(graph_of(model)).model(), read_bundle(bundled_models()[model]).card.multiple_of)


def random_network(stride, margin, *, is_luma=False):
    rng = np.random.default_rng(0)
    shapes = [
        (8, 3, stride + 2 * margin, stride + 2 * margin),
        (8, 8, 3, 3),
        (stride**2 * (1 if is_luma else 3), 8, 3, 3),
    ]
    layers = (
        Layer(rng.normal(0, 0.1, shape).astype(np.float32), np.float32(rng.normal(0, 0.1, shape[0])))
        for shape in shapes
    )
    return Network(stride, tuple(layers))


def by_pixels(network, frame, strength=1.0):
    """The network as its definition has it: a convolution that strides over pixels, ..., a shuffle, an addition."""
    features = torch.from_numpy(frame).permute(2, 0, 1)[None].double() / 255
    for index, layer in enumerate(network.layers):
        stride = network.stride if index == 0 else 1
        weight, bias = (torch.from_numpy(values).double() for values in (layer.weight, layer.bias))
        features = torch.nn.functional.conv2d(features, weight, bias, stride, (weight.shape[-1] - stride) // 2)
        features = features.relu() if index < len(network.layers) - 1 else features
    count = features.shape[1] // network.stride**2
    colours = features[0].unflatten(0, (-1, count)).transpose(0, 1).flatten(0, 1)[None]
    correction = torch.nn.functional.pixel_shuffle(colours, network.stride)[0].permute(1, 2, 0).numpy() * 255
    sharp = np.rint(np.clip(frame + correction, 0, 255))
    return np.rint(np.clip(frame + strength * (sharp - frame), 0, 255)).astype(np.uint8)


def halved(network, **options):
    """The engine as it is on a GPU, but on the CPU."""
    engine = TorchEngine(network, "cpu", **options)
    engine._type = torch.float16
    engine._layers = [(weight.half(), bias.half()) for weight, bias in engine._layers]
    return engine


def levels_apart(one, other):
    return np.abs(one.astype(int) - other).max()


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("model", clearcall.available_models())
def test_every_model_agrees_with_openvino(model, strength, frame):
    found = TorchEngine(network_of(model), "cpu").infer(frame, strength)
    expected = OpenVINOEngine(graph_of(model), threads=1).infer(frame, strength)
    assert levels_apart(found, expected) <= 1
    assert (found != expected).mean() < 0.01


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("model", clearcall.available_models())
def test_half_precision_costs_at_most_a_level_of_the_correction(model, strength, frame):
    expected = OpenVINOEngine(graph_of(model), threads=1).infer(frame, strength)
    found = halved(network_of(model)).infer(frame, strength)
    assert levels_apart(found, expected) <= max(1, strength)
    assert (found != expected).mean() < 0.05


@pytest.mark.parametrize(("stride", "margin"), [(1, 1), (1, 2), (2, 1), (2, 3), (4, 1), (4, 4)])
@pytest.mark.parametrize("is_luma", [False, True])
def test_blocks_compute_what_pixels_do(stride, margin, is_luma):
    frame = np.random.default_rng(1).integers(0, 256, (16, 24, 3), np.uint8)
    network = random_network(stride, margin, is_luma=is_luma)
    assert levels_apart(TorchEngine(network, "cpu").infer(frame, 1.5), by_pixels(network, frame, 1.5)) <= 1
    assert (frame != by_pixels(network, frame)).any()


def test_several_frames_at_once_are_sharpened_each_on_its_own(frame):
    engine = TorchEngine(network_of("small"), "cpu")
    both = torch.from_numpy(np.stack([frame, frame[::-1]]))
    sharp = engine.sharpen(both)
    assert sharp.dtype == torch.uint8
    assert (sharp[0].numpy() == engine.infer(frame, 1.0)).all()
    assert (sharp[1].numpy() == engine.infer(np.ascontiguousarray(frame[::-1]), 1.0)).all()
    assert (both[0].numpy() == frame).all(), "what is given stays as it is"


def test_a_tensor_that_is_not_contiguous_is_sharpened_all_the_same(frame):
    engine = TorchEngine(network_of("small"), "cpu")
    planar = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).permute(1, 2, 0)[None]
    assert (engine.sharpen(planar)[0].numpy() == engine.infer(frame, 1.0)).all()


def test_cudnn_adds_the_bias_where_it_can(frame, monkeypatch):
    """What cuDNN does in one kernel, written out, gives the same frames."""
    seen = []

    def convolved(features, weight, bias, stride, padding, dilation, groups):
        seen.append(weight.shape)
        return torch.nn.functional.conv2d(features, weight, bias, stride, padding, dilation, groups).relu()

    network = network_of("small")
    expected = TorchEngine(network, "cpu", way=Way(fused=False)).infer(frame, 1.0)
    monkeypatch.setattr(torch, "cudnn_convolution_relu", convolved)
    engine = TorchEngine(network, "cpu")
    seen.clear()
    assert engine.way.fused
    assert (engine.infer(frame, 1.0) == expected).all()
    assert len(seen) == len(network.layers) - 1


def test_a_way_that_this_device_has_not_is_not_taken():
    assert TorchEngine(network_of("nano"), "cpu", way=Way(fused=True, searched=True)).way == Way(False, True)


def test_a_search_for_kernels_leaves_the_settings_of_others_alone(frame):
    engine = TorchEngine(network_of("nano"), "cpu", way=Way(searched=True))
    before = torch.backends.cudnn.benchmark
    engine.infer(frame, 1.0)
    assert torch.backends.cudnn.benchmark == before


def test_compiled_and_not_are_the_same(frame, monkeypatch):
    """The compiler's front end alone: its back end needs a C compiler and minutes."""
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda run, mode, **options: compiler(run, backend=mode, **options))
    engine = TorchEngine(network_of("small"), "cpu", way=Way(compiled="eager"))
    assert not engine.way.fused
    assert (engine.infer(frame, 1.0) == TorchEngine(network_of("small"), "cpu").infer(frame, 1.0)).all()


def test_on_the_cpu_a_record_is_the_work_itself(frame):
    engine, frames = TorchEngine(network_of("small"), "cpu"), torch.from_numpy(frame[None])
    assert torch.equal(engine.record(frames, 0.5)(frames), engine.sharpen(frames, 0.5))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch has no GPU here")
@pytest.mark.parametrize("way", [Way(), Way(fused=False), Way(searched=True)])
def test_a_record_on_a_gpu_sharpens_frame_after_frame(way, frame):
    engine = TorchEngine(network_of("small"), "cuda", way=way)
    frames = [torch.from_numpy(np.ascontiguousarray(turned[None])).cuda() for turned in (frame, frame[::-1])]
    replay = engine.record(frames[0])
    for given in (*frames, frames[0]):
        found = replay(given).cpu()[0].numpy()
        expected = OpenVINOEngine(graph_of("small"), threads=1).infer(given.cpu()[0].numpy(), 1.0)
        assert levels_apart(found, expected) <= 1


def test_the_device_torch_takes_the_cpu_where_there_is_no_gpu(frame, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    sharpener = clearcall.load("small", device="torch")
    assert sharpener.device == f"cpu by PyTorch {torch.__version__}"
    odd = frame[:95, :127]
    assert sharpener.sharpen(odd).shape == odd.shape


def test_pytorch_that_is_missing_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"needs torch, which is not installed.*clearcall\[train\]"):
        clearcall.load("small", device="torch")


@pytest.mark.parametrize("name", ["toaster", "cuda:99"])
def test_hardware_that_is_absent_is_said_in_a_sentence(name):
    with pytest.raises(MissingHardwareError, match=f"PyTorch can't use {name} .*; use --device cpu") as caught:
        TorchEngine(network_of("nano"), name)
    assert "\n" not in str(caught.value)


def test_memory_that_is_too_small_is_said_in_a_sentence(frame, monkeypatch):
    engine = TorchEngine(network_of("nano"), "cpu")

    def overflowing(frames, strength):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(engine, "sharpen", overflowing)
    with pytest.raises(MissingHardwareError, match="too small for a frame of 128x96; use --device cpu"):
        engine.infer(frame, 1.0)


def test_a_gpu_needs_a_driver_and_pytorch(monkeypatch, tmp_path):
    monkeypatch.setattr(torch_engine.shutil, "which", lambda name: None)
    monkeypatch.setattr(torch_engine, "_DRIVERS", (str(tmp_path / "driver"),))
    assert not has_torch_gpu()
    (tmp_path / "driver").touch()
    assert has_torch_gpu()
    monkeypatch.setattr(torch_engine, "find_spec", lambda name: None)
    assert not has_torch_gpu()
