"""``clearcall bench quality``: what it prints, leaves behind, survives and exits with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from clearcall.cli import main
from clearcall.cli.candidates import ALEXNET, bundle_candidates, lpips_or_why_not, teacher_candidates

NAMES = {"journal.jsonl", "panels.html", "results.csv", "results.html", "results.json"}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Run the program in this process; gives exit status, output and error output."""

    def clearcall(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["clearcall", "bench", "quality", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "160")
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return clearcall


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(data.astronaut()[:176, 120:296]).save(folder / "people_001.png")
    Image.fromarray(data.coffee()[100:276, 200:376]).save(folder / "things_001.png")
    return folder


def test_a_run_goes_on_after_a_kill_and_two_runs_are_compared(run, pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = [pictures, "-o", output, "--profile", "bicubic-x2", "--profile", "h264-half-crf28"]
    command = [sys.executable, "-m", "clearcall", "bench", "quality", *map(str, arguments), "--workers", "2"]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    journal = output / "journal.jsonl"
    while not (journal.is_file() and '"kind": "record"' in journal.read_text()):
        assert killed.poll() is None
        time.sleep(0.02)
    children = _children(killed.pid)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = journal.read_text()
    before = before[: before.rfind("\n") + 1]

    status, out, err = run(*arguments, "--workers", "1")
    assert status == 0, err
    assert "h264-half-crf28" in out
    assert {file.name for file in output.iterdir()} == NAMES
    after = journal.read_text()
    assert after.startswith(before)
    records = [(r["profile"], r["name"]) for r in map(json.loads, after.splitlines()) if r["kind"] == "record"]
    assert len(records) == len(set(records)) == 4
    assert not any(_is_running(child) for child in children)

    result = output / "results.json"
    status, out, _ = run("--compare", result, result)
    assert status == 0
    assert "+0.0000 to +0.0000" in out
    assert "paired Student's t" in out


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_bad_picture_is_listed_and_makes_the_status(run, pictures: Path, tmp_path: Path) -> None:
    (pictures / "bad_001.png").write_bytes(b"nothing")
    status, out, err = run(pictures, "-o", tmp_path / "out", "--profile", "clean", "--workers", "1")
    assert status == 1
    assert "clean" in out
    assert "not measured: bad_001.png" in err


@pytest.mark.parametrize(
    ("arguments", "sentence", "status"),
    [
        ([], "Name a folder", 6),
        (["missing"], "no folder missing", 3),
        (["pictures", "--profile", "h264-540-400k"], "h264-540p-400k", 6),
        (["pictures", "--model", "smal"], "small", 5),
        (["pictures", "--model", "small", "--model", "small"], "small is taken twice", 6),
        (["pictures", "--teacher", "missing.safetensors"], "no file missing.safetensors", 3),
        (["pictures", "--self-ensemble"], "name its weights with --teacher", 6),
        (["pictures", "--teacher-profile", "clean"], "name its weights with --teacher", 6),
        (["pictures", "-o", "pictures"], "--force", 4),
        (["pictures", "-o", "no/where"], "is missing; create it first", 4),
        (["--compare", "a.json", "b.json"], "Can't read a.json", 3),
    ],
)
def test_refuses_in_one_sentence(
    run, pictures: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str, status: int
) -> None:
    monkeypatch.chdir(pictures.parent)
    found, out, err = run(*arguments)
    assert found == status
    assert sentence in err
    assert "Traceback" not in out + err
    assert len(err.strip().splitlines()) == 1


def test_candidates_change_their_identity_with_their_weights(tmp_path: Path) -> None:
    (small,) = bundle_candidates(["small"])
    assert small.make().sharpen(data.astronaut()[:32, :32]).shape == (32, 32, 3)
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    teachers = [each for name in ("a", "b") for each in teacher_candidates(tmp_path / name, in_views=True)]
    assert len({each.identity for each in teachers}) == 4
    assert not any(each.ships for each in teachers)
    assert small.ships


def test_a_teacher_is_loaded_from_its_weights(tmp_path: Path) -> None:
    from clearcall.training.teachers.config import TeacherConfig
    from clearcall.training.teachers.teacher import build_teacher, save_teacher

    teacher = build_teacher(TeacherConfig(width=4, encoder=(1,), middle=1, decoder=(1,)))
    save_teacher(teacher, tmp_path / "teacher.safetensors", half=False)
    frame = data.astronaut()[:32, :48]
    plain, in_views = teacher_candidates(tmp_path / "teacher.safetensors", in_views=True)
    assert (plain.make()(frame) == teacher.restore(frame)).all()
    assert plain.name != in_views.name
    turned = frame[::-1, ::-1].copy()
    upright = in_views.make()(frame)[::-1, ::-1]
    assert abs(in_views.make()(turned).astype(int) - upright).max() <= 1  # sums in another order may round elsewhere


def test_lpips_is_left_out_without_its_weights_and_measured_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    reason = lpips_or_why_not()
    assert isinstance(reason, str)
    assert ALEXNET in reason
    _save_random_alexnet(tmp_path / "hub" / "checkpoints" / ALEXNET)
    load = lpips_or_why_not()
    assert not isinstance(load, str)
    distance, frame = load(), data.astronaut()[:96, 120:216]
    assert distance(frame, frame) == 0
    assert distance(255 - frame, frame) > distance(frame // 2 + 64, frame) > 0


def _save_random_alexnet(path: Path) -> None:
    import torch

    from clearcall.training.vision import load_torchvision

    torch.manual_seed(0)
    network = load_torchvision().models.alexnet(weights=None)
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
