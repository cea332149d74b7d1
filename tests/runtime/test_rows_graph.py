"""Graphs laid out for one size give the bits of the bundle's own graph."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcall.bundle import bundled_models, read_bundle
from clearcall.media.colour import Colours
from clearcall.runtime.engine import ONNXGraph, OpenVINOEngine
from clearcall.runtime.int8_ops import AS_SHARP
from clearcall.runtime.packed_graph import read_network
from clearcall.runtime.quiet import load_openvino
from clearcall.runtime.rows_graph import by_rows
from clearcall.runtime.yuv import _Folded

SMALL = read_bundle(bundled_models()["small"])
LEFT = Colours(matrix=1, range=1, siting="left")


def inputs_of(model: object) -> set[str]:
    return {name for each in model.inputs for name in each.get_names()}  # type: ignore[attr-defined]


def plainly(content: bytes, frame: np.ndarray) -> np.ndarray:
    """What OpenVINO makes of the graph as it is in the file."""
    model = load_openvino().Core().read_model(content)
    model.reshape({"frame": [1, *frame.shape]})
    compiled = load_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled({"frame": frame[None]})["sharp"][0])


@pytest.mark.parametrize("expert", [None, *SMALL.card.experts])
def test_rows_are_the_picture(expert: str | None) -> None:
    content = (SMALL.expert(expert) if expert else SMALL).graph("int8")
    frame = np.random.default_rng(1).integers(0, 256, (54, 100, 3), np.uint8)
    assert AS_SHARP in inputs_of(ONNXGraph(content).sized(54, 100))
    found = OpenVINOEngine(content).infer(frame, 1.0)
    assert np.array_equal(found, plainly(content, frame))
    assert (found != frame).any()
    reference = ort.InferenceSession(content, providers=["CPUExecutionProvider"]).run(["sharp"], {"frame": frame[None]})
    assert np.abs(found.astype(int) - reference[0][0]).max() <= 2


@settings(max_examples=12, deadline=None)
@given(height=st.integers(2, 40), width=st.integers(2, 60), seed=st.integers(0, 99))
def test_any_size_gives_the_same_bits(height: int, width: int, seed: int) -> None:
    content = SMALL.graph("int8")
    frame = np.random.default_rng(seed).integers(0, 256, (2 * (height // 2), 2 * (width // 2), 3), np.uint8)
    assert np.array_equal(OpenVINOEngine(content).infer(frame, 1.0), plainly(content, frame))


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.7])
def test_strength_blends_what_lies_in_rows(strength: float) -> None:
    engine = OpenVINOEngine(SMALL.graph("int8"))
    frame = np.random.default_rng(2).integers(0, 256, (24, 32, 3), np.uint8)
    sharp = engine.infer(frame, 1.0).astype(np.float64)
    blended = np.clip(np.rint(frame + np.float32(strength) * (sharp - frame)), 0, 255)
    assert np.array_equal(engine.infer(frame, strength), blended)


@pytest.mark.parametrize(
    ("model", "precision"), [("small", "float32"), ("nano", "int8"), ("deblur", "int8"), ("large", "int8")]
)
def test_other_graphs_stay_as_they_are(model: str, precision: str) -> None:
    graph = ONNXGraph(read_bundle(bundled_models()[model]).graph(precision))  # type: ignore[arg-type]
    assert by_rows(graph.model(), 64, 64) is None
    assert inputs_of(graph.sized(64, 64)) == {"frame"}


@settings(max_examples=12, deadline=None)
@given(height=st.integers(2, 30), width=st.integers(1, 30), seed=st.integers(0, 99))
def test_two_blocks_at_once_are_the_same_bits(height: int, width: int, seed: int) -> None:
    """Packed planes, with an odd number of blocks across left as they were."""
    graph = _Folded(SMALL, "int8", read_network(ONNXGraph(SMALL.graph("float32")).model(), 2), LEFT)
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 8), np.uint8)
    assert (AS_SHARP in inputs_of(graph.sized(height, width))) == (width % 2 == 0)
    plain = graph.model()
    plain.reshape({"frame": [1, *frame.shape]})
    expected = load_openvino().Core().compile_model(plain, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.array_equal(OpenVINOEngine(graph).infer(frame, 1.0), expected({"frame": frame[None]})["sharp"][0])


@pytest.mark.parametrize("size", [(64, 62), (63, 64)])
def test_sizes_that_do_not_fit_stay_as_they_are(size: tuple[int, int]) -> None:
    assert by_rows(ONNXGraph(SMALL.graph("int8")).model(), *size) is None
