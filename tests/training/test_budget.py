import csv
import time
from functools import partial

import pytest
import torch

from clearcall.training import fit, processes
from clearcall.training.budget import Budget
from clearcall.training.fit import RunOptions, train
from clearcall.training.module import learning_rate_factor
from clearcall.training.recipe import TrainingConfig, parse_recipe

RECIPE = {
    "name": "rented",
    "student": {"width": 8},
    "data": {
        "window": 64,
        "crop": 32,
        "crops_per_window": 1,
        "variants": 1,
        "workers": 0,
        "held_out": 2,
        "resident": True,
    },
    "losses": {"l1": 1.0},
    "training": {
        "epochs": 100_000,
        "batch_windows": 2,
        "warmup_steps": 1,
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-6,
        "validation_profiles": ["bicubic-x2"],
        "validation_epochs": 1000,
        "compiled": True,
    },
}


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Windows are resident and steps compiled as on a GPU, but by the CPU, and without a C compiler."""
    monkeypatch.setattr(processes, "gpu", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


def test_a_run_ends_complete_when_its_time_is_up(sharp_folder, tmp_path, as_on_a_gpu):
    recipe = parse_recipe(RECIPE, "here")
    begun = time.monotonic()
    outcome = train(recipe, sharp_folder, tmp_path / "run", options=RunOptions(budget=6.0, bar=False))
    assert time.monotonic() - begun < 120
    assert outcome.is_finished
    assert 5 < outcome.step < 200_000
    rows = list(csv.DictReader((tmp_path / "run" / "curve.csv").open()))
    assert int(rows[-1]["step"]) == outcome.step
    assert float(rows[-1]["learning_rate"]) < 1e-4  # the cosine has come to its end, not to that of 100,000 epochs


def test_the_learning_rate_follows_the_clock():
    config = TrainingConfig(learning_rate=1e-3, final_learning_rate=1e-5, warmup_steps=10)
    budget = Budget(100.0)
    budget.spent = 50.0
    half = learning_rate_factor(1010, budget.total_steps(1010, 10**9), config)
    assert abs(half - (0.5 + 0.5 * 0.01)) < 0.01


def test_time_spent_before_a_stop_counts():
    before, after = Budget(100.0), Budget(100.0)
    before.spent = 30.0
    after.load_state_dict(before.state_dict())
    assert after.elapsed == 30.0


def test_a_plan_that_ends_earlier_is_kept():
    budget = Budget(100.0)
    budget.spent = 1.0
    assert budget.total_steps(50, 400) == 400


def test_a_gpu_s_windows_are_resident_and_its_steps_compiled(sharp_folder, tmp_path, as_on_a_gpu, monkeypatch):
    found = []
    monkeypatch.setattr(torch, "compile", lambda forward: found.append("compiled") or forward)
    monkeypatch.setattr(fit, "training_loader", None)
    recipe = parse_recipe(RECIPE | {"training": RECIPE["training"] | {"epochs": 1, "validation_epochs": 1}}, "here")
    assert train(recipe, sharp_folder, tmp_path / "run", options=RunOptions(bar=False)).is_finished
    assert found == ["compiled"]


def test_a_cpu_trains_without_either(sharp_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", None)
    monkeypatch.setattr(fit, "resident_loader", None)
    monkeypatch.setattr(processes, "gpu", lambda: None)
    recipe = parse_recipe(RECIPE | {"training": RECIPE["training"] | {"epochs": 1, "validation_epochs": 1}}, "here")
    assert train(recipe, sharp_folder, tmp_path / "run", options=RunOptions(bar=False)).is_finished
