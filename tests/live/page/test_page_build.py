"""The wheel's build hook: it builds the page where it must, and says what is missing."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "hatch_build.py"


def build(root: Path, version: str = "standard") -> None:
    """Run the hook on a checkout at ``root``."""
    spec = importlib.util.spec_from_file_location("hatch_build", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hook = module.PageBuildHook(str(root), {}, None, None, str(root / "dist"), "wheel")
    hook.initialize(version, {})


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been run."""
    run: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: run.append(command))
    monkeypatch.setattr(shutil, "which", lambda name: name)
    return run


def test_the_page_is_built_by_npm(commands: list[list[str]], tmp_path: Path) -> None:
    build(tmp_path)
    assert commands == [["npm", "ci"], ["npm", "run", "build"]]


def test_a_page_that_is_there_is_taken(commands: list[list[str]], tmp_path: Path) -> None:
    static = tmp_path / "src/clearcall/web/static"
    static.mkdir(parents=True)
    (static / "index.html").touch()
    build(tmp_path)
    assert commands == []


def test_an_editable_install_does_without(commands: list[list[str]], tmp_path: Path) -> None:
    build(tmp_path, "editable")
    assert commands == []


def test_without_npm_the_wheel_has_no_page_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    build(tmp_path)
    said = "".join(capfd.readouterr())
    assert "page of clearcall serve is left out" in said
    assert "install Node.js 20 or newer" in said
