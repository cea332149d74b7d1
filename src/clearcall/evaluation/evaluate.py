"""Runs a function of a frame over many pairs and says how near its output comes to the truth, as plain records."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from statistics import fmean, median
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clearcall.errors import ClearcallError, InputError
from clearcall.evaluation.cases import Case
from clearcall.evaluation.filters import unsharp
from clearcall.evaluation.metrics import psnr, psnr_y, ssim, ssim_y

Frame = NDArray[np.uint8]
Sharpen = Callable[[Frame], Frame]
Report = Callable[[int, int | None], None]
Measured = TypeVar("Measured")

GOOD_SSIM = 0.90
"""The share of pictures above this SSIM is counted."""
WORST_SHARE = 0.05
"""The mean over this share of the pictures, those with the lowest SSIM, is given."""


@dataclass(frozen=True)
class Score:
    """How near one frame comes to the truth (protocol: ``clearcall.evaluation.metrics``)."""

    ssim: float
    ssim_y: float
    psnr: float
    psnr_y: float

    @classmethod
    def of(cls, preds: Frame, target: Frame) -> Score:
        """Measure a frame.

        Args:
            preds: Frame to judge, uint8 ``(height, width, 3)`` RGB.
            target: The ground truth, same shape.

        Raises:
            InputError: The frames can't be compared.
        """
        return cls(ssim(preds, target), ssim_y(preds, target), psnr(preds, target), psnr_y(preds, target))


@dataclass(frozen=True)
class Record:
    """One pair, measured: the input as displayed, the output, and FFmpeg's ``unsharp`` of the same input."""

    name: str
    category: str
    profile: str
    width: int
    height: int
    input: Score
    output: Score
    unsharp: Score

    @property
    def gain(self) -> float:
        """SSIM of the output less that of the input."""
        return self.output.ssim - self.input.ssim


@dataclass(frozen=True)
class Failure:
    """One pair that couldn't be measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Spread:
    """Many scores in short: means, and for SSIM also its median, the worst 5 % and the share above 0.90."""

    ssim: float
    ssim_median: float
    ssim_worst: float
    ssim_good: float
    ssim_y: float
    psnr: float
    psnr_y: float

    @classmethod
    def of(cls, scores: Sequence[Score]) -> Spread:
        """Sum up at least one score.

        Example:
            >>> Spread.of([Score(0.8, 0.8, 30, 31), Score(0.95, 0.95, 34, 35)]).ssim_good
            0.5
        """
        values = sorted(score.ssim for score in scores)
        worst = values[: math.ceil(WORST_SHARE * len(values))]
        return cls(
            ssim=fmean(values),
            ssim_median=median(values),
            ssim_worst=fmean(worst),
            ssim_good=sum(value > GOOD_SSIM for value in values) / len(values),
            ssim_y=fmean(score.ssim_y for score in scores),
            psnr=fmean(score.psnr for score in scores),
            psnr_y=fmean(score.psnr_y for score in scores),
        )


@dataclass(frozen=True)
class Summary:
    """All records of one profile and category ("all": of every category)."""

    profile: str
    category: str
    count: int
    input: Spread
    output: Spread
    unsharp: Spread
    harmed: int
    """Pictures whose output has a lower SSIM than the input."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found: records in the order of the cases, and what couldn't be measured."""

    records: tuple[Record, ...]
    failures: tuple[Failure, ...] = ()

    def summaries(self) -> list[Summary]:
        """For each profile one over all its records, then one per category."""
        found = []
        for profile in dict.fromkeys(record.profile for record in self.records):
            records = [record for record in self.records if record.profile == profile]
            found.append(_summary(profile, "all", records))
            categories = sorted({record.category for record in records})
            if len(categories) > 1:
                found += [_summary(profile, c, [r for r in records if r.category == c]) for c in categories]
        return found


def evaluate(
    sharpen: Sharpen,
    cases: Sequence[Case],
    *,
    baseline: Sharpen | None = None,
    workers: int = 2,
    on_progress: Report | None = None,
) -> Evaluation:
    """Measure a function of a frame over many pairs.

    Each worker holds one pair at a time, so memory doesn't grow with the number of pairs.

    Args:
        sharpen: Takes and returns uint8 ``(height, width, 3)`` RGB; called from several threads.
        cases: The pairs, from :func:`clearcall.evaluation.cases.find_cases`.
        baseline: What to measure besides; FFmpeg's ``unsharp`` if None.
        workers: Threads.
        on_progress: Called with the number of pairs done and of all pairs.

    Returns:
        The records, and the pairs that couldn't be read or compared.

    Raises:
        InputError: Not one pair could be measured.
    """
    reference = baseline or unsharp()
    records, failures = measure_all(
        lambda case: _measure(case, sharpen, reference), cases, workers=workers, on_progress=on_progress
    )
    return Evaluation(tuple(records), tuple(failures))


def measure_all(
    measure: Callable[[Case], Measured],
    cases: Sequence[Case],
    *,
    workers: int = 2,
    on_progress: Report | None = None,
) -> tuple[list[Measured], list[Failure]]:
    """Measure each pair by a function of it; a pair that can't be measured doesn't stop the others.

    Args:
        measure: What to do with a pair; called from several threads.
        cases: The pairs.
        workers: Threads.
        on_progress: Called with the number of pairs done and of all pairs.

    Returns:
        The results in the order of the cases, and the pairs that couldn't be read or compared.

    Raises:
        InputError: Not one pair could be measured.
    """
    measured: dict[int, Measured] = {}
    failed: dict[int, Failure] = {}
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(measure, case): index for index, case in enumerate(cases)}
        try:
            for future in as_completed(futures):
                index = futures[future]
                try:
                    measured[index] = future.result()
                except ClearcallError as error:
                    failed[index] = Failure(cases[index].name, str(error))
                if on_progress:
                    on_progress(len(measured) + len(failed), len(cases))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    failures = [failed[index] for index in sorted(failed)]
    if not measured:
        first = f"; the first: {failures[0].reason}" if failures else ""
        raise InputError(f"Not one of {len(cases)} pairs could be measured{first}")
    return [measured[index] for index in sorted(measured)], failures


def _measure(case: Case, sharpen: Sharpen, baseline: Sharpen) -> Record:
    degraded, sharp = case.load()
    return Record(
        name=case.name,
        category=case.category,
        profile=case.profile,
        width=sharp.shape[1],
        height=sharp.shape[0],
        input=Score.of(degraded, sharp),
        output=Score.of(sharpen(degraded), sharp),
        unsharp=Score.of(baseline(degraded), sharp),
    )


def _summary(profile: str, category: str, records: Sequence[Record]) -> Summary:
    return Summary(
        profile=profile,
        category=category,
        count=len(records),
        input=Spread.of([record.input for record in records]),
        output=Spread.of([record.output for record in records]),
        unsharp=Spread.of([record.unsharp for record in records]),
        harmed=sum(record.gain < 0 for record in records),
    )
