"""``clearcall train`` and ``export`` as a user runs them: whole processes, good and bad."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

from clearcall.bundle import read_bundle
from clearcall.cli import main

RECIPE = """
name = "tiny"
[student]
width = 8
depth = 3
[data]
degradation = "bicubic-x2"
window = 64
crop = 32
variants = 2
crops_per_window = 2
held_out = 2
workers = 0
[training]
epochs = {epochs}
warmup_steps = 2
validation_profiles = ["bicubic-x2"]
"""


def clearcall(*arguments):
    command = [sys.executable, "-m", "clearcall", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def sharp(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for index, part in enumerate(np.split(data.astronaut(), 4)):
        Image.fromarray(part[:, :128]).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.format(epochs=1))
    return path


def test_train_resume_export_and_sharpen(recipe, sharp, tmp_path):
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    trained = clearcall("train", recipe, "--data", sharp, "-o", run)
    assert trained.returncode == 0, trained.stderr
    assert "clearcall export" in trained.stdout
    more = clearcall("train", recipe, "--data", sharp, "-o", run, "--resume", "--epochs", "2")
    assert more.returncode == 0, more.stderr
    assert len((run / "curve.csv").read_text().splitlines()) == 3
    exported = clearcall("export", run / "checkpoints" / "best.safetensors", "-o", bundle, "--calibration", sharp)
    assert exported.returncode == 0, exported.stderr
    assert read_bundle(bundle).card.name == "tiny"
    picture = next(sharp.iterdir())
    sharpened = clearcall("sharpen", picture, "-o", tmp_path / "out.png", "--model", bundle)
    assert sharpened.returncode == 0, sharpened.stderr
    with Image.open(picture) as before, Image.open(tmp_path / "out.png") as after:
        assert before.size == after.size


@pytest.fixture
def refused(monkeypatch, capsys):
    """Run the program in this process; it must fail with one sentence, which is returned."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["clearcall", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr().err
        assert end.value.code not in (0, 1)
        assert said.startswith("clearcall: ")
        assert len(said.splitlines()) == 1
        return said

    return run


def test_what_can_not_be_trained_is_said_in_one_sentence(refused, recipe, sharp, tmp_path):
    assert "can't be read" in refused("train", tmp_path / "no.toml", "--data", sharp)
    assert "There is no folder" in refused("train", recipe, "--data", tmp_path / "none", "-o", tmp_path / "run")
    assert "write it as HH:MM:SS" in refused("train", recipe, "--data", sharp, "--max-time", "soon")
    recipe.write_text(recipe.read_text().replace("depth", "dpeth"))
    assert "nearest is student.depth" in refused("train", recipe, "--data", sharp)
    bad = ("export", tmp_path / "no", "-o", tmp_path / "b", "--calibration", sharp)
    assert "is not NAME=CHECKPOINT" in refused(*bad, "--expert", "resized")
    assert "given twice" in refused(*bad, "--expert", "a=b", "--expert", "a=c")
    assert "a bundle already" in refused("export", "small", "-o", tmp_path / "b", "--calibration", sharp)
    assert "no checkpoint" in refused("export", tmp_path / "no", "-o", tmp_path / "b", "--calibration", sharp)


def test_ctrl_c_ends_a_training_that_can_be_resumed(recipe, sharp, tmp_path):
    recipe.write_text(RECIPE.format(epochs=10_000))
    run = tmp_path / "run"
    command = [sys.executable, "-m", "clearcall", "train", str(recipe), "--data", str(sharp), "-o", str(run)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 1"):
                break
        os.kill(process.pid, signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "interrupted" in said
    assert (run / "checkpoints" / "last.safetensors").exists()
