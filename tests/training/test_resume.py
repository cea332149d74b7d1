"""Runs that are killed, stopped by the clock or shared by processes, against one that nothing disturbs."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from clearcall.training.checkpoint import read_checkpoint, write_checkpoint

RECIPE = """
name = "tiny"
[student]
width = 8
depth = 3
[data]
degradation = "bicubic-x2"
window = 64
crop = 32
variants = 16
crops_per_window = 2
held_out = 2
workers = 0
[losses]
l1 = 1.0
ssim = 0.1
[training]
epochs = {epochs}
batch_windows = 2
learning_rate = 2e-3
warmup_steps = 4
checkpoint_steps = 5
ema_decay = 0.9
validation_profiles = ["bicubic-x2"]
"""
STEPS_PER_EPOCH = 32


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def command(recipe, data, run, *more, launcher=()):
    arguments = map(str, (recipe, "--data", data, "-o", run, *more))
    return [sys.executable, *launcher, "-m", "clearcall", "train", *arguments]


ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
"""Several threads would add up in another order, and round otherwise."""


def train(*arguments, launcher=()):
    line = command(*arguments, launcher=launcher)
    done = subprocess.run(line, capture_output=True, text=True, timeout=220, check=False, env=ONE_THREAD)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE.format(epochs=2))
    return path


@pytest.fixture(scope="module")
def unbroken(recipe, sharp_folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "unbroken"
    train(recipe, sharp_folder, run)
    return read_checkpoint(run / "checkpoints" / "last.safetensors")


def assert_same_end(run, unbroken):
    """Weights, their average, optimiser and schedule are those of the unbroken run."""
    found = read_checkpoint(run / "checkpoints" / "last.safetensors")
    assert found["global_step"] == unbroken["global_step"] == 2 * STEPS_PER_EPOCH
    assert found["lr_schedulers"] == unbroken["lr_schedulers"]
    for part in ("state_dict", "current_model_state"):
        for name, weight in unbroken[part].items():
            assert torch.allclose(weight, found[part][name], atol=1e-6), (part, name)
    for number, state in unbroken["optimizer_states"][0]["state"].items():
        for name, value in state.items():
            assert torch.allclose(value, found["optimizer_states"][0]["state"][number][name], atol=1e-6)


def last_step(run):
    path = run / "checkpoints" / "last.safetensors"
    return read_checkpoint(path)["global_step"] if path.exists() else 0


@pytest.mark.parametrize("wanted", [5, STEPS_PER_EPOCH + 5])
def test_a_killed_run_ends_where_an_unbroken_one_ends(recipe, sharp_folder, tmp_path, unbroken, wanted):
    run = tmp_path / "run"
    with subprocess.Popen(command(recipe, sharp_folder, run), stderr=subprocess.DEVNULL, env=ONE_THREAD) as process:
        while last_step(run) < wanted and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert last_step(run) < 2 * STEPS_PER_EPOCH
    train(recipe, sharp_folder, run, "--resume")
    assert_same_end(run, unbroken)


def test_a_damaged_last_checkpoint_costs_no_more_than_its_steps(recipe, sharp_folder, tmp_path, unbroken):
    run = tmp_path / "run"
    with subprocess.Popen(command(recipe, sharp_folder, run), stderr=subprocess.DEVNULL, env=ONE_THREAD) as process:
        while last_step(run) < 10 and process.poll() is None:
            time.sleep(0.005)
        process.kill()
    last = run / "checkpoints" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    assert "The one before it is taken" in train(recipe, sharp_folder, run, "--resume").stderr
    assert_same_end(run, unbroken)


def test_a_run_whose_time_is_up_ends_where_an_unbroken_one_ends(recipe, sharp_folder, tmp_path, unbroken):
    run = tmp_path / "run"
    said = train(recipe, sharp_folder, run, "--max-time", "00:00:00").stdout
    assert "The time is up after step 1;" in said
    assert last_step(run) == 1
    train(recipe, sharp_folder, run, "--max-time", "00:00:00", "--resume")
    assert last_step(run) == 2
    assert "best checkpoint" in train(recipe, sharp_folder, run, "--resume").stdout
    assert_same_end(run, unbroken)


def test_two_processes_get_the_gradients_of_one(recipe, sharp_folder, tmp_path, unbroken):
    """With half of each batch on each process, the averaged gradients are those of the whole batch."""
    start = tmp_path / "start.safetensors"
    write_checkpoint(start, unbroken)
    once = ("--from", start, "--max-time", "00:00:00")
    train(recipe, sharp_folder, tmp_path / "one", *once)
    train(recipe, sharp_folder, tmp_path / "two", *once, launcher=TORCHRUN)
    one, two = (read_checkpoint(tmp_path / run / "checkpoints" / "last.safetensors") for run in ("one", "two"))
    assert one["global_step"] == two["global_step"] == 1
    for number, state in one["optimizer_states"][0]["state"].items():
        shared = two["optimizer_states"][0]["state"][number]
        assert state["exp_avg"].abs().max() > 0
        assert torch.allclose(state["exp_avg"], shared["exp_avg"], rtol=1e-3, atol=1e-7), number
