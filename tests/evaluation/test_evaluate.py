"""Evaluation over a folder: records, failures and summaries."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from clearcall.errors import InputError
from clearcall.evaluation.cases import find_cases
from clearcall.evaluation.evaluate import Evaluation, Record, Score, Spread, evaluate
from clearcall.evaluation.filters import unsharp
from clearcall.evaluation.metrics import psnr, psnr_y, ssim, ssim_y

PICTURES = {
    "people_001": data.astronaut()[:96, 160:290],
    "people_002": data.astronaut()[200:296, 60:190],
    "things_001": data.coffee()[100:200, 200:333],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, pixels in PICTURES.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def test_records_hold_what_the_metrics_give(folder: Path) -> None:
    cases = find_cases(folder)
    sharpen = unsharp(1)
    evaluation = evaluate(sharpen, cases, baseline=unsharp(0.5))
    assert [record.name for record in evaluation.records] == [f"{name}.png" for name in PICTURES]
    degraded, sharp = cases[2].load()
    record = evaluation.records[2]
    output = sharpen(degraded)
    assert record.output == Score(
        ssim(output, sharp), ssim_y(output, sharp), psnr(output, sharp), psnr_y(output, sharp)
    )
    assert record.input.ssim == ssim(degraded, sharp)
    assert record.unsharp.ssim == ssim(unsharp(0.5)(degraded), sharp)
    assert (record.width, record.height, record.category) == (133, 100, "things")
    assert record.gain == record.output.ssim - record.input.ssim > 0


def test_summaries_are_overall_and_per_category(folder: Path) -> None:
    evaluation = evaluate(lambda frame: frame, find_cases(folder, ["bicubic-x2", "clean"]))
    summaries = evaluation.summaries()
    assert [(s.profile, s.category, s.count) for s in summaries] == [
        ("bicubic-x2", "all", 3),
        ("bicubic-x2", "people", 2),
        ("bicubic-x2", "things", 1),
        ("clean", "all", 3),
        ("clean", "people", 2),
        ("clean", "things", 1),
    ]
    values = [record.input.ssim for record in evaluation.records[:3]]
    assert summaries[0].input.ssim == pytest.approx(np.mean(values))
    assert summaries[0].input.ssim_median == pytest.approx(np.median(values))
    assert summaries[0].input.ssim_worst == pytest.approx(min(values))
    assert summaries[0].input == summaries[0].output
    assert summaries[3].output.ssim == pytest.approx(1, abs=1e-6)
    assert math.isinf(summaries[3].output.psnr)


def test_harm_is_counted(folder: Path) -> None:
    summary = evaluate(lambda frame: frame // 2, find_cases(folder)).summaries()[0]
    assert summary.harmed == 3


def test_worst_five_percent_of_forty_are_two() -> None:
    spread = Spread.of([Score(0.5 + index / 100, 0, 30, 30) for index in range(40)])
    assert spread.ssim_worst == pytest.approx(0.505)
    assert spread.ssim_good == 0
    assert spread.ssim_median == pytest.approx(0.695)


def test_one_category_is_not_said_twice(folder: Path) -> None:
    (folder / "things_001.png").unlink()
    assert [s.category for s in evaluate(unsharp(), find_cases(folder)).summaries()] == ["all"]


def test_a_bad_picture_does_not_stop_the_others(folder: Path) -> None:
    (folder / "people_003.png").write_bytes((folder / "people_001.png").read_bytes()[:200])
    Image.new("RGB", (5, 5)).save(folder / "tiny_001.png")
    seen: list[tuple[int, int | None]] = []
    evaluation = evaluate(unsharp(), find_cases(folder), on_progress=lambda done, total: seen.append((done, total)))
    assert len(evaluation.records) == 3
    assert [failure.name for failure in evaluation.failures] == ["people_003.png", "tiny_001.png"]
    assert "11x11" in evaluation.failures[1].reason
    assert seen == [(done, 5) for done in range(1, 6)]


def test_nothing_to_measure_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"Not one of 1 pairs could be measured; the first: .*a\.png"):
        evaluate(unsharp(), find_cases(tmp_path))


def test_an_error_in_the_model_is_not_swallowed(folder: Path) -> None:
    def broken(frame: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        evaluate(broken, find_cases(folder))
    assert threading.active_count() < 10


def test_a_record_without_summaries() -> None:
    score = Score(0.9, 0.9, 30, 30)
    record = Record("a", "b", "clean", 16, 16, score, score, score)
    assert Evaluation((record,)).summaries()[0].harmed == 0
