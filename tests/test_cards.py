"""Model cards hold what bundles and results hold, and nothing else."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from clearcall.errors import InputError

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def write_cards(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    yield runpy.run_path(str(SCRIPTS / "cards.py"))["main"]
    sys.modules.pop("curve", None)


def results(folder: Path) -> Path:
    def summary(category: str, gain: float) -> dict:
        spread = {"mean": {"ssim": 0.8}, "ssim_good": 0.25}
        spreads = {"input": spread, "small": {**spread, "mean": {"ssim": 0.8 + gain}}}
        gains = {"small": {"ssim": {"mean": gain}, "harmed": 1}}
        return {"profile": "half", "category": category, "count": 4, "spreads": spreads, "gains": gains}

    bar = {"model": "small", "figure": "clean: mean SSIM", "value": 0.9981, "bar": 0.997, "where": "", "is_met": True}
    content = {
        "clearcall": "0.0",
        "models": ["small"],
        "protocols": {"ssim": "made up"},
        "sources": {"measured": 4, "of": 9},
        "bars": [bar, {**bar, "model": "other", "value": 0.1}],
        "summaries": [summary("all", 0.0123), summary("text", 0.0345), summary("games", -0.0067)],
    }
    folder.mkdir()
    path = folder / "results.json"
    path.write_text(json.dumps(content))
    return path


def test_a_card_tells_what_the_files_tell(write_cards, tmp_path: Path) -> None:
    speed, manifest, cards = tmp_path / "speed.json", tmp_path / "MANIFEST.csv", tmp_path / "cards"
    cards.mkdir()
    (cards / "small-curve.csv").write_text("epoch,val/gain half\n0,0.001\n1,0.002\n")
    row = {"name": "clearcall small, 1 core", "median": 12.345, "p5": 11, "p95": 13}
    speed.write_text(json.dumps({"machine": "an abacus", "rows": [row, {**row, "name": "FFmpeg cas"}]}))
    manifest.write_text("path,category\ntrain/a.jpg,text\ntrain/b.jpg,text\nval/c.jpg,text\n")
    run = results(tmp_path / "ladder")
    write_cards([str(run), "--speed", str(speed), "--manifest", str(manifest), "-o", str(cards)])
    card = (cards / "small.md").read_text()
    for part in (
        "4 of 9 pictures",
        "made up",
        "+0.0345",
        "`half`, games (-0.0067)",
        "0.9981 | met",
        "12.35",
        "an abacus",
    ):
        assert part in card
    assert "Pictures to train on: 2 (text 2)" in card
    assert "recipes/small.toml" in card
    assert "cas" not in card.split("## Speed")[1]
    assert "0.1000" not in card  # the other model's
    assert (cards / "small-curve.svg").read_text().count("<polyline") == 1


def test_what_is_missing_is_said_and_bad_results_are_one_sentence(write_cards, tmp_path: Path) -> None:
    run = results(tmp_path / "ladder")
    write_cards([str(run), "-o", str(tmp_path)])
    card = (tmp_path / "small.md").read_text()
    assert "curve is not at hand" in card
    assert "## Speed\n\nNot measured" in card
    run.write_text("nothing")
    with pytest.raises(InputError, match=r"results\.json holds no results"):
        write_cards([str(run), "-o", str(tmp_path)])


def test_a_card_of_a_model_of_pairs_tells_what_papers_tell(write_cards, tmp_path: Path) -> None:
    before, after = {"psnr": 27.1, "ssim": 0.82}, {"psnr": 27.36, "ssim": 0.83}
    content = {
        "clearcall": "0.0",
        "model": "deblur",
        "benchmark": "gopro",
        "protocols": {"ssim": "made up"},
        "rows": [{"sequence": "all", "pairs": 2, "input": before, "output": after}],
        "records": [{"input": before, "output": after}, {"input": after, "output": before}],
    }
    run, cards = tmp_path / "gopro" / "results.json", tmp_path / "cards"
    run.parent.mkdir()
    cards.mkdir()
    run.write_text(json.dumps(content))
    write_cards([str(run), "-o", str(cards)])
    card = (cards / "deblur.md").read_text()
    assert "| all | 2 | 27.10 -> 27.36 (+0.26) | 0.8200 -> 0.8300 (+0.0100) |" in card
    assert "SSIM is higher on 1 of 2 pairs." in card
    assert "moved during the exposure" in card
    assert "Not measured in the results" in (cards / "small.md").read_text()


def test_a_curve_places_its_rows_by_their_epochs(write_cards, tmp_path: Path) -> None:
    (tmp_path / "small-curve.csv").write_text("epoch,val/gain half\n39,0.001\n79,0.002\n89,0.002\n")
    write_cards([str(results(tmp_path / "ladder")), "-o", str(tmp_path)])
    drawn = (tmp_path / "small-curve.svg").read_text()
    assert "epoch 39 to 89" in drawn
    points = drawn.split('polyline points="')[1].split('"')[0].split()
    left, middle, right = (float(point.split(",")[0]) for point in points)
    assert (middle - left) / (right - left) == pytest.approx(0.8, abs=0.01)
