"""Records in short: means for each profile and category, gains over the input, bits saved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearcall.degrade import Profile
from clearcall.evaluation.bdrate import Point, Saving, bd_rate
from clearcall.evaluation.evaluate import GOOD_SSIM, WORST_SHARE
from clearcall.evaluation.interval import Interval, paired_interval
from clearcall.evaluation.quality.measure import MEASURES, Record, Score
from clearcall.evaluation.quality.methods import INPUT

ALL = "all"
CODED = "all coded profiles"
"""Stands where a profile's name would: each source's mean over every profile with a codec."""

RESAMPLES = 200
"""How often sources are drawn again for the interval of bits saved."""


@dataclass(frozen=True)
class Spread:
    """Scores of one method in short: their means, and how SSIM is spread."""

    mean: Score
    ssim_median: float
    ssim_worst: float
    """Mean of the worst 5 %."""
    ssim_least: float
    ssim_good: float
    """Share above 0.90."""


@dataclass(frozen=True)
class Gain:
    """What a method gains over the input."""

    ssim: Interval
    vmaf: float | None
    vmaf_neg: float | None
    harmed: int
    """Sources whose SSIM falls."""


@dataclass(frozen=True)
class Summary:
    """All records of one profile and category."""

    profile: str
    category: str
    count: int
    spreads: Mapping[str, Spread]
    gains: Mapping[str, Gain]


@dataclass(frozen=True)
class BitsSaved:
    """BD-rate of one method against the input.

    Attributes:
        percent: Negative where it saves bits.
        low: Lower end of the 95 % interval (pictures drawn again, percentiles); None with one picture.
        high: Upper end.
    """

    percent: float
    low: float | None
    high: float | None


def summaries(records: Sequence[Record], profiles: Sequence[Profile]) -> list[Summary]:
    """For each profile, and for all coded ones together, one over all its records and then one per category."""
    found = []
    for profile, chosen in _by_profile(records, profiles).items():
        found.append(_summary(profile, ALL, chosen))
        categories = sorted({record.category for record in chosen})
        found += [_summary(profile, name, [r for r in chosen if r.category == name]) for name in categories]
    return found


def _by_profile(records: Sequence[Record], profiles: Sequence[Profile]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {profile.name: [] for profile in profiles}
    for record in records:
        found[record.profile].append(record)
    coded = [profile.name for profile in profiles if profile.codec != "none"]
    if len(coded) > 1:
        rows = zip(*(found[name] for name in coded), strict=True)
        found[CODED] = [_mean_record(row) for row in rows]
    return found


def _mean_record(row: Sequence[Record]) -> Record:
    scores = {name: _mean_score([record.scores[name] for record in row]) for name in in_all(row)}
    return replace(row[0], profile=CODED, scores=scores, kbps=fmean(record.kbps for record in row))


def in_all(records: Sequence[Record]) -> list[str]:
    """Names of the methods that every record has; some models are measured behind some links only."""
    return [name for name in records[0].scores if all(name in record.scores for record in records)]


def _mean_score(scores: Sequence[Score]) -> Score:
    """Means of all that was measured for every one."""
    columns: dict[str, list[Any]] = {name: [getattr(score, name) for score in scores] for name in MEASURES}
    means: dict[str, Any] = {name: None if None in values else fmean(values) for name, values in columns.items()}
    return Score(**means)


def _summary(profile: str, category: str, records: Sequence[Record]) -> Summary:
    methods = list(records[0].scores)
    return Summary(
        profile,
        category,
        len(records),
        {name: _spread([record.scores[name] for record in records]) for name in methods},
        {name: _gain(records, name) for name in methods if name != INPUT},
    )


def _spread(scores: Sequence[Score]) -> Spread:
    values = sorted(score.ssim for score in scores)
    worst = values[: math.ceil(WORST_SHARE * len(values))]
    good = sum(value > GOOD_SSIM for value in values) / len(values)
    return Spread(_mean_score(scores), median(values), fmean(worst), values[0], good)


def _gain(records: Sequence[Record], method: str) -> Gain:
    ssim = [record.scores[method].ssim - record.scores[INPUT].ssim for record in records]
    return Gain(
        ssim=paired_interval(ssim),
        vmaf=_mean_gain(records, method, "vmaf"),
        vmaf_neg=_mean_gain(records, method, "vmaf_neg"),
        harmed=sum(difference < 0 for difference in ssim),
    )


def _mean_gain(records: Sequence[Record], method: str, measure: str) -> float | None:
    pairs = [(getattr(r.scores[method], measure), getattr(r.scores[INPUT], measure)) for r in records]
    return None if any(None in pair for pair in pairs) else fmean(after - before for after, before in pairs)


def rate_curves(
    records: Sequence[Record], profiles: Sequence[Profile], measure: str
) -> dict[str, dict[str, list[Point]]]:
    """For each codec and method the mean quality over the mean rate, one point for each profile with a bitrate.

    Args:
        records: What was measured.
        profiles: In the order of the records.
        measure: Name of the figure, as in ``"ssim"``; where it was not measured nothing is given.

    Returns:
        Codec -> method -> points by rate.
    """
    return {
        codec: {method: _points(rates, quality) for method, quality in qualities.items()}
        for codec, (rates, qualities) in _ladders(records, profiles, measure).items()
    }


def bits_saved(
    records: Sequence[Record], profiles: Sequence[Profile], measure: str, draws: int = RESAMPLES
) -> dict[str, dict[str, BitsSaved | None]]:
    """BD-rate against the input, for each codec and the mean over all codecs.

    Args:
        records: What was measured.
        profiles: In the order of the records.
        measure: Name of the figure, as in ``"ssim"``.
        draws: How often sources are drawn again for the interval.

    Returns:
        Codec (or ``ALL``) -> method -> bits saved; None where the curves are too short or don't overlap.
    """
    ladders = _ladders(records, profiles, measure)
    percents = {
        codec: {
            name: _resampled(rates, qualities[INPUT], quality, draws)
            for name, quality in qualities.items()
            if name != INPUT
        }
        for codec, (rates, qualities) in ladders.items()
    }
    if percents:
        names = next(iter(percents.values()))
        percents[ALL] = {name: _mean_of(name, percents) for name in names}
    return {codec: {name: _interval(found) for name, found in of.items()} for codec, of in percents.items()}


_Floats = NDArray[np.float64]


def _ladders(
    records: Sequence[Record], profiles: Sequence[Profile], measure: str
) -> dict[str, tuple[_Floats, dict[str, _Floats]]]:
    """Codec -> rates, and qualities by method; each (sources, profiles)."""
    by_profile = {profile.name: [r for r in records if r.profile == profile.name] for profile in profiles}
    found: dict[str, tuple[_Floats, dict[str, _Floats]]] = {}
    for codec in dict.fromkeys(profile.codec for profile in profiles if profile.bitrate_kbps):
        columns = [by_profile[p.name] for p in profiles if p.codec == codec and p.bitrate_kbps]
        rates = np.array([[record.kbps for record in column] for column in columns]).T
        scores = {
            name: np.array([[getattr(r.scores[name], measure) for r in column] for column in columns], np.float64).T
            for name in in_all([column[0] for column in columns])
        }
        if not any(np.isnan(values).any() for values in scores.values()):
            found[codec] = (rates, scores)
    return found


def _points(rates: _Floats, quality: _Floats) -> list[Point]:
    return sorted(zip(rates.mean(axis=0).tolist(), quality.mean(axis=0).tolist(), strict=True))


def _resampled(rates: _Floats, anchor: _Floats, test: _Floats, times: int) -> list[float | None]:
    """The percentage with all sources, then with sources drawn again at random."""
    rng = np.random.default_rng(0)
    count = len(rates)
    draws = [np.arange(count)] + [rng.integers(0, count, count) for _ in range(times if count > 1 else 0)]
    savings = (bd_rate(_points(rates[d], anchor[d]), _points(rates[d], test[d])) for d in draws)
    return [_percent(saving) for saving in savings]


def _percent(saving: Saving | None) -> float | None:
    return None if saving is None else saving.percent


def _mean_of(name: str, percents: Mapping[str, Mapping[str, list[float | None]]]) -> list[float | None]:
    rows = zip(*(of_codec[name] for of_codec in percents.values()), strict=True)
    return [None if None in row else fmean(row) for row in rows]


def _interval(found: Sequence[float | None]) -> BitsSaved | None:
    first, *drawn = found
    values: list[Any] = [value for value in drawn if value is not None]
    if first is None:
        return None
    if not values:
        return BitsSaved(first, None, None)
    low, high = np.percentile(values, (2.5, 97.5)).tolist()
    return BitsSaved(first, low, high)
