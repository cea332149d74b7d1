"""From a folder of pictures to a bundle that sharpens: the real training, export and runtime, made tiny."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import clearcall
from clearcall.bundle import read_bundle
from clearcall.errors import BundleError, InputError, OutputError
from clearcall.training import export
from clearcall.training.checkpoint import load_student, read_checkpoint
from clearcall.training.export import ParityError, activation_peaks, export_bundle
from clearcall.training.fit import RunOptions, train
from clearcall.training.graph import float_graph, int8_graph, student_of
from clearcall.training.module import learning_rate_factor
from clearcall.training.recipe import TrainingConfig, parse_recipe
from clearcall.training.student import Student, StudentConfig

QUIET = RunOptions(bar=False)


def tiny(**changes):
    values = {
        "name": "tiny",
        "student": {"width": 8, "depth": 3, "expansion": 8},
        "data": {"window": 64, "crop": 32, "variants": 4, "crops_per_window": 2, "held_out": 2, "workers": 0},
        "losses": {"l1": 1.0, "ssim": 0.1},
        "training": {"epochs": 2, "warmup_steps": 2, "ema_decay": 0.5, "validation_profiles": ["bicubic-x2"]},
    }
    for section, change in changes.items():
        values[section] = values[section] | change
    return parse_recipe(values, "tiny")


def rows_of(run):
    with (run / "curve.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(sharp_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "tiny"
    recipe = tiny(data={"degradation": "bicubic-x2"}, training={"epochs": 6, "learning_rate": 5e-3})
    train(recipe, sharp_folder, folder, options=QUIET)
    return folder


def test_training_leaves_checkpoints_a_curve_panels_and_tensorboard_logs(run):
    rows = rows_of(run)
    assert [int(row["epoch"]) for row in rows] == list(range(6))
    assert all(0 < float(row["val/ssim"]) < 1 for row in rows)
    assert (run / "checkpoints" / "best.safetensors").exists()
    assert (run / "checkpoints" / "last.safetensors").exists()
    assert len(list((run / "tensorboard").glob("events.out.tfevents*"))) == 1
    panels = sorted(path.name for path in (run / "panels").iterdir())
    assert panels == [f"epoch-{epoch:04d}.png" for epoch in range(6)]
    with Image.open(run / "panels" / panels[-1]) as panel:
        assert panel.width > panel.height // 4


def test_ssim_rises(run):
    rows = rows_of(run)
    assert float(rows[-1]["val/ssim"]) > float(rows[0]["val/ssim"]) + 0.001
    assert float(rows[-1]["val/gain bicubic-x2"]) > 0


def test_the_best_checkpoint_scores_what_its_row_says(run):
    content = read_checkpoint(run / "checkpoints" / "best.safetensors")
    best = max(rows_of(run), key=lambda row: float(row["val/ssim"]))
    assert content["scores"]["val/ssim"] == pytest.approx(float(best["val/ssim"]), abs=1e-5)
    assert content["epoch"] == int(best["epoch"])


def test_a_run_is_not_overwritten_and_nothing_is_not_resumed(run, sharp_folder, tmp_path):
    with pytest.raises(OutputError, match="already holds a run"):
        train(tiny(), sharp_folder, run, options=QUIET)
    with pytest.raises(OutputError, match="nothing to resume"):
        train(tiny(), sharp_folder, tmp_path / "none", options=RunOptions(resume=True, bar=False))


def test_training_starts_from_the_weights_of_a_checkpoint(run, sharp_folder, tmp_path):
    best = run / "checkpoints" / "best.safetensors"
    recipe = tiny(
        student={"expansion": 0}, data={"degradation": "bicubic-x2"}, training={"epochs": 1, "learning_rate": 1e-7}
    )
    train(recipe, sharp_folder, tmp_path / "plain", options=RunOptions(start=best, bar=False))
    scores = read_checkpoint(best)["scores"]
    assert float(rows_of(tmp_path / "plain")[0]["val/ssim"]) == pytest.approx(scores["val/ssim"], abs=1e-4)
    other = tiny(student={"width": 12, "expansion": 0})
    with pytest.raises(InputError, match="the recipe wants"):
        train(other, sharp_folder, tmp_path / "other", options=RunOptions(start=best, bar=False))


def test_training_starts_from_a_bundle_and_from_a_shipped_model(run, sharp_folder, tmp_path):
    best = run / "checkpoints" / "best.safetensors"
    export_bundle(best, tmp_path / "tiny", sharp_folder)
    recipe = tiny(student={"expansion": 0}, training={"epochs": 1, "learning_rate": 1e-7})
    train(recipe, sharp_folder, tmp_path / "again", options=RunOptions(start=tmp_path / "tiny", bar=False))
    before, after = load_student(best)[0].collapsed(), load_student(tmp_path / "again/checkpoints/best.safetensors")[0]
    for was, now in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.allclose(was, now, atol=1e-5)
    with pytest.raises(InputError, match=r"small holds a student of .*the recipe wants"):
        train(recipe, sharp_folder, tmp_path / "other", options=RunOptions(start=Path("small"), bar=False))


def test_pairs_on_disk_train_too_and_set_the_8_bit_ranges(gopro_folder, tmp_path):
    recipe = tiny(data={"source": "paired"}, training={"epochs": 1})
    outcome = train(recipe, gopro_folder, tmp_path / "run", options=QUIET)
    assert "val/gain blur" in rows_of(tmp_path / "run")[0]
    assert "int8 ssim lost" in export_bundle(outcome.checkpoint, tmp_path / "tiny", gopro_folder).card.scores


def test_a_teacher_s_outputs_are_kept_and_used_by_a_run(sharp_folder, tmp_path):
    recipe = parse_recipe(
        tiny().model_dump()
        | {
            "teacher": {"width": 8, "encoder": [1], "middle": 1, "decoder": [1], "stride": 2},
            "losses": {"l1": 1.0, "output": 1.0},
            "distillation": {"cache": str(tmp_path / "taught")},
        },
        "tiny",
    )
    train(recipe, sharp_folder, tmp_path / "run", options=QUIET)
    assert len(list((tmp_path / "taught").iterdir())) == 4 * 4  # variants of the pictures that aren't held out
    assert float(rows_of(tmp_path / "run")[-1]["train/output"]) >= 0


def test_a_validation_folder_that_overlaps_is_refused_before_training(sharp_folder, tmp_path):
    with pytest.raises(InputError, match="also in the training set"):
        train(tiny(), sharp_folder, tmp_path / "run", validation=sharp_folder, options=QUIET)


def test_exported_bundle_computes_what_the_checkpoint_does(run, sharp_folder, tmp_path):
    export_bundle(run / "checkpoints" / "best.safetensors", tmp_path / "tiny", sharp_folder)
    student, _ = load_student(run / "checkpoints" / "best.safetensors")
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    expected = export.sharpen(student, frame).astype(int)
    exact = clearcall.load(tmp_path / "tiny", precision="float32").sharpen(frame)
    assert np.abs(exact - expected).max() <= 1
    assert np.abs(exact - expected).mean() < export.FLOAT32_TOLERANCE
    fast = clearcall.load(tmp_path / "tiny").sharpen(frame)
    assert np.abs(fast - expected).mean() < 2
    card = read_bundle(tmp_path / "tiny").card
    assert card.parameters == student.parameter_count
    assert card.training["epochs"] <= 6
    assert 0 <= card.scores["int8 mean difference"] <= export.INT8_TOLERANCE
    assert json.loads((tmp_path / "tiny" / "card.json").read_text())["multiple_of"] == 2


def test_export_fails_when_the_graph_differs(run, sharp_folder, tmp_path, monkeypatch):
    def wrong(student):
        worse = student.collapsed()
        with torch.no_grad():
            worse.layers[-1].bias[0] += 0.02
        return float_graph(worse)

    monkeypatch.setattr(export, "float_graph", wrong)
    with pytest.raises(ParityError, match=r"float32 graph .* differs from the checkpoint"):
        export_bundle(run / "checkpoints" / "best.safetensors", tmp_path / "tiny", sharp_folder)
    assert not (tmp_path / "tiny").exists()


def test_export_fails_when_8_bits_are_too_few(run, sharp_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "activation_peaks", lambda student, frames: [100.0] * 3)
    with pytest.raises(ParityError, match="int8 graph"):
        export_bundle(run / "checkpoints" / "best.safetensors", tmp_path / "tiny", sharp_folder)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_graphs_of_every_stride_agree_with_pytorch(stride):
    from clearcall.runtime.engine import OpenVINOEngine

    torch.manual_seed(stride)
    student = Student(StudentConfig(stride=stride, width=8, depth=4))
    for parameter in student.parameters():
        torch.nn.init.normal_(parameter, std=0.08)
    student.eval()
    frame = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    expected = export.sharpen(student, frame).astype(int)
    graphs = float_graph(student), int8_graph(student, activation_peaks(student, [frame]))
    for graph, tolerance in zip(graphs, (0.01, 1.5), strict=True):
        found = OpenVINOEngine(graph.SerializeToString()).infer(frame, 1.0)
        assert np.abs(found - expected).mean() < tolerance


def test_learning_rate_warms_up_and_decays_to_its_end():
    config = TrainingConfig(learning_rate=1e-3, final_learning_rate=1e-5, warmup_steps=10)
    factors = [learning_rate_factor(step, 200, config) for step in range(200)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[9] == 1
    assert learning_rate_factor(200, 200, config) == pytest.approx(0.01)


@pytest.mark.parametrize("blur", ["blur", "blur_gamma"])
def test_the_official_layout_trains_with_whole_sequences_held_out(make_pairs, tmp_path, blur):
    for number in range(3):
        make_pairs(tmp_path / "GOPRO_Large", f"train/GOPR0372_07_0{number}", 2, blur=blur)
    recipe = tiny(data={"source": "paired", "blur": blur, "crop": 16}, training={"epochs": 1})
    train(recipe, tmp_path, tmp_path / "run", options=QUIET)
    assert "val/gain blur" in rows_of(tmp_path / "run")[0]


@pytest.mark.parametrize(
    "shape",
    [{"stride": 4, "width": 16, "depth": 3, "margin": 4, "colour": "luma"}, {"stride": 2, "width": 8, "depth": 4}],
)
def test_a_graph_gives_back_its_student(shape):
    student = Student(StudentConfig(**shape))
    for parameter in student.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    again = student_of(float_graph(student).SerializeToString())
    assert again.config == student.config
    for was, now in zip(student.parameters(), again.parameters(), strict=True):
        assert torch.allclose(was, now, atol=1e-7)


def test_graphs_of_a_student_of_luma_agree_with_pytorch():
    from clearcall.runtime.engine import OpenVINOEngine

    torch.manual_seed(0)
    student = Student(StudentConfig(stride=4, width=16, depth=3, margin=4, colour="luma"))
    for parameter in student.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    student.eval()
    frame = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    expected = export.sharpen(student, frame).astype(int)
    graphs = float_graph(student), int8_graph(student, activation_peaks(student, [frame]))
    for graph, tolerance in zip(graphs, (0.01, 1.5), strict=True):
        found = OpenVINOEngine(graph.SerializeToString()).infer(frame, 1.0)
        assert np.abs(found - expected).mean() < tolerance


def test_training_starts_from_an_expert_and_learns_not_to_flicker(sharp_folder, tmp_path):
    values = {
        "name": "steady",
        "student": {"width": 16},
        "data": {
            "degradation": "h264-half-crf28",
            "variants": 1,
            "window": 64,
            "crop": 32,
            "held_out": 1,
            "workers": 0,
        },
        "losses": {"l1": 1.0, "flicker": 1.0},
        "training": {"epochs": 1, "validation_profiles": ["h264-half-crf28"], "ema_decay": 0.0},
    }
    train(
        parse_recipe(values, "steady"),
        sharp_folder,
        tmp_path / "run",
        options=RunOptions(start=Path("small/avc_fine"), bar=False),
    )
    assert "train/flicker" in (tmp_path / "run" / "curve.csv").read_text(encoding="utf-8").splitlines()[0]
    with pytest.raises(BundleError, match="no expert far_away"):
        train(
            parse_recipe(values, "steady"),
            sharp_folder,
            tmp_path / "other",
            options=RunOptions(start=Path("small/far_away"), bar=False),
        )
