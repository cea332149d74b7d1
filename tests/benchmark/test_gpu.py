"""The benchmark on a GPU, gone through on the CPU: what it counts, compares and writes; times are never asserted."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from clearcall.benchmark import gpu, gpu_clock
from clearcall.benchmark.gpu import SHIPS, bench_gpu, cost_of, read_weights, why_no_gpu
from clearcall.bundle import bundled_models, read_bundle
from clearcall.errors import BundleError, MissingExtraError, MissingHardwareError
from clearcall.runtime.engine import ONNXGraph
from clearcall.runtime.packed_graph import read_network
from clearcall.runtime.torch_engine import TorchEngine

torch = pytest.importorskip("torch")
ROOT = Path(__file__).parents[2]
SIZE = (64, 36)


@pytest.mark.parametrize("model", bundled_models())
def test_weights_read_by_onnx_are_those_that_openvino_reads(model):
    bundle = read_bundle(bundled_models()[model])
    expected = read_network(ONNXGraph(bundle.graph("float32")).model(), bundle.card.multiple_of)
    found = read_weights(model)
    assert found.stride == expected.stride
    for layer, other in zip(found.layers, expected.layers, strict=True):
        assert (layer.weight == other.weight).all()
        assert (layer.bias == other.bias).all()


def test_a_model_that_is_none_names_those_that_are():
    with pytest.raises(BundleError, match="no model smal; the bundled ones are deblur, large, "):
        read_weights("smal")


def test_onnx_that_is_missing_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"needs onnx, .*clearcall\[train\]"):
        read_weights("nano")


def test_weights_with_other_names_are_refused(monkeypatch):
    import onnx

    model = onnx.ModelProto()
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "weight0"))
    monkeypatch.setattr(onnx, "load_from_string", lambda content: model)
    with pytest.raises(BundleError, match="graph of nano has no bias0"):
        read_weights("nano")


def test_costs_are_counted_by_hand():
    """``large``: 6 x 6 x 3 x 64, twice 3 x 3 x 64 x 64, 3 x 3 x 64 x 12, at half the width and height."""
    cost = cost_of(read_weights("large"), (1920, 1080))
    weights = 6 * 6 * 3 * 64 + 2 * 9 * 64 * 64 + 9 * 64 * 12
    assert cost.operations == 2 * weights * 960 * 540
    assert cost.moved == 2 * 3 * 1920 * 1080
    assert cost.moved_by_layers - cost.moved == 2 * 2 * (12 + 64 + 64 + 64 + 12) * 960 * 540


def test_every_variant_is_timed_and_compared_with_float32():
    report = bench_gpu("small", device="cpu", size=SIZE, rounds=2)
    assert set(report.timings) == set(gpu._variants(()))
    assert not report.failed
    assert not report.can_fuse
    for timing in report.timings.values():
        assert 0 < timing.p5 <= timing.median <= timing.p95
        assert (timing.differing, timing.furthest) == (0.0, 0)
        assert timing.is_met == (timing.median <= 2)
        assert timing.share == pytest.approx(report.limit / timing.median, rel=0.01, abs=0.001)
    assert report.limit_by_layers >= report.limit > 0
    assert json.loads(json.dumps(report.as_json()))["size"] == [64, 36]


def test_a_variant_that_fails_is_named_with_its_reason_and_the_others_are_timed():
    report = bench_gpu("nano", device="cpu", size=SIZE, rounds=1, modes=["nonsense"])
    assert SHIPS in report.timings
    assert report.failed.keys() == {"recorded, compiled (nonsense)"}
    assert "mode=nonsense" in report.failed["recorded, compiled (nonsense)"]


def test_a_wrong_frame_is_seen(monkeypatch):
    """What would be fast because it computes something else."""
    monkeypatch.setattr(TorchEngine, "record", lambda self, frames: lambda frames: frames)
    timing = bench_gpu("small", device="cpu", size=SIZE, rounds=1, variants=[SHIPS]).timings[SHIPS]
    assert timing.differing > 0
    assert timing.furthest > 0


def test_a_device_that_is_none_is_said_in_a_sentence():
    with pytest.raises(MissingHardwareError, match="can't use toaster"):
        bench_gpu("nano", device="toaster", size=SIZE)


def test_a_gpu_is_timed_by_its_own_events(monkeypatch):
    """A stand-in for CUDA's events: they are recorded around the work, and read when the GPU is done."""
    happened = []

    class Event:
        def __init__(self, *, enable_timing):
            assert enable_timing

        def record(self):
            happened.append("event")

        def elapsed_time(self, other):
            happened.append("read")
            return 1.5

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda target: happened.append("done"))
    clock = gpu_clock.Clock("cpu")
    clock._is_gpu = True
    assert clock.milliseconds(lambda: happened.append("work")) == 1.5
    assert happened == ["event", "work", "event", "done", "read"]
    assert clock.queued(lambda frame: None, [1, 2]) == 1.5 / gpu_clock._QUEUED


def test_why_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(gpu, "has_torch_gpu", lambda: False)
    assert "no GPU's driver" in why_no_gpu()
    monkeypatch.setattr(gpu, "has_torch_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert why_no_gpu() == "PyTorch can't use the GPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert not why_no_gpu()


BARE = """
    import importlib.abc, runpy, sys

    ABSENT = {"openvino", "av", "pydantic", "typer", "rich", "skimage", "scipy", "PIL", "lightning", "torchvision"}

    class Absent(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ABSENT:
                raise ImportError(f"{name} is not on this machine")

    sys.meta_path.insert(0, Absent())
    sys.argv = ["gpu.py", *sys.argv[1:]]
    runpy.run_path("benchmarks/gpu.py", run_name="__main__")
"""


def on_a_bare_machine(*arguments):
    command = [sys.executable, "-c", textwrap.dedent(BARE), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_program_runs_where_little_is_installed(tmp_path):
    run = on_a_bare_machine(
        "--model", "nano", "--device", "cpu", "--size", *SIZE, "--rounds", 2, "--json", tmp_path / "gpu.json"
    )
    assert run.returncode == 0, run.stderr
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["model"] == "nano"
    assert all(name in run.stdout for name in content["timings"])


def test_the_program_refuses_in_one_sentence():
    run = on_a_bare_machine("--model", "smal", "--device", "cpu")
    assert run.returncode == 1
    assert run.stderr.strip().startswith("There is no model smal")
    assert len(run.stderr.strip().splitlines()) == 1
