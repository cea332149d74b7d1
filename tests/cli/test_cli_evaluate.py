"""``clearcall evaluate`` and ``clearcall demo``: what they print, leave behind and exit with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

import clearcall
from clearcall.cli import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Run the program in this process; gives exit status, output and error output."""

    def clearcall(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["clearcall", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return clearcall


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(data.astronaut()[:96, 160:290]).save(folder / "people_001.png")
    Image.fromarray(data.coffee()[100:200, 200:333]).save(folder / "things_001.png")
    return folder


def test_evaluate_prints_a_table_with_its_protocol_and_writes_results(run, pictures: Path, tmp_path: Path) -> None:
    status, out, _ = run("evaluate", pictures, "--profile", "bicubic-x2", "--profile", "clean", "-o", tmp_path / "out")
    assert status == 0
    assert "small, bicubic-x2" in out
    assert "small, clean" in out
    assert "Gaussian 11x11" in out
    assert [line.split()[0] for line in out.splitlines()[2:5]] == ["all", "people", "things"]
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"results.json", "results.csv", "results.html"}
    assert json.loads((tmp_path / "out" / "results.json").read_text())["model"] == "small"


def test_evaluate_on_pairs_needs_no_output_folder(run, pictures: Path, tmp_path: Path) -> None:
    for side in ("blur", "sharp"):
        (tmp_path / "val" / side).mkdir(parents=True)
        (tmp_path / "val" / side / "a_001.png").write_bytes((pictures / "people_001.png").read_bytes())
    before = sorted(tmp_path.rglob("*"))
    status, out, _ = run("evaluate", tmp_path)
    assert status == 0
    assert "small, pairs on disk" in out
    assert sorted(tmp_path.rglob("*")) == before


def test_evaluate_runs_on_the_device_that_was_asked_for(run, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices, load = [], clearcall.load

    def remembering(*arguments, **options):
        sharpener = load(*arguments, **options)
        devices.append(sharpener.device)
        return sharpener

    monkeypatch.setattr(clearcall, "load", remembering, raising=False)
    assert run("evaluate", pictures, "--device", "onnxruntime")[0] == 0
    assert [device.split()[0] for device in devices] == ["onnxruntime"]


@pytest.mark.parametrize(
    ("device", "status", "words"), [("toaster", 6, "no device toaster"), ("directml", 9, "use --device cpu")]
)
def test_a_device_that_is_not_there_is_one_sentence(run, pictures: Path, device: str, status: int, words: str) -> None:
    found, out, err = run("evaluate", pictures, "--device", device)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert words in err


def test_evaluate_lists_a_bad_picture_and_says_so_in_its_status(run, pictures: Path) -> None:
    (pictures / "people_002.png").write_bytes(b"nothing")
    status, out, err = run("evaluate", pictures)
    assert status == 1
    assert "all" in out
    assert "not measured: people_002.png" in err


def test_evaluate_gives_the_table_of_papers_for_the_official_layout(run, make_pairs, tmp_path: Path) -> None:
    make_pairs(tmp_path / "GOPRO_Large", "test/GOPR0384_11_00", 2)
    make_pairs(tmp_path / "GOPRO_Large", "test/GOPR0410_11_00", 1)
    status, out, _ = run("evaluate", tmp_path, "--benchmark", "gopro", "-o", tmp_path / "out")
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()[2:5]] == [
        ["all", "3"],
        ["GOPR0384_11_00", "2"],
        ["GOPR0410_11_00", "1"],
    ]
    assert "MPRNet, Restormer" in out
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"results.json", "results.csv", "results.html"}


@pytest.mark.parametrize(
    ("arguments", "sentence", "status"),
    [
        (["missing"], "no folder missing", 3),
        (["pictures", "--profile", "bicubic-2x"], "bicubic-x2", 6),
        (["pictures", "--model", "smal"], "small", 5),
        (["pictures", "-o", "pictures"], "--force", 4),
        (["pictures", "--strength", "3"], "less than or equal to 2", 2),
        (["pictures", "--benchmark", "gopro"], "no pairs of blurred and sharp", 3),
    ],
)
def test_evaluate_refuses_in_one_sentence(
    run, pictures: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str, status: int
) -> None:
    monkeypatch.chdir(pictures.parent)
    found, out, err = run("evaluate", *arguments)
    assert found == status
    assert sentence in err
    assert "Traceback" not in out + err
    assert status == 2 or len(err.strip().splitlines()) == 1


def test_demo_leaves_its_folder_and_prints_a_table(run, tmp_path: Path) -> None:
    out_folder = tmp_path / "demo"
    small = ("demo", "-o", out_folder, "--height", "180", "--seconds", "0.2")
    status, out, _ = run(*small, "--profile", "h264-half-crf28")
    assert status == 0
    assert {"SSIM", "PSNR,"} <= {line.split()[0] for line in out.splitlines() if line.strip()}
    assert "Means of all 6 frames" in out
    assert "frames/s sharpening alone" in out
    assert (out_folder / "report.html").stat().st_size > 10_000
    status, _, err = run(*small)
    assert status == 4
    assert "--force" in err
