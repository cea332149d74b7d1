"""The wheel, built from the repository, does what the checkout does - and asks nobody on the network."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]

OFFLINE = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise RuntimeError(f"{event} {arguments}")

sys.addaudithook(refuse)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, wheel]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def run(installed, code, *arguments):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", OFFLINE + code, *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=installed, capture_output=True, text=True, check=True).stdout


def test_it_holds_the_package_with_its_models_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "clearcall/bundles/small/card.json" in names
    assert "clearcall/bundles/small/small.int8.onnx" in names
    assert "clearcall/py.typed" in names
    assert "clearcall/web/static/index.html" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"clearcall"}


def test_python_sharpens_offline(installed):
    code = """
import clearcall, numpy
frame = numpy.random.default_rng(0).integers(0, 256, (33, 47, 3), numpy.uint8)
print(clearcall.__file__, clearcall.available_models(), clearcall.load("small").sharpen(frame).shape)
"""
    said = run(installed, code)
    assert said.startswith(str(installed))
    assert "small" in said
    assert "(33, 47, 3)" in said


def test_the_program_sharpens_offline(installed, tmp_path):
    Image.fromarray(np.full((24, 32, 3), 90, np.uint8)).save(tmp_path / "in.png")
    run(installed, "from clearcall.cli import main; main()", "sharpen", tmp_path / "in.png", "-o", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (32, 24)
