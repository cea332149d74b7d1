"""What a model has to show, figure by figure, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clearcall.degrade import Profile
from clearcall.evaluation.quality.methods import INPUT
from clearcall.evaluation.quality.summary import ALL, CODED, BitsSaved, Summary

FLOAT_SUFFIX = " float32"
"""What follows a model's name where its float32 graph was measured."""
TEACHER, TEACHER_IN_VIEWS = "teacher", "teacher x8"
"""A teacher, and the mean of what it makes of eight views of a frame."""
FLOAT_LINKS = frozenset({"bicubic-x2", "h264-half-crf28", "clean"})
"""Where float32 is measured beside 8 bits."""

_EVERY = ""
_BARS: Mapping[str, Mapping[str, float]] = {
    "bicubic-x2: mean SSIM": {"small": 0.937, "large": 0.945},
    "bicubic-x2: share above 0.90": {"small": 0.84},
    "bicubic-x2: least category mean": {"small": 0.90},
    "h264-half-crf23: SSIM gain": {"small": 0.019},
    "h264-half-crf28: SSIM gain": {"small": 0.017},
    "h264-half-crf33: SSIM gain": {"small": 0.014},
    "codec ladder: mean SSIM gain": {"small": 0.010},
    "codec ladder: least SSIM gain of a link and category": {"small": 0.0},
    "BD-rate, all": {"small": -13.0, "large": -18.0},
    "codec ladder: least VMAF gain of a link": {"small": 0.0},
    "codec ladder: least VMAF NEG gain of a link": {"small": 0.0},
    "clean: mean SSIM": {_EVERY: 0.997},
    "clean: worst SSIM": {_EVERY: 0.99},
    "flicker by the input's, codec ladder": {_EVERY: 1.0},
    "8 bits: most SSIM lost against float32": {_EVERY: 0.001},
    "bicubic-x2: PSNR above the best model, in dB": {_EVERY: 1.0},
}
_MOST_DIGITS = 7
_AT_MOST = ("BD-rate", "flicker", "8 bits")


@dataclass(frozen=True)
class Bar:
    """One figure of one model.

    Attributes:
        model: Its name.
        figure: What was measured.
        value: The measured value.
        bar: What it has to reach; None: none is set.
        where: Which link or category it is of, where that isn't said by ``figure``.
        is_met: Whether it is reached; None without a bar.
    """

    model: str
    figure: str
    value: float
    bar: float | None
    where: str
    is_met: bool | None

    @property
    def asked(self) -> str:
        """The bar as text."""
        if self.bar is None:
            return "-"
        return f"{'at most' if self.figure.startswith(_AT_MOST) else 'at least'} {self._text(self.bar)}"

    @property
    def found(self) -> str:
        """The value as text, with the digits that tell a missed one from its bar."""
        more = 0
        if self.bar is not None and not self.is_met:
            more = next((n for n in range(_MOST_DIGITS) if self._text(self.value, n) != self._text(self.bar, n)), 0)
        text = self._text(self.value, more)
        return text + (f" ({self.where})" if self.where else "")

    @property
    def verdict(self) -> str:
        """In a word."""
        return "" if self.is_met is None else "met" if self.is_met else "MISSED"

    def _text(self, value: float, more: int = 0) -> str:
        if self.figure.startswith("BD-rate"):
            return f"{value:+.{1 + more}f} %"
        if "share" in self.figure:
            return f"{value:.{1 + more}%}"
        if "VMAF" in self.figure or "PSNR" in self.figure:
            return f"{value:+.{2 + more}f}"
        return f"{value:{'+' if 'gain' in self.figure else ''}.{4 + more}f}"


def bars(
    models: Sequence[str],
    summaries: Sequence[Summary],
    profiles: Sequence[Profile],
    saved: Mapping[str, Mapping[str, BitsSaved | None]],
) -> list[Bar]:
    """Compare each model with what is asked of it; what wasn't measured has no row.

    Args:
        models: Their names.
        summaries: Of the run.
        profiles: The links.
        saved: BD-rates by SSIM: codec -> method.

    Returns:
        Figure by figure, in the order of the models.
    """
    coded = {profile.name for profile in profiles if profile.codec != "none"}
    found = [
        _bar(model, figure, value, where)
        for model in models
        for figure, value, where in [
            *_pictures(model, summaries),
            *_ladder(model, [summary for summary in summaries if summary.profile in coded]),
            *_saved(model, saved),
            *_eight_bits(model, summaries),
        ]
    ]
    found += [_bar(teacher, figure, value, where) for teacher, figure, value, where in _teachers(models, summaries)]
    order = {bar.figure: place for place, bar in reversed(list(enumerate(found)))}
    return sorted(found, key=lambda bar: order[bar.figure])


_Rows = Iterator[tuple[str, float, str]]


def _bar(model: str, figure: str, value: float, where: str) -> Bar:
    asked = _BARS.get(figure, {})
    bar = asked.get(model, asked.get(_EVERY))
    if bar is None:
        return Bar(model, figure, value, None, where, None)
    return Bar(model, figure, value, bar, where, value <= bar if figure.startswith(_AT_MOST) else value >= bar)


def _pictures(model: str, summaries: Sequence[Summary]) -> _Rows:
    for summary in summaries:
        spread, gain = summary.spreads[model], summary.gains[model]
        if summary.category == ALL and summary.profile == "bicubic-x2":
            yield "bicubic-x2: mean SSIM", spread.mean.ssim, ""
            yield "bicubic-x2: share above 0.90", spread.ssim_good, ""
            of_each = [s for s in summaries if s.profile == summary.profile and s.category != ALL]
            least = min(of_each, key=lambda each: each.spreads[model].mean.ssim)
            yield "bicubic-x2: least category mean", least.spreads[model].mean.ssim, least.category
        elif summary.category == ALL and summary.profile.startswith("h264-half-crf"):
            yield f"{summary.profile}: SSIM gain", gain.ssim.mean, ""
        elif summary.category == ALL and summary.profile == CODED:
            yield "codec ladder: mean SSIM gain", gain.ssim.mean, ""
        elif summary.category == ALL and summary.profile == "clean":
            yield "clean: mean SSIM", spread.mean.ssim, ""
            yield "clean: worst SSIM", spread.ssim_least, ""


def _ladder(model: str, coded: Sequence[Summary]) -> _Rows:
    """Least gains over the links with a codec, and flicker."""
    if not coded:
        return
    least = min((s for s in coded if s.category != ALL), key=lambda each: each.gains[model].ssim.mean)
    where = f"{least.profile}, {least.category}"
    yield "codec ladder: least SSIM gain of a link and category", least.gains[model].ssim.mean, where
    overall = [summary for summary in coded if summary.category == ALL]
    for measure, name in (("vmaf", "VMAF"), ("vmaf_neg", "VMAF NEG")):
        gains = [(gain, s.profile) for s in overall if (gain := getattr(s.gains[model], measure)) is not None]
        if gains:
            yield f"codec ladder: least {name} gain of a link", *min(gains)
            yield f"codec ladder: mean {name} gain", sum(gain for gain, _ in gains) / len(gains), ""
    means = [(s.spreads[model].mean.flicker, s.spreads[INPUT].mean.flicker) for s in overall]
    pairs = [(after, before) for after, before in means if after is not None and before]
    if pairs:
        after, before = (sum(values) for values in zip(*pairs, strict=True))
        yield "flicker by the input's, codec ladder", after / before, ""


def _teachers(models: Sequence[str], summaries: Sequence[Summary]) -> Iterator[tuple[str, str, float, str]]:
    """How far teachers are ahead of the best of the models."""
    for summary in summaries:
        if summary.category == ALL and summary.profile == "bicubic-x2":
            spreads = summary.spreads
            best = max(models, key=lambda model: spreads[model].mean.psnr)
            for teacher in (TEACHER, TEACHER_IN_VIEWS):
                if teacher in spreads:
                    ahead = spreads[teacher].mean.psnr - spreads[best].mean.psnr
                    yield teacher, "bicubic-x2: PSNR above the best model, in dB", ahead, best


def _saved(model: str, saved: Mapping[str, Mapping[str, BitsSaved | None]]) -> _Rows:
    for codec, methods in saved.items():
        bits = methods.get(model)
        if bits:
            yield f"BD-rate, {codec}", bits.percent, ""


def _eight_bits(model: str, summaries: Sequence[Summary]) -> _Rows:
    losses = [
        (summary.spreads[model + FLOAT_SUFFIX].mean.ssim - summary.spreads[model].mean.ssim, summary.profile)
        for summary in summaries
        if summary.category == ALL and model + FLOAT_SUFFIX in summary.spreads
    ]
    if losses:
        yield "8 bits: most SSIM lost against float32", *max(losses)
