"""From a checkpoint to a bundle: ONNX in float32 and in 8 bits, each checked against the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime as ort
import torch
from torch.nn import functional

from clearcall.bundle import FORMAT_VERSION, Bundle, Card, Precision, write_bundle
from clearcall.errors import ClearcallError, InputError
from clearcall.evaluation.metrics import PROTOCOL, ssim
from clearcall.frame import Frame, pad_to_multiple, to_frame
from clearcall.runtime.engine import OpenVINOEngine
from clearcall.runtime.gate import GENERAL, UNTOUCHED
from clearcall.training.checkpoint import load_student, read_checkpoint
from clearcall.training.gate_material import gate_material
from clearcall.training.gating import Restore, fit_gate
from clearcall.training.graph import float_graph, int8_graph
from clearcall.training.pairs import list_pictures, split_pairs
from clearcall.training.recipe import Recipe
from clearcall.training.student import Student
from clearcall.training.windows import DegradedWindows, PairedWindows, Window, WindowSource

CALIBRATION_WINDOWS = 48
CALIBRATION_SIDE = 256
CALIBRATION_SEED = 20_000
PEAK_CANDIDATES = 40

Item = TypeVar("Item")

FLOAT32_TOLERANCE = 0.01
"""Largest mean difference, in 8-bit levels, between the float32 graph and the checkpoint (rounding ties)."""
INT8_TOLERANCE = 0.5
"""Largest mean difference, in 8-bit levels, between the 8-bit graph and the checkpoint."""
INT8_SSIM_TOLERANCE = 0.001
"""Most SSIM against the truth that 8 bits may lose, on the calibration windows."""


class ParityError(ClearcallError):
    """An exported graph doesn't compute what its checkpoint does."""

    exit_status = 8


@dataclass(frozen=True)
class Parity:
    """How far a graph is from the checkpoint: mean and largest difference in 8-bit levels, and lost SSIM."""

    mean: float
    largest: int
    ssim_lost: float


@dataclass(frozen=True)
class Exported:
    """One set of weights, exported and checked.

    Attributes:
        student: What the graphs compute.
        recipe: What it was trained by.
        graphs: The ONNX files by precision.
        scores: How far each graph is from the checkpoint, and what it loses, by name.
    """

    student: Student
    recipe: Recipe
    graphs: dict[Precision, bytes]
    scores: dict[str, float]


def export_bundle(
    checkpoint: Path,
    folder: Path,
    calibration: Path,
    *,
    experts: Mapping[str, Path] | None = None,
    force: bool = False,
    bar: bool = False,
) -> Bundle:
    """Export a checkpoint.

    Args:
        checkpoint: A checkpoint of ``clearcall train``.
        folder: Folder of the new bundle.
        calibration: Folder of sharp pictures, or of pairs where the recipe trains on pairs; windows of them, degraded
            as in training, set the ranges of the 8-bit activations and serve to check the graphs.
        experts: Checkpoints of experts for kinds of links, by name; a gate is fitted that chooses between them, on
            windows of the pictures, degraded as in the training of each.
        force: Replace a bundle that is there already.
        bar: Whether to show progress.

    Raises:
        ParityError: A graph differs from the checkpoint by more than its tolerance; no bundle is written.
        InputError: A checkpoint or the pictures can't be used, or an expert is of another shape or has a reserved name.
        OutputError: The bundle can't be written.
    """
    general = exported(checkpoint, calibration)
    others = {name: exported(path, calibration) for name, path in (experts or {}).items()}
    _check_experts(general, others)
    scores = dict(general.scores)
    gate = b""
    if others:
        everything = {GENERAL: general, **others}
        worst = {name: max(each.scores[name] for each in everything.values()) for name in scores}
        choices = choices_of(
            {name: each.graphs["int8"] for name, each in everything.items()}, general.student.config.stride
        )
        mixes = [each.recipe.data for each in everything.values()]
        fit = fit_gate(choices, gate_material(mixes, list_pictures(calibration)), bar=bar)
        scores = worst | {"gate gain": fit.gain, "gate regret": fit.regret}
        gate = fit.gate.written()
    card = _card(general, checkpoint, scores, about_experts(experts or {}))
    graphs = {name: each.graphs for name, each in others.items()}
    return write_bundle(folder, card, general.graphs, experts=graphs, gate=gate, force=force)


def exported(checkpoint: Path, calibration: Path) -> Exported:
    """Make the graphs of a checkpoint, and check them on degraded windows of the pictures.

    Raises:
        ParityError: A graph differs from the checkpoint by more than its tolerance.
        InputError: The checkpoint or the pictures can't be used.
    """
    trained, recipe = load_student(checkpoint)
    student = trained.settled() if recipe.training.quantisation_aware else trained
    windows = _calibration_windows(recipe, calibration)
    peaks = activation_peaks(student, [window[0] for window in windows])
    graphs: dict[Precision, bytes] = {
        "int8": int8_graph(trained, peaks).SerializeToString(),
        "float32": float_graph(student).SerializeToString(),
    }
    scores: dict[str, float] = {}
    for precision, graph in graphs.items():
        parity = check_parity(student, graph, windows, precision)
        scores |= {f"{precision} mean difference": parity.mean, f"{precision} ssim lost": parity.ssim_lost}
    return Exported(student, recipe, graphs, scores)


def _check_experts(general: Exported, others: Mapping[str, Exported]) -> None:
    for name, each in others.items():
        if name in (GENERAL, UNTOUCHED) or not name.isidentifier():
            raise InputError(f"An expert can't be named {name}; give it a word of its own, such as resized.")
        if each.student.config != general.student.config:
            raise InputError(
                f"The expert {name} is a student of {each.student.config}, the checkpoint for all links one of "
                f"{general.student.config}; train both with the same [student]."
            )
        if each.recipe.data.source != "degraded":
            raise InputError(f"The expert {name} was trained on pairs; a gate is fitted for degraded pictures only.")


def choices_of(graphs: Mapping[str, bytes], multiple: int) -> dict[str, Restore]:
    """What each 8-bit graph makes of a frame, by the graph's name."""
    engines = {name: OpenVINOEngine(graph, threads=1) for name, graph in graphs.items()}
    return {name: partial(_run, engine, multiple) for name, engine in engines.items()}


def _run(engine: OpenVINOEngine, multiple: int, frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    return engine.infer(pad_to_multiple(frame, multiple), 1.0)[:height, :width]


def _calibration_windows(recipe: Recipe, folder: Path) -> list[Window]:
    source: WindowSource
    if recipe.data.source == "paired":
        source = PairedWindows(_chosen(split_pairs(folder, recipe.data.held_out, recipe.data.blur)[0]))
    else:
        pictures = _chosen(list_pictures(folder))
        source = DegradedWindows(
            pictures, 1, CALIBRATION_SIDE, recipe.data.degradation, CALIBRATION_SEED, mix=recipe.data.mix
        )
    multiple = recipe.student.stride
    return [
        _cropped(source.window(item)[:, :CALIBRATION_SIDE, :CALIBRATION_SIDE], multiple) for item in range(len(source))
    ]


def _chosen(items: Sequence[Item]) -> Sequence[Item]:
    """So many as calibration needs, evenly over all."""
    return items[:: max(len(items) // CALIBRATION_WINDOWS, 1)][:CALIBRATION_WINDOWS]


def _cropped(window: Window, multiple: int) -> Window:
    height, width = (length // multiple * multiple for length in window.shape[1:3])
    return np.ascontiguousarray(window[:, :height, :width])


def activation_peaks(student: Student, frames: Sequence[Frame]) -> list[float]:
    """For each hidden layer the clipping point that gives the least squared error in 8 bits."""
    kept: list[list[torch.Tensor]] = [[] for _ in student.layers[:-1]]
    with torch.no_grad():
        for frame in frames:
            features = student.seen(_tensor(frame))
            for layer, values in zip(student.layers[:-1], kept, strict=True):
                features = functional.relu(layer(features))
                values.append(features.flatten()[::7])
    return [_best_peak(torch.cat(values)) for values in kept]


def _best_peak(values: torch.Tensor) -> float:
    top = max(float(values.max()), 1e-6)
    candidates = [top * (number + 1) / PEAK_CANDIDATES for number in range(PEAK_CANDIDATES)]

    def error(peak: float) -> float:
        step = peak / 255
        return float(((values / step).round().clamp(max=255) * step - values).square().mean())

    return min(candidates, key=error)


def check_parity(student: Student, graph: bytes, windows: Sequence[Window], precision: str) -> Parity:
    """Compare a graph, run by OpenVINO and by ONNX Runtime, with the student in PyTorch.

    Raises:
        ParityError: The difference is beyond the tolerance.
    """
    expected = [sharpen(student, window[0]) for window in windows]
    engine = OpenVINOEngine(graph)
    found = [engine.infer(np.ascontiguousarray(window[0]), 1.0) for window in windows]
    parity = _compare(expected, found, windows)
    _refuse(parity, precision, "OpenVINO")
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    reference = [session.run(["sharp"], {"frame": window[:1]})[0][0] for window in windows]
    _refuse(_compare(expected, reference, windows), precision, "ONNX Runtime")
    return parity


def _compare(expected: Sequence[Frame], found: Sequence[Frame], windows: Sequence[Window]) -> Parity:
    differences = [np.abs(a.astype(np.int16) - b) for a, b in zip(expected, found, strict=True)]
    lost = [ssim(a, w[1]) - ssim(b, w[1]) for a, b, w in zip(expected, found, windows, strict=True)]
    return Parity(
        mean=float(np.mean([difference.mean() for difference in differences])),
        largest=max(int(difference.max()) for difference in differences),
        ssim_lost=float(np.mean(lost)),
    )


def _refuse(parity: Parity, precision: str, engine: str) -> None:
    tolerance = FLOAT32_TOLERANCE if precision == "float32" else INT8_TOLERANCE
    if parity.mean > tolerance or parity.ssim_lost > INT8_SSIM_TOLERANCE:
        raise ParityError(
            f"The {precision} graph run by {engine} differs from the checkpoint by {parity.mean:.4f} levels on average "
            f"(tolerance {tolerance}) and loses {parity.ssim_lost:.5f} SSIM (tolerance {INT8_SSIM_TOLERANCE}); "
            "no bundle was written."
        )


def sharpen(student: Student, frame: Frame) -> Frame:
    """What the student in PyTorch makes of a uint8 HWC RGB frame."""
    with torch.no_grad():
        return to_frame(student(_tensor(frame))[0].numpy())


def _tensor(frame: Frame) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float().div(255)


def about_experts(experts: Mapping[str, Path]) -> dict[str, str]:
    """For the card: the recipe and the steps of each expert."""
    contents = {name: (load_student(path)[1], read_checkpoint(path)) for name, path in experts.items()}
    return {
        f"expert {name}": f"recipes/{recipe.name}.toml, {content['global_step']} steps"
        for name, (recipe, content) in contents.items()
    }


def _card(general: Exported, checkpoint: Path, scores: dict[str, float], experts: dict[str, str]) -> Card:
    student, recipe = general.student, general.recipe
    content = read_checkpoint(checkpoint)
    validation = {name: score for name, score in content["scores"].items() if name.startswith("val/")}
    return Card(
        format_version=FORMAT_VERSION,
        name=recipe.name,
        description=recipe.description,
        parameters=student.parameter_count,
        multiple_of=recipe.student.stride,
        student={key: getattr(recipe.student, key) for key in ("stride", "width", "depth", "margin", "channels")},
        graphs={},
        training={
            "recipe": f"recipes/{recipe.name}.toml",
            "steps": content["global_step"],
            "epochs": content["epoch"] + 1,
            "losses": ", ".join(f"{name} {weight:g}" for name, weight in recipe.losses.model_dump().items() if weight),
            "source": recipe.data.source,
            "degradation": recipe.data.degradation if recipe.data.source == "degraded" else "motion blur",
            **experts,
        },
        scores={name: round(score, 6) for name, score in (validation | scores).items()},
        protocol=f"{PROTOCOL}. val/: on pictures held out from training.",
    )
