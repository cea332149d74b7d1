"""Results on disk: JSON, CSV and HTML agree with the records."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from clearcall.evaluation.cases import Case, find_cases
from clearcall.evaluation.evaluate import Evaluation, evaluate
from clearcall.evaluation.filters import unsharp
from clearcall.evaluation.results import SUMMARY_COLUMNS, summary_row, write_results

SHARPEN = unsharp(1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, list[Case], Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for name, pixels in (("people_001", data.astronaut()[:96, 160:290]), ("<b>_001", data.coffee()[100:200, 200:333])):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "broken_001.png").write_bytes(b"no picture")
    cases = find_cases(folder, ["bicubic-x2", "clean"])
    evaluation = evaluate(SHARPEN, cases)
    results = tmp_path_factory.mktemp("results")
    write_results(results, evaluation, cases, SHARPEN, "unsharp & co")
    return evaluation, cases, results


def test_json_holds_everything_and_is_strict(measured: tuple[Evaluation, list[Case], Path]) -> None:
    evaluation, _, results = measured
    found = json.loads((results / "results.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert found["model"] == "unsharp & co"
    assert "Gaussian 11x11" in found["protocol"]
    assert [r["output"]["ssim"] for r in found["records"]] == [r.output.ssim for r in evaluation.records]
    assert [s["count"] for s in found["summaries"]] == [2, 1, 1, 2, 1, 1]
    assert [f["name"] for f in found["failures"]] == ["broken_001.png"] * 2
    clean = next(r for r in found["records"] if r["profile"] == "clean")
    assert clean["input"]["psnr"] is None  # identical frames: infinite


def test_csv_has_one_row_per_picture(measured: tuple[Evaluation, list[Case], Path]) -> None:
    evaluation, _, results = measured
    with (results / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["profile"]) for row in rows] == [(r.name, r.profile) for r in evaluation.records]
    assert float(rows[0]["unsharp_psnr_y"]) == pytest.approx(evaluation.records[0].unsharp.psnr_y, abs=1e-6)


def test_page_names_the_protocol_and_escapes(measured: tuple[Evaluation, list[Case], Path]) -> None:
    html = (measured[2] / "results.html").read_text()
    assert "unsharp &amp; co" in html
    assert "<b>_001" not in html
    assert html.count("Gaussian 11x11") == 2
    assert html.count('class="slider"') == 4  # two pictures of each profile: none is shown twice
    assert "broken_001.png" in html
    assert "://" not in html


def test_summary_rows_fit_their_columns(measured: tuple[Evaluation, list[Case], Path]) -> None:
    summaries = measured[0].summaries()
    assert all(len(summary_row(summary)) == len(SUMMARY_COLUMNS) for summary in summaries)
    assert math.isinf(summaries[3].input.psnr)
    assert summary_row(summaries[3])[8].startswith("∞ → ")
