"""The table that papers on deblurring give for GoPro: PSNR and SSIM by sequence, in every protocol they use."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from statistics import fmean

from clearcall import __version__
from clearcall.evaluation.cases import Case
from clearcall.evaluation.evaluate import Failure, Frame, Report, Sharpen, measure_all
from clearcall.evaluation.metrics import PROTOCOL, psnr, ssim
from clearcall.evaluation.protocols import MATLAB, UNIFORM, ssim_matlab, ssim_uniform
from clearcall.evaluation.report import Report as Page

COLUMNS = ("Sequence", "Pairs", "PSNR, dB", "SSIM", "SSIM, MATLAB", "SSIM, skimage")
"""Heads of :func:`row`; each figure but the first two is of the input, then of the output."""

PROTOCOLS = {
    "psnr": "8-bit RGB, peak 255, squared error over all pixels and channels: the same in all papers",
    "ssim": PROTOCOL,
    "ssim_matlab": MATLAB,
    "ssim_uniform": UNIFORM,
}
ALL = "all"


@dataclass(frozen=True)
class PaperScore:
    """How near one frame comes to the truth, by each protocol; see ``PROTOCOLS``."""

    psnr: float
    ssim: float
    ssim_matlab: float
    ssim_uniform: float

    @classmethod
    def of(cls, preds: Frame, target: Frame) -> PaperScore:
        """Measure a frame.

        Args:
            preds: Frame to judge, uint8 ``(height, width, 3)`` RGB.
            target: The ground truth, same shape.

        Raises:
            InputError: The frames can't be compared.
        """
        return cls(*(metric(preds, target) for metric in (psnr, ssim, ssim_matlab, ssim_uniform)))

    @classmethod
    def mean(cls, scores: Sequence[PaperScore]) -> PaperScore:
        """The mean of each figure over at least one frame, as papers average."""
        return cls(*(fmean(values) for values in zip(*map(astuple, scores), strict=True)))


@dataclass(frozen=True)
class PaperRecord:
    """One pair, measured: the blurred frame as it is, and the output."""

    name: str
    sequence: str
    input: PaperScore
    output: PaperScore


@dataclass(frozen=True)
class PaperRow:
    """A row of the table: the means over one sequence, or over all pairs."""

    sequence: str
    pairs: int
    input: PaperScore
    output: PaperScore


@dataclass(frozen=True)
class PaperTable:
    """What was measured, in the order of the cases, and what couldn't be."""

    records: tuple[PaperRecord, ...]
    failures: tuple[Failure, ...] = ()

    def rows(self) -> list[PaperRow]:
        """The means over all pairs, then those of each sequence."""
        sequences = sorted({record.sequence for record in self.records})
        parts = [(ALL, self.records)] + [
            (name, tuple(record for record in self.records if record.sequence == name)) for name in sequences
        ]
        return [
            PaperRow(
                name,
                len(records),
                PaperScore.mean([record.input for record in records]),
                PaperScore.mean([record.output for record in records]),
            )
            for name, records in parts
        ]


def paper_table(
    sharpen: Sharpen, cases: Sequence[Case], *, workers: int = 2, on_progress: Report | None = None
) -> PaperTable:
    """Measure a function of a frame over pairs on disk.

    Args:
        sharpen: Takes and returns uint8 ``(height, width, 3)`` RGB; called from several threads.
        cases: The pairs, from :func:`clearcall.evaluation.cases.find_cases`.
        workers: Threads.
        on_progress: Called with the number of pairs done and of all pairs.

    Returns:
        The table.

    Raises:
        InputError: Not one pair could be measured.
    """

    def measure(case: Case) -> PaperRecord:
        degraded, sharp = case.load()
        scores = (PaperScore.of(frame, sharp) for frame in (degraded, sharpen(degraded)))
        return PaperRecord(case.name, case.sequence, *scores)

    records, failures = measure_all(measure, cases, workers=workers, on_progress=on_progress)
    return PaperTable(tuple(records), tuple(failures))


def row(of: PaperRow) -> list[str]:
    """One row as text, under ``COLUMNS``."""
    ssims = zip(astuple(of.input)[1:], astuple(of.output)[1:], strict=True)
    return [
        of.sequence,
        str(of.pairs),
        f"{_db(of.input.psnr)} → {_db(of.output.psnr)}",
        *(f"{before:.4f} → {after:.4f}" for before, after in ssims),
    ]


def write_paper_table(folder: Path, table: PaperTable, cases: Sequence[Case], sharpen: Sharpen, model: str) -> None:
    """Write ``results.json``, ``results.csv`` and ``results.html`` into a folder that exists.

    Args:
        folder: Where to.
        table: What was found.
        cases: What was measured; the pairs that gained most, middling and least are shown in pictures.
        sharpen: What was measured, to make these pictures again.
        model: What to call it.

    Raises:
        OSError: The files can't be written.
    """
    (folder / "results.json").write_text(_json(table, model), "utf-8")
    _write_csv(folder / "results.csv", table.records)
    (folder / "results.html").write_text(_html(table, cases, sharpen, model), "utf-8")


def _json(table: PaperTable, model: str) -> str:
    """Plain JSON; an infinite PSNR (identical frames) becomes null."""
    content = {
        "clearcall": __version__,
        "model": model,
        "benchmark": "gopro",
        "protocols": PROTOCOLS,
        "rows": [_plain(row) for row in table.rows()],
        "records": [_plain(record) for record in table.records],
        "failures": [asdict(failure) for failure in table.failures],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _plain(measured: PaperRow | PaperRecord) -> dict[str, object]:
    values = asdict(measured)
    for side in ("input", "output"):
        values[side] = {name: value if math.isfinite(value) else None for name, value in values[side].items()}
    return values


def _write_csv(path: Path, records: Sequence[PaperRecord]) -> None:
    names = [field.name for field in fields(PaperScore)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sequence", "name", *(f"{side}_{name}" for side in ("input", "output") for name in names)])
        for record in records:
            scores = (f"{value:.6f}" for side in (record.input, record.output) for value in astuple(side))
            writer.writerow([record.sequence, record.name, *scores])


def _html(table: PaperTable, cases: Sequence[Case], sharpen: Sharpen, model: str) -> str:
    page = Page(f"How well “{model}” deblurs", f"{len(table.records)} pairs of GoPro's layout, input → output.")
    page.heading("By sequence", " ".join(f"{name}: {protocol}." for name, protocol in PROTOCOLS.items()))
    page.table(COLUMNS, [row(part) for part in table.rows()], totals=[0])
    by_gain = sorted(table.records, key=lambda record: record.output.psnr - record.input.psnr, reverse=True)
    lookup = {case.name: case for case in cases}
    for head, record in {"Most": by_gain[0], "Median": by_gain[len(by_gain) // 2], "Least": by_gain[-1]}.items():
        degraded, sharp = lookup[record.name].load()
        notes = (f"{_db(record.input.psnr)} dB", f"{_db(record.output.psnr)} dB", "")
        page.comparison(degraded, sharpen(degraded), sharp, caption=f"{head} gain: {record.name}", notes=notes)
    if table.failures:
        page.heading("Not measured", "These pairs are not part of any figure.")
        page.table(("Pair", "Why"), [(failure.name, failure.reason) for failure in table.failures])
    return page.html(f"Made by clearcall {__version__}. Every pair's figures are in results.csv and results.json.")


def _db(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "∞"
