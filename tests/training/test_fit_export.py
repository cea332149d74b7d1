"""From a folder of pictures to a bundle that sharpens: the real training, export and runtime, made tiny."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

import clearcall
from clearcall.bundle import read_bundle
from clearcall.errors import InputError, OutputError
from clearcall.training import export
from clearcall.training.callbacks import Panels
from clearcall.training.checkpoint import load_student
from clearcall.training.export import ParityError, activation_peaks, export_bundle
from clearcall.training.fit import train_student
from clearcall.training.graph import float_graph, int8_graph
from clearcall.training.module import learning_rate_factor
from clearcall.training.recipe import TrainingConfig, parse_recipe
from clearcall.training.student import Student, StudentConfig


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
    train_student(recipe, sharp_folder, folder, bar=False)
    return folder


def test_training_leaves_checkpoints_a_curve_panels_and_tensorboard_logs(run):
    rows = rows_of(run)
    assert [int(row["epoch"]) for row in rows] == list(range(6))
    assert all(0 < float(row["val/ssim"]) < 1 for row in rows)
    assert (run / "checkpoints" / "best.ckpt").exists()
    assert (run / "checkpoints" / "last.ckpt").exists()
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
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    best = max(rows_of(run), key=lambda row: float(row["val/ssim"]))
    assert content["scores"]["val/ssim"] == pytest.approx(float(best["val/ssim"]), abs=1e-5)
    assert content["epoch"] == int(best["epoch"])


def test_a_run_is_not_overwritten_and_nothing_is_not_resumed(run, sharp_folder, tmp_path):
    with pytest.raises(OutputError, match="already holds a run"):
        train_student(tiny(), sharp_folder, run, bar=False)
    with pytest.raises(OutputError, match="nothing to resume"):
        train_student(tiny(), sharp_folder, tmp_path / "none", resume=True, bar=False)


def test_resuming_ends_where_an_unbroken_run_ends(sharp_folder, tmp_path, monkeypatch):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    recipe = tiny(training={"epochs": 3})
    train_student(recipe, sharp_folder, unbroken, bar=False)
    with monkeypatch.context() as patch:
        patch.setattr(Panels, "on_validation_epoch_end", lambda _, trainer, __: setattr(trainer, "should_stop", True))
        train_student(recipe, sharp_folder, broken, bar=False)
    assert len(rows_of(broken)) == 1
    train_student(recipe, sharp_folder, broken, resume=True, bar=False)
    assert [row["epoch"] for row in rows_of(broken)] == ["0", "1", "2"]
    states = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (unbroken, broken)
    ]
    for name, weight in states[0].items():
        assert torch.allclose(weight, states[1][name], atol=1e-5), name


def test_pairs_on_disk_train_too(gopro_folder, tmp_path):
    recipe = tiny(data={"source": "paired"}, training={"epochs": 1})
    train_student(recipe, gopro_folder, tmp_path / "run", bar=False)
    assert "val/gain blur" in rows_of(tmp_path / "run")[0]


def test_a_validation_folder_that_overlaps_is_refused_before_training(sharp_folder, tmp_path):
    with pytest.raises(InputError, match="also in the training set"):
        train_student(tiny(), sharp_folder, tmp_path / "run", validation=sharp_folder, bar=False)


def test_exported_bundle_computes_what_the_checkpoint_does(run, sharp_folder, tmp_path):
    export_bundle(run / "checkpoints" / "best.ckpt", tmp_path / "tiny", sharp_folder)
    student, _ = load_student(run / "checkpoints" / "best.ckpt")
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
        export_bundle(run / "checkpoints" / "best.ckpt", tmp_path / "tiny", sharp_folder)
    assert not (tmp_path / "tiny").exists()


def test_export_fails_when_8_bits_are_too_few(run, sharp_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "activation_peaks", lambda student, frames: [100.0] * 3)
    with pytest.raises(ParityError, match="int8 graph"):
        export_bundle(run / "checkpoints" / "best.ckpt", tmp_path / "tiny", sharp_folder)


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


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "wrong.ckpt"
    with pytest.raises(InputError, match="There is no checkpoint"):
        load_student(path)
    for content in (b"", b"garbage", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a checkpoint"):
            load_student(path)


class Exploit:
    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return (open, (str(self.proof), "w"))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    torch.save({"recipe": Exploit(tmp_path / "proof"), "state_dict": {}}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match="not a checkpoint"):
        load_student(tmp_path / "evil.ckpt")
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize("damage", ["nan", "missing", "shape"])
def test_damaged_weights_are_refused(run, tmp_path, damage):
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    name = next(iter(content["state_dict"]))
    if damage == "nan":
        content["state_dict"][name].flatten()[0] = float("nan")
    elif damage == "missing":
        del content["state_dict"][name]
    else:
        content["state_dict"][name] = torch.zeros(1)
    torch.save(content, tmp_path / "damaged.ckpt")
    with pytest.raises(InputError, match="not finite" if damage == "nan" else "not a checkpoint"):
        load_student(tmp_path / "damaged.ckpt")


def test_learning_rate_warms_up_and_decays_to_its_end():
    config = TrainingConfig(learning_rate=1e-3, final_learning_rate=1e-5, warmup_steps=10)
    factors = [learning_rate_factor(step, 200, config) for step in range(200)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[9] == 1
    assert learning_rate_factor(200, 200, config) == pytest.approx(0.01)
