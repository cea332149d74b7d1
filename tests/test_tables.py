"""The tables of the docs hold what the results hold."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from clearcall.errors import InputError
from clearcall.evaluation.quality.summary import ALL, CODED

print_tables = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "tables.py"))["main"]


def summary(profile: str, category: str, **scores: float) -> dict[str, Any]:
    spreads = {name: {"mean": {"ssim": score}} for name, score in scores.items()}
    gains = {"small": {"ssim": {"mean": scores["small"] - scores["input"]}, "harmed": 3}}
    return {"profile": profile, "category": category, "count": 4, "spreads": spreads, "gains": gains}


def results(folder: Path) -> Path:
    bar = {"model": "small", "figure": "clean: mean SSIM", "value": 0.9981, "bar": 0.997, "where": "", "is_met": True}
    saved = {"percent": -9.25, "low": -11.0, "high": -8.0}
    content = {
        "clearcall": "0.0",
        "models": ["small"],
        "sources": {"measured": 4, "of": 9},
        "bars": [bar],
        "summaries": [
            summary("bicubic-x2", ALL, input=0.8, unsharp=0.82, small=0.85, teacher=0.9),
            summary("bicubic-x2", "text", input=0.81, unsharp=0.83, small=0.86, teacher=0.91),
            summary(CODED, ALL, input=0.7, unsharp=0.69, small=0.695),
        ],
        "records": [{"name": "a.png"}],
        "bd_rate": {"ssim": {"h264": {"unsharp": None, "small": saved}}},
    }
    path = folder / "results.json"
    path.write_text(json.dumps(content))
    return path


def test_tables_tell_what_the_results_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_tables([str(results(tmp_path)), "--json", str(tmp_path / "kept.json")])
    text = capsys.readouterr().out
    for line in (
        "4 of 9 pictures and clips",
        "| clean: mean SSIM | `small` | at least 0.9970 | 0.9981 | met |",
        "| link | `input` | `unsharp` | `small` | `teacher` | gain `small` | harmed `small` |",
        "| `bicubic-x2` | 0.8000 | 0.8200 | 0.8500 | 0.9000 | +0.0500 | 3 |",
        f"| `{CODED}` | 0.7000 | 0.6900 | 0.6950 | - | -0.0050 | 3 |",
        "| text | 4 | 0.8100 | 0.8300 | 0.8600 | 0.9100 |",
        "| h264 | - | -9.2 % (-11.0 to -8.0) |",
    ):
        assert line in text
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept["bd_rate"]["ssim"]["h264"]["small"]["percent"] == -9.25
    assert "records" not in kept


def test_what_isn_t_results_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(InputError, match="holds no results of clearcall bench quality"):
        print_tables([str(tmp_path / "results.json")])
