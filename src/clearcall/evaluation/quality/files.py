"""A run's results as ``results.json`` and ``results.csv``."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from clearcall import __version__
from clearcall.degrade import Profile
from clearcall.evaluation import bdrate, flicker, interval, metrics, multiscale, vmaf
from clearcall.evaluation.quality.bars import Bar, bars
from clearcall.evaluation.quality.measure import MEASURES, Setup
from clearcall.evaluation.quality.run import Findings
from clearcall.evaluation.quality.summary import BitsSaved, Summary, bits_saved, summaries

BD_MEASURES = ("ssim", "vmaf")

TITLES: Mapping[str, str] = {
    "ssim": "SSIM",
    "ssim_y": "SSIM of luma",
    "psnr": "PSNR, dB",
    "psnr_y": "PSNR of luma, dB",
    "ms_ssim": "MS-SSIM",
    "ms_ssim_y": "MS-SSIM of luma",
    "vmaf": "VMAF",
    "vmaf_neg": "VMAF NEG",
    "lpips": "LPIPS (lower is better)",
    "flicker": "Flicker, levels (lower is better)",
}
"""What each measure is called where people read it."""


@dataclass(frozen=True)
class Outcome:
    """All that the results are made of.

    Attributes:
        setup: What was measured and with what.
        profiles: The links.
        findings: What was found.
        left_out: What couldn't be measured on this computer -> why.
        of: Sources that the folder holds; more than were measured where a part was asked for. 0: not known.
    """

    setup: Setup
    profiles: Sequence[Profile]
    findings: Findings
    left_out: dict[str, str]
    of: int = 0

    @property
    def counted(self) -> str:
        """How many pictures and clips stand in the figures, as in ``"51 of 102 pictures and clips"``."""
        count = len({record.name for record in self.findings.records})
        part = f"{count} of {self.of}" if self.of > count else f"{count}"
        return f"{part} pictures and clips"

    @cached_property
    def bars(self) -> list[Bar]:
        """What has to be shown of each model, and whether it is."""
        return bars(self.models, self.summaries, self.profiles, self.saved["ssim"])

    @property
    def models(self) -> list[str]:
        """Names of the models that might ship, teachers left out."""
        return [candidate.name for candidate in self.setup.candidates if candidate.ships]

    @cached_property
    def summaries(self) -> list[Summary]:
        """In short, for each profile and category."""
        return summaries(self.findings.records, self.profiles)

    @cached_property
    def saved(self) -> dict[str, dict[str, dict[str, BitsSaved | None]]]:
        """BD-rates: measure -> codec -> method; a measure that wasn't taken has no codecs."""
        return {measure: bits_saved(self.findings.records, self.profiles, measure) for measure in BD_MEASURES}


def protocols() -> dict[str, str]:
    """How each figure is defined, in a line."""
    return {
        "ssim": metrics.PROTOCOL,
        "luma": metrics.PROTOCOL_Y,
        "ms_ssim": multiscale.PROTOCOL,
        "flicker": flicker.PROTOCOL,
        "vmaf": vmaf.PROTOCOL,
        "bd_rate": bdrate.PROTOCOL,
        "interval": interval.PROTOCOL,
    }


def to_json(outcome: Outcome) -> str:
    """The whole outcome as strict JSON; an infinite PSNR (identical frames) becomes null."""
    content = {
        "format": 1,
        "clearcall": __version__,
        "protocols": protocols(),
        "left_out": outcome.left_out,
        "sources": {"measured": len({record.name for record in outcome.findings.records}), "of": outcome.of},
        "models": outcome.models,
        "identities": {candidate.name: candidate.identity for candidate in outcome.setup.candidates},
        "strengths": outcome.findings.strengths,
        "bars": [asdict(bar) for bar in outcome.bars],
        "summaries": [asdict(summary) for summary in outcome.summaries],
        "bd_rate": {
            measure: {
                codec: {name: found and asdict(found) for name, found in of.items()} for codec, of in rows.items()
            }
            for measure, rows in outcome.saved.items()
        },
        "records": [asdict(record) for record in outcome.findings.records],
        "failures": [asdict(failure) for failure in outcome.findings.failures],
    }
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def to_csv(outcome: Outcome) -> str:
    """One row for each source, profile and method; empty where nothing was measured."""
    about = ("profile", "category", "name", "width", "height", "frames", "kbps")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*about, "method", *MEASURES])
    for record in outcome.findings.records:
        for method, score in record.scores.items():
            values = (getattr(score, measure) for measure in MEASURES)
            cells = ("" if value is None else f"{value:.6f}" for value in values)
            writer.writerow([*(getattr(record, name) for name in about), method, *cells])
    return text.getvalue()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
