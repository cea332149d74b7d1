"""A run's results as pages: tables, curves and pictures, each page one self-contained file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from clearcall import __version__
from clearcall.evaluation.quality.files import TITLES, Outcome, protocols
from clearcall.evaluation.quality.measure import MEASURES, Record
from clearcall.evaluation.quality.methods import FILTERS, INPUT, OfMoment, baselines, of_stream
from clearcall.evaluation.quality.rates import add_rates
from clearcall.evaluation.quality.sources import Source, send
from clearcall.evaluation.quality.summary import ALL, CODED, Summary
from clearcall.evaluation.report import Fact, Report

_DIGITS = {"psnr": 2, "psnr_y": 2, "vmaf": 1, "vmaf_neg": 1, "flicker": 3}
_LOWER_IS_BETTER = {"lpips", "flicker"}
_SHOWN = ("h264-360p-400k", "h264-half-crf28")
"""The link whose pictures are shown, the first that was measured."""
_PLACES = ("Median", "Worst", "Best")


class Pages:
    """Both pages of a run.

    Args:
        outcome: What was found.
        sources: What was measured, to make the pictures again.
    """

    def __init__(self, outcome: Outcome, sources: Sequence[Source]) -> None:
        self._outcome = outcome
        self._records = outcome.findings.records
        self._sources = {source.name: source for source in sources}
        self._method = (outcome.models or [name for name in self._methods if name != INPUT])[
            -1 if not outcome.models else 0
        ]
        self._restorer: OfMoment | None = None

    def results(self) -> str:
        """Figures first, then curves, categories and three pictures."""
        lead = f"{self._outcome.counted}, each sent through "
        lead += f"{len(self._outcome.profiles)} links; every method measured on the same frames."
        report = Report(f"How much “{self._method}” gives back", lead).facts(self._facts())
        self._add_bars(report)
        self._add_profiles(report)
        add_rates(report, self._outcome, self._method)
        self._add_categories(report)
        report.heading("Pictures", f"Best, median and worst gain of {self._method} over {self._shown}.")
        self._add_pictures(report, self._ranked(self._shown_records))
        report.links("Best, median and worst of every category:", ["panels.html"])
        self._add_measures(report)
        self._add_notes(report)
        return report.html(f"Made by clearcall {__version__}. Every figure of every picture is in results.csv.")

    def panels(self) -> str:
        """Best, median and worst picture of each category."""
        report = Report(
            f"“{self._method}”, category by category",
            f"Best, median and worst gain in SSIM, {self._shown}; {self._outcome.counted}.",
        )
        records = self._shown_records
        for category in sorted({record.category for record in records}):
            chosen = [record for record in records if record.category == category]
            report.heading(category, f"Of {len(chosen)} measured.")
            self._add_pictures(report, self._ranked(chosen))
        return report.html(f"Made by clearcall {__version__}. All figures: results.html.")

    @property
    def _methods(self) -> list[str]:
        return list(dict.fromkeys(name for record in self._records for name in record.scores))

    @property
    def _overall(self) -> list[Summary]:
        return [summary for summary in self._outcome.summaries if summary.category == ALL]

    @property
    def _shown(self) -> str:
        names = [profile.name for profile in self._outcome.profiles]
        return next((name for name in _SHOWN if name in names), names[0])

    @property
    def _shown_records(self) -> list[Record]:
        return [record for record in self._records if record.profile == self._shown]

    def _facts(self) -> list[Fact]:
        whole = next((s for s in self._overall if s.profile == CODED), self._overall[0])
        before, after, gain = whole.spreads[INPUT], whole.spreads[self._method], whole.gains[self._method]
        facts = [
            Fact("SSIM", f"{before.mean.ssim:.3f} → {after.mean.ssim:.3f}", f"mean, {whole.profile}"),
            Fact("Gain in SSIM", f"{gain.ssim.mean:+.4f}", _within(gain.ssim.low, gain.ssim.high, 4)),
        ]
        if gain.vmaf is not None and gain.vmaf_neg is not None:
            facts.append(Fact("Gain in VMAF", f"{gain.vmaf:+.1f}", f"VMAF NEG {gain.vmaf_neg:+.1f}"))
        saved = self._outcome.saved["ssim"].get(ALL, {}).get(self._method)
        if saved:
            facts.append(Fact("Bits at equal SSIM", f"{saved.percent:+.1f} %", "BD-rate, mean of all codecs"))
        return [*facts, Fact("Harmed", f"{gain.harmed} of {whole.count}", f"lose SSIM, {whole.profile}")]

    def _add_profiles(self, report: Report) -> None:
        columns = ["Link", "Gain", "95 %", "Harmed", *self._methods]
        rows, best = [], {}
        for index, summary in enumerate(self._overall):
            values = [self._of(summary, name, "ssim") for name in self._methods]
            gain = summary.gains[self._method]
            rows.append(
                [
                    summary.profile,
                    f"{gain.ssim.mean:+.4f}",
                    _within(gain.ssim.low, gain.ssim.high, 4),
                    f"{gain.harmed} of {summary.count}",
                    *(
                        f"{_figure(value, 4)}{self._strength(summary.profile, name)}"
                        for name, value in zip(self._methods, values, strict=True)
                    ),
                ]
            )
            best[index] = 4 + values.index(max(value for value in values if value is not None))
        note = (
            f"SSIM, means of {self._outcome.counted}. In brackets the filters' strengths, each the best for its link. "
        )
        note += f"Gain, its interval and the pictures harmed are those of {self._method}."
        totals = [index for index, summary in enumerate(self._overall) if summary.profile == CODED]
        report.heading("Links", note).table(columns, rows, best=best, totals=totals)

    def _add_bars(self, report: Report) -> None:
        note = f"{self._outcome.counted}. A dash: no bar is set."
        rows = [[bar.figure, bar.model, bar.asked, bar.found, bar.verdict] for bar in self._outcome.bars]
        if rows:
            report.heading("What it has to show", note).table(["Figure", "Model", "Bar", "Measured", ""], rows)

    @staticmethod
    def _of(summary: Summary, method: str, measure: str) -> float | None:
        spread = summary.spreads.get(method)
        value: float | None = getattr(spread.mean, measure) if spread else None
        return value

    def _strength(self, profile: str, method: str) -> str:
        strengths = self._outcome.findings.strengths.get(profile, {})
        return f" ({strengths[method]:g})" if method in strengths else ""

    def _add_categories(self, report: Report) -> None:
        categories = sorted({summary.category for summary in self._outcome.summaries} - {ALL})
        lookup = {(summary.profile, summary.category): summary for summary in self._outcome.summaries}
        profiles = [summary.profile for summary in self._overall]
        rows = [
            [profile, *(_change(lookup.get((profile, name)), self._method) for name in [*categories, ALL])]
            for profile in profiles
        ]
        note = f"{self._outcome.counted}: SSIM of the input, and what {self._method} adds."
        totals = [index for index, profile in enumerate(profiles) if profile == CODED]
        report.heading("Categories", note).table(["Link", *categories, ALL], rows, totals=totals)

    def _add_measures(self, report: Report) -> None:
        report.heading("All measures", f"{self._outcome.counted}, each link by itself.")
        for measure in MEASURES[1:]:
            rows, best = [], {}
            for index, summary in enumerate(self._overall):
                values = [self._of(summary, name, measure) for name in self._methods]
                rows.append([summary.profile, *(_figure(value, _DIGITS.get(measure, 4)) for value in values)])
                known = [value for value in values if value is not None]
                if known:
                    best[index] = 1 + values.index((min if measure in _LOWER_IS_BETTER else max)(known))
            if best:
                report.table(["Link", *self._methods], rows, best=best, folded=TITLES[measure])
        for title, attribute, percent in (
            ("SSIM, median", "ssim_median", False),
            ("SSIM, worst 5 %", "ssim_worst", False),
            ("SSIM, worst picture", "ssim_least", False),
            ("Share of pictures above 0.90", "ssim_good", True),
        ):
            spreads = [(s.profile, [s.spreads.get(name) for name in self._methods]) for s in self._overall]
            digits = ".1%" if percent else ".4f"
            rows = [
                [profile, *("-" if spread is None else format(getattr(spread, attribute), digits) for spread in row)]
                for profile, row in spreads
            ]
            report.table(["Link", *self._methods], rows, folded=title)

    def _add_notes(self, report: Report) -> None:
        report.heading("How it was measured")
        report.table(["Figure", "Definition"], [*protocols().items()])
        if self._outcome.left_out:
            report.heading("Left out").table(["What", "Why"], list(self._outcome.left_out.items()))
        failures = self._outcome.findings.failures
        if failures:
            report.heading("Not measured", "These files are not part of any figure.")
            report.table(["File", "Why"], [[failure.name, failure.reason] for failure in failures])

    def _ranked(self, records: Sequence[Record]) -> Iterator[tuple[str, Record]]:
        ordered = sorted(records, key=self._gain, reverse=True)
        places = dict(zip((len(ordered) // 2, len(ordered) - 1, 0), _PLACES, strict=True))  # of one or two: the ends
        yield from ((places[place], ordered[place]) for place in sorted(places))

    def _gain(self, record: Record) -> float:
        return record.scores[self._method].ssim - record.scores[INPUT].ssim

    def _add_pictures(self, report: Report, ranked: Iterator[tuple[str, Record]]) -> None:
        for head, record in ranked:
            link = next(profile for profile in self._outcome.profiles if profile.name == record.profile)
            sent = next(send(self._sources[record.name], [link], self._outcome.setup.seed))
            moment = sent.moments[-1]
            before, after = record.scores[INPUT], record.scores[self._method]
            report.comparison(
                moment.shown,
                self._restored(record)(moment),
                moment.truth,
                caption=f"{head} gain ({self._gain(record):+.4f}): {record.name}, {record.width}x{record.height}, "
                f"{record.profile}, {record.kbps:.0f} kbit/s",
                labels=("Input", self._method, "Ground truth"),
                notes=(_note(before.ssim, before.vmaf), _note(after.ssim, after.vmaf), ""),
            )

    def _restored(self, record: Record) -> OfMoment:
        if self._method in FILTERS:
            return baselines(record.strengths)[self._method]
        if self._restorer is None:
            candidate = next(c for c in self._outcome.setup.candidates if c.name == self._method)
            self._restorer = of_stream(candidate.make())
        return self._restorer


def _note(ssim: float, vmaf: float | None) -> str:
    return f"SSIM {ssim:.3f}" + ("" if vmaf is None else f", VMAF {vmaf:.0f}")


def _within(low: float, high: float, digits: int) -> str:
    return f"{low:+.{digits}f} to {high:+.{digits}f}" if isfinite(low) else "one picture"


def _change(summary: Summary | None, method: str) -> str:
    if summary is None:
        return "-"
    return f"{summary.spreads[INPUT].mean.ssim:.3f} {summary.gains[method].ssim.mean:+.4f}"


def _figure(value: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if isfinite(value) else "∞"
