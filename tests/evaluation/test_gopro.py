"""The table of deblurring papers: what it averages, and what it leaves on disk."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from clearcall.errors import InputError
from clearcall.evaluation.cases import find_cases
from clearcall.evaluation.gopro import ALL, COLUMNS, PaperScore, paper_table, row, write_paper_table
from clearcall.evaluation.metrics import psnr, ssim
from clearcall.evaluation.protocols import ssim_matlab, ssim_uniform


@pytest.fixture
def gopro(tmp_path: Path, make_pairs) -> Path:
    root = tmp_path / "GOPRO_Large"
    make_pairs(root, "test/GOPR0384_11_00", 3)
    return make_pairs(root, "test/GOPR0410_11_00", 1)


def brighter(frame: np.ndarray) -> np.ndarray:
    return np.minimum(frame, 245) + np.uint8(10)


def test_rows_are_means_over_pairs_and_sequences(gopro: Path):
    cases = find_cases(gopro)
    table = paper_table(brighter, cases)
    assert [record.name for record in table.records] == [case.name for case in cases]
    assert [(part.sequence, part.pairs) for part in table.rows()] == [
        (ALL, 4),
        ("GOPR0384_11_00", 3),
        ("GOPR0410_11_00", 1),
    ]
    degraded, sharp = cases[0].load()
    assert table.records[0].input == PaperScore.of(degraded, sharp)
    output = table.records[0].output
    expected = [metric(brighter(degraded), sharp) for metric in (psnr, ssim, ssim_matlab, ssim_uniform)]
    assert [output.psnr, output.ssim, output.ssim_matlab, output.ssim_uniform] == expected
    everything = [record.output.ssim_matlab for record in table.records]
    assert table.rows()[0].output.ssim_matlab == pytest.approx(np.mean(everything))
    assert table.rows()[2].output == table.records[3].output


def test_the_row_shows_input_and_output(gopro: Path):
    cells = row(paper_table(lambda frame: frame, find_cases(gopro)).rows()[0])
    assert len(cells) == len(COLUMNS)
    assert cells[:2] == ["all", "4"]
    for cell in cells[2:]:
        before, after = cell.split(" → ")
        assert before == after


def test_results_on_disk_hold_every_pair(gopro: Path, tmp_path: Path):
    cases = find_cases(gopro)
    broken = gopro / "test" / "GOPR0410_11_00" / "blur" / "000001.png"
    broken.write_bytes(b"no picture")
    lookup = {case.load()[0].tobytes(): case.load()[1] for case in cases[:3]}

    def perfect(frame: np.ndarray) -> np.ndarray:
        return lookup[frame.tobytes()]

    table = paper_table(perfect, cases)
    write_paper_table(tmp_path, table, cases, perfect, "a model")
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["benchmark"] == "gopro"
    assert set(content["protocols"]) == set(content["rows"][0]["output"])
    assert content["records"][0]["output"]["psnr"] is None
    assert content["records"][0]["output"]["ssim"] == pytest.approx(1)
    assert [failure["name"] for failure in content["failures"]] == ["GOPR0410_11_00/000001.png"]
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [line["sequence"] for line in rows] == ["GOPR0384_11_00"] * 3
    assert float(rows[0]["input_psnr"]) == pytest.approx(table.records[0].input.psnr, abs=1e-6)
    page = (tmp_path / "results.html").read_text()
    assert "Most gain" in page
    assert "MATLAB" in page


def test_nothing_measured_is_an_error(gopro: Path):
    for path in gopro.rglob("blur/*.png"):
        path.write_bytes(b"x")
    with pytest.raises(InputError, match="Not one of 4 pairs"):
        paper_table(brighter, find_cases(gopro))
