"""An evaluation on disk: ``results.json``, ``results.csv`` and ``results.html``."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clearcall import __version__
from clearcall.evaluation.cases import Case
from clearcall.evaluation.evaluate import Evaluation, Record, Score, Sharpen, Spread, Summary
from clearcall.evaluation.filters import unsharp
from clearcall.evaluation.metrics import PROTOCOL, PROTOCOL_Y
from clearcall.evaluation.report import Fact, Report

SUMMARY_COLUMNS = (
    "Category",
    "Count",
    "Input",
    "unsharp",
    "Output",
    "Median",
    "Worst 5 %",
    "Above 0.90",
    "PSNR, dB",
    "SSIM of luma",
)
"""Heads of :func:`summary_row`; Median, Worst 5 % and Above 0.90 are the output's."""


def summary_row(summary: Summary) -> list[str]:
    """One summary as text, under ``SUMMARY_COLUMNS``."""
    before, after = summary.input, summary.output
    return [
        summary.category,
        str(summary.count),
        f"{before.ssim:.4f}",
        f"{summary.unsharp.ssim:.4f}",
        f"{after.ssim:.4f}",
        f"{after.ssim_median:.4f}",
        f"{after.ssim_worst:.4f}",
        f"{after.ssim_good:.0%}",
        f"{_db(before.psnr)} → {_db(after.psnr)}",
        f"{before.ssim_y:.4f} → {after.ssim_y:.4f}",
    ]


def write_results(folder: Path, evaluation: Evaluation, cases: Sequence[Case], sharpen: Sharpen, model: str) -> None:
    """Write all three files into a folder that exists.

    Args:
        folder: Where to.
        evaluation: What was found.
        cases: What was measured: the best, median and worst of each profile are shown in pictures.
        sharpen: What was measured, to make these pictures again.
        model: What to call it.

    Raises:
        OSError: The files can't be written.
    """
    (folder / "results.json").write_text(_json(evaluation, model), "utf-8")
    _write_csv(folder / "results.csv", evaluation.records)
    (folder / "results.html").write_text(_html(evaluation, cases, sharpen, model), "utf-8")


def _json(evaluation: Evaluation, model: str) -> str:
    """Plain JSON; an infinite PSNR (identical frames) becomes null."""
    content = {
        "clearcall": __version__,
        "model": model,
        "protocol": PROTOCOL,
        "protocol_y": PROTOCOL_Y,
        "unsharp": repr(unsharp()),
        "summaries": [asdict(summary) for summary in evaluation.summaries()],
        "records": [asdict(record) for record in evaluation.records],
        "failures": [asdict(failure) for failure in evaluation.failures],
    }
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_csv(path: Path, records: Sequence[Record]) -> None:
    about = ("profile", "category", "name", "width", "height")
    kinds, measures = ("input", "output", "unsharp"), tuple(Score.__dataclass_fields__)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*about, *(f"{kind}_{measure}" for kind in kinds for measure in measures)])
        for record in records:
            scores = (f"{getattr(getattr(record, kind), measure):.6f}" for kind in kinds for measure in measures)
            writer.writerow([*(getattr(record, name) for name in about), *scores])


def _html(evaluation: Evaluation, cases: Sequence[Case], sharpen: Sharpen, model: str) -> str:
    summaries = evaluation.summaries()
    overall = [summary for summary in summaries if summary.category == "all"]
    report = Report(f"How well “{model}” sharpens", f"{overall[0].count} pictures, measured against the truth.")
    report.facts(_facts(overall[0]))
    for whole in overall:
        of_profile = [summary for summary in summaries if summary.profile == whole.profile]
        report.heading(whole.profile, f"SSIM, then PSNR. {PROTOCOL}. Luma: {PROTOCOL_Y}. Baseline: {unsharp()!r}.")
        report.table(
            SUMMARY_COLUMNS,
            [summary_row(summary) for summary in of_profile],
            best={index: _best_column(summary) for index, summary in enumerate(of_profile)},
            totals=[0],
        )
        _add_pictures(report, [r for r in evaluation.records if r.profile == whole.profile], cases, sharpen)
    if evaluation.failures:
        report.heading("Not measured", "These pictures are not part of any figure.")
        report.table(("Picture", "Why"), [(failure.name, failure.reason) for failure in evaluation.failures])
    return report.html(f"Made by clearcall {__version__}. Every picture's figures are in results.csv and results.json.")


def _facts(summary: Summary) -> list[Fact]:
    before, after = summary.input, summary.output
    return [
        Fact("SSIM", f"{before.ssim:.3f} → {after.ssim:.3f}", f"mean of {summary.count}, {summary.profile}"),
        Fact("FFmpeg unsharp", f"{summary.unsharp.ssim:.3f}", "SSIM of the same input"),
        Fact("PSNR", f"{_db(before.psnr, 1)} → {_db(after.psnr, 1)}", "dB, mean"),
        Fact("Above 0.90", f"{before.ssim_good:.0%} → {after.ssim_good:.0%}", "share of pictures by SSIM"),
        Fact("Harmed", str(summary.harmed), f"of {summary.count} pictures lose SSIM"),
    ]


def _best_column(summary: Summary) -> int:
    """Index within ``SUMMARY_COLUMNS`` of the highest mean SSIM."""
    spreads: tuple[Spread, ...] = (summary.input, summary.unsharp, summary.output)
    return 2 + max(range(3), key=lambda index: spreads[index].ssim)


def _add_pictures(report: Report, records: Sequence[Record], cases: Sequence[Case], sharpen: Sharpen) -> None:
    """Show the pictures that gained most, middling and least, and list all of them."""
    by_gain = sorted(records, key=lambda record: record.gain, reverse=True)
    chosen = {by_gain[-1]: "Least", by_gain[len(by_gain) // 2]: "Median", by_gain[0]: "Most"}
    lookup = {(case.name, case.profile): case for case in cases}
    for record, head in reversed(chosen.items()):
        degraded, sharp = lookup[record.name, record.profile].load()
        report.comparison(
            degraded,
            sharpen(degraded),
            sharp,
            caption=f"{head} gain: {record.name}, {record.width}x{record.height}, {record.profile}",
            notes=(f"SSIM {record.input.ssim:.4f}", f"SSIM {record.output.ssim:.4f}", ""),
        )
    report.table(
        ("Picture", "Category", "Input", "unsharp", "Output", "Gain", "PSNR, dB"),
        [_record_row(record) for record in by_gain],
        folded=f"All {len(records)} pictures",
    )


def _record_row(record: Record) -> list[str]:
    before, after = record.input, record.output
    return [
        record.name,
        record.category,
        f"{before.ssim:.4f}",
        f"{record.unsharp.ssim:.4f}",
        f"{after.ssim:.4f}",
        f"{record.gain:+.4f}",
        f"{_db(before.psnr)} → {_db(after.psnr)}",
    ]


def _db(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "∞"
