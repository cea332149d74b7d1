"""Engines beside OpenVINO, and how one is chosen; ONNX Runtime's CPU kernels stand for all of its providers."""

import json

import numpy as np
import pytest
from skimage import data

import clearcall
from clearcall.bundle import bundled_models, read_bundle
from clearcall.errors import BundleError, MissingExtraError, MissingHardwareError, RecipeError
from clearcall.media.colour import Colours
from clearcall.runtime import device
from clearcall.runtime.device import candidates, open_fastest
from clearcall.runtime.engine import OpenVINOEngine
from clearcall.runtime.onnx_engine import PROVIDERS, ONNXRuntimeEngine


@pytest.fixture(scope="module")
def graph():
    return read_bundle(bundled_models()["small"]).graph("float32")


@pytest.fixture(scope="module")
def frame():
    return np.ascontiguousarray(data.astronaut()[:96, :128])


@pytest.mark.parametrize("strength", [1.0, 0.5, 2.0])
def test_onnx_runtime_agrees_with_openvino(graph, frame, strength):
    found = ONNXRuntimeEngine(graph, threads=1).infer(frame, strength).astype(int)
    expected = OpenVINOEngine(graph, threads=1).infer(frame, strength)
    assert np.abs(found - expected).max() <= 1 + strength
    assert (found != expected).mean() < 0.01


@pytest.mark.parametrize("model", clearcall.available_models())
def test_the_8_bit_graph_of_every_model_agrees_between_engines(model, frame):
    fast, reference = (clearcall.load(model, threads=1, device=name).sharpen(frame) for name in ("cpu", "onnxruntime"))
    assert np.abs(fast.astype(int) - reference).mean() < 0.3


def test_planes_go_by_way_of_rgb_where_the_engine_is_another(frame):
    rng = np.random.default_rng(0)
    planes = [rng.integers(60, 180, size, np.uint8) for size in ((24, 32), (12, 16), (12, 16))]
    sharp = clearcall.load("small", device="onnxruntime", threads=1).sharpen_yuv(*planes, colours=Colours(matrix=1))
    assert [plane.shape for plane in sharp] == [(24, 32), (12, 16), (12, 16)]


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != "onnxruntime"])
def test_hardware_that_is_absent_is_said_in_a_sentence(name, graph):
    import onnxruntime

    if PROVIDERS[name] in onnxruntime.get_available_providers():
        assert ONNXRuntimeEngine(graph, name).device.startswith(name)
        return
    with pytest.raises(MissingHardwareError, match=f"The device {name} is not at hand.*--device cpu"):
        clearcall.load("small", device=name)


def test_an_unknown_device_names_the_known_ones():
    with pytest.raises(RecipeError, match=r"no device toaster; choose one of auto, cpu, .*, coreml, torch"):
        clearcall.load("small", device="toaster")


def test_onnx_runtime_that_is_missing_names_its_extra(graph, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"clearcall\[onnxruntime\]"):
        ONNXRuntimeEngine(graph)


def test_a_graph_that_is_none_is_refused():
    with pytest.raises(BundleError, match="can't run the model's graph"):
        ONNXRuntimeEngine(b"not a graph")


class Fake:
    """An engine that takes a given time, counted instead of slept."""

    device = "fake"

    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, seconds

    def infer(self, frame, strength):
        self.clock[0] += self.seconds
        return frame


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(device.time, "perf_counter", lambda: now[0])
    return now


def test_auto_takes_the_fastest_and_remembers_it(tmp_path, clock):
    made = []

    def make(name, seconds):
        def maker():
            made.append(name)
            return Fake(clock, seconds)

        return maker

    makers = {"cpu": make("cpu", 0.03), "cuda": make("cuda", 0.01)}
    memory = tmp_path / "deep" / "devices.json"
    assert open_fastest(makers, "small", memory)[1].seconds == 0.01
    assert made == ["cpu", "cuda"]
    assert open_fastest(makers, "small", memory)[1].seconds == 0.01
    assert made == ["cpu", "cuda", "cuda"], "the second time nothing is measured"
    open_fastest(makers, "another", memory)
    assert len(json.loads(memory.read_text())) == 2


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b'{"a": 3'])
def test_a_damaged_memory_is_ignored_and_mended(tmp_path, clock, content):
    memory = tmp_path / "devices.json"
    memory.write_bytes(content)
    assert open_fastest({"cpu": lambda: Fake(clock, 0.1)}, "small", memory)[1].seconds == 0.1
    assert list(json.loads(memory.read_text()).values()) == ["cpu"]


def test_auto_passes_over_hardware_that_is_gone(tmp_path, clock):
    def absent():
        raise MissingHardwareError("gone")

    memory = tmp_path / "devices.json"
    open_fastest({"cpu": lambda: Fake(clock, 0.1), "cuda": lambda: Fake(clock, 0.01)}, "small", memory)
    _, engine = open_fastest({"cpu": lambda: Fake(clock, 0.1), "cuda": absent}, "small", memory)
    assert engine.seconds == 0.1
    with pytest.raises(MissingHardwareError):
        open_fastest({"cuda": absent}, "small", memory)


def test_auto_measures_once_for_each_number_of_threads(tmp_path, monkeypatch):
    """A GPU may beat one thread of the CPU and not all of them."""
    monkeypatch.setenv("CLEARCALL_CACHE", str(tmp_path))
    monkeypatch.setattr("clearcall.runtime.loading.candidates", lambda: ["cpu", "onnxruntime"])
    monkeypatch.setattr(device, "_FRAME", (72, 128, 3))
    for threads in (1, 2, 1):
        clearcall.load("small", threads=threads)
    assert len(json.loads((tmp_path / "clearcall" / "devices.json").read_text())) == 2


def test_auto_measures_real_engines(graph, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "_FRAME", (72, 128, 3))
    makers = {
        "cpu": lambda: OpenVINOEngine(graph, threads=1),
        "onnxruntime": lambda: ONNXRuntimeEngine(graph, threads=1),
    }
    _, engine = open_fastest(makers, "small", tmp_path / "devices.json")
    assert isinstance(engine, OpenVINOEngine | ONNXRuntimeEngine)


def test_pytorch_is_a_candidate_beside_a_gpu(monkeypatch):
    monkeypatch.setattr(device, "_installed", lambda name: "")
    monkeypatch.setattr(device, "has_torch_gpu", lambda: True)
    assert candidates() == ["cpu", "torch"]


def test_without_a_build_for_a_gpu_there_is_no_choice(monkeypatch):
    monkeypatch.setattr(device, "has_torch_gpu", lambda: False)
    monkeypatch.setattr(device, "_installed", lambda name: "1.0" if name == "onnxruntime-gpu" else "")
    assert candidates() == ["cpu", "cuda"]
    monkeypatch.setattr(device, "_installed", lambda name: "")
    assert candidates() == ["cpu"]
