"""Results on disk agree with the records and with each other."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tiny_run import LINKS, Ran, made_up

from clearcall.degrade import PROFILES
from clearcall.errors import OutputError
from clearcall.evaluation.quality.bench import RESULTS, bench
from clearcall.evaluation.quality.files import Outcome, to_json
from clearcall.evaluation.quality.journal import NAME
from clearcall.evaluation.quality.measure import MEASURES, Setup
from clearcall.evaluation.quality.rates import add_rates
from clearcall.evaluation.quality.run import Findings
from clearcall.evaluation.report import Report


def test_json_is_strict_and_holds_everything(ran: Ran) -> None:
    found = json.loads((ran.results / "results.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert found["models"] == ["<model>"]
    assert found["left_out"] == {"LPIPS": "no weights"}
    assert {"ssim", "vmaf", "bd_rate", "interval", "ms_ssim", "flicker"} <= found["protocols"].keys()
    records = ran.outcome.findings.records
    assert [r["scores"]["cas"]["ssim"] for r in found["records"]] == [r.scores["cas"].ssim for r in records]
    clean = next(r for r in found["records"] if r["profile"] == "clean")
    assert clean["scores"]["input"]["psnr"] is None  # identical frames: infinite
    assert [f["name"] for f in found["failures"]] == ["broken_001.png"]


def test_csv_has_one_row_for_each_method(ran: Ran) -> None:
    with (ran.results / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    records = ran.outcome.findings.records
    assert len(rows) == 6 * len(records)
    for row, (record, method) in zip(rows, ((r, m) for r in records for m in r.scores), strict=True):
        assert (row["profile"], row["name"], row["method"]) == (record.profile, record.name, method)
        for measure in MEASURES:
            value = getattr(record.scores[method], measure)
            assert row[measure] == ("" if value is None else f"{value:.6f}")


@pytest.mark.parametrize(("page", "sliders"), [("results.html", 3), ("panels.html", 3)])
def test_pages_show_pictures_ask_for_nothing_and_escape(ran: Ran, page: str, sliders: int) -> None:
    html = (ran.results / page).read_text()
    assert html.count('class="slider"') == sliders
    assert "://" not in html
    assert "<model>" not in html
    assert "&lt;model&gt;" in html


def test_the_page_says_what_is_left_out_and_what_failed(ran: Ran) -> None:
    texts: list[str] = []
    parser = HTMLParser()
    parser.handle_data = texts.append  # type: ignore[method-assign]
    parser.feed((ran.results / "results.html").read_text())
    assert {"no weights", "broken_001.png"} <= set(texts)


def test_curves_and_bits_are_drawn_for_each_codec() -> None:
    links = [link for link in PROFILES.values() if link.bitrate_kbps and link.codec in ("vp8", "av1")]
    outcome = Outcome(Setup(), links, Findings(tuple(made_up(links)), {}), {})
    report = Report("a", "b")
    add_rates(report, outcome, "m")
    html = report.html()
    assert html.count("<polyline") == 2 * 2 * 2  # measures, codecs, methods
    assert "-20.0 %" in html
    assert json.loads(to_json(outcome))["bd_rate"]["ssim"]["all"]["m"]["percent"] == pytest.approx(-20, abs=0.01)


def test_another_folder_is_not_overwritten_and_force_starts_anew(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        bench(ran.folder, LINKS[2:], Setup(), tmp_path, workers=1)
    (tmp_path / NAME).write_text("no journal\n")
    with pytest.raises(OutputError, match="is not the journal"):
        bench(ran.folder, LINKS[2:], Setup(), tmp_path, workers=1)
    bench(ran.folder, LINKS[2:], Setup(), tmp_path, workers=1, force=True)
    assert {file.name for file in tmp_path.iterdir()} == {*RESULTS, NAME, "letter.txt"}
