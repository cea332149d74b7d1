"""Bits saved, as tables and curves of the results' page."""

from __future__ import annotations

from clearcall.evaluation.quality.files import TITLES, Outcome
from clearcall.evaluation.quality.methods import INPUT
from clearcall.evaluation.quality.summary import ALL, BitsSaved, rate_curves
from clearcall.evaluation.report import Report

_DRAWN = 6
_FILTER = "unsharp"


def add_rates(report: Report, outcome: Outcome, method: str) -> None:
    """Add BD-rates and the curves behind them; nothing where no codec was sent at several bitrates.

    Args:
        report: The page.
        outcome: What was found.
        method: The one to look at.
    """
    records, profiles = outcome.findings.records, outcome.profiles
    if not any(outcome.saved.values()):
        return
    note = "BD-rate against the input as shown: how many percent more bits for the same quality. Negative: fewer. "
    note += f"{outcome.counted}. In brackets the 95 % interval (pictures drawn again at random)."
    report.heading("Bits saved", note)
    drawn = _drawn(outcome, method)
    for measure, rows in outcome.saved.items():
        if not rows:
            continue
        methods = list(next(iter(rows.values())))
        cells = [[_codec(codec), *(_saved(row[name]) for name in methods)] for codec, row in rows.items()]
        report.table([f"At equal {TITLES[measure]}", *methods], cells, totals=[len(cells) - 1] if ALL in rows else [])
        curves = rate_curves(records, profiles, measure)
        report.rate_curves(
            {_codec(codec): {name: of[name] for name in drawn if name in of} for codec, of in curves.items()},
            across="kbit/s",
            caption=f"{TITLES[measure]} over the bitrate, means of {outcome.counted}; each dot is a link.",
        )


def _drawn(outcome: Outcome, method: str) -> list[str]:
    """The lines of a plot: the input, the method to look at, a filter, and other models."""
    others = [candidate.name for candidate in outcome.setup.candidates]
    return list(dict.fromkeys([INPUT, method, _FILTER, *others]))[:_DRAWN]


def _saved(found: BitsSaved | None) -> str:
    if found is None:
        return "-"
    span = "" if found.low is None or found.high is None else f" ({found.low:+.1f} to {found.high:+.1f})"
    return f"{found.percent:+.1f} %{span}"


def _codec(name: str) -> str:
    return "All codecs" if name == ALL else name.upper().replace("H264", "H.264")
