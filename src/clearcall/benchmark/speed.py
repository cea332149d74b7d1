"""Times work in turns, so that a busy moment of the computer hits all of it, and sets it beside the limits."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from clearcall.benchmark.gpu import SHIPS, GPUReport, bench_gpu, why_no_gpu
from clearcall.benchmark.limits import Limits, measure_limits
from clearcall.benchmark.start import measure_start
from clearcall.benchmark.work import Bar, Work, all_work
from clearcall.cpus import usable_cpus
from clearcall.errors import ClearcallError

_WARM_UP: Final = 5
_TURN: Final = 4
"""Frames in a row that are timed as one: a stream's gate measures every fourth, and must be counted."""
_FEATURES: Final = ("avx2", "avx_vnni", "avx512f", "avx512_vnni")
"""What decides how fast a CPU multiplies bytes, as Linux names it."""


@dataclass(frozen=True)
class Row:
    """How long some work takes for one frame, in milliseconds.

    Attributes:
        name: Of the work.
        median: Median.
        p5: 5th percentile.
        p95: 95th percentile.
        limit: The least time that this computer could take, by operations or bytes, whichever is more.
        share: The limit as a share of the median: 1 can't be beaten. 0 where nothing is counted.
        bar: What the median must not exceed, in words; empty if nothing.
        is_met: Whether it doesn't.
    """

    name: str
    median: float
    p5: float
    p95: float
    limit: float
    share: float
    bar: str = ""
    is_met: bool = True


@dataclass(frozen=True)
class SpeedReport:
    """All rows, and the computer they were measured on.

    Attributes:
        machine: CPU, cores and versions in a line.
        rounds: How often each row was timed.
        limits: For all threads, and for one.
        rows: The rows.
        start: Seconds from a program's start to its first frame, without and with a compiled graph in the cache.
        gpu: All that was timed on the GPU, if there is one.
        without_gpu: Why nothing was, in words.
    """

    machine: str
    rounds: int
    limits: Mapping[str, Limits]
    rows: Sequence[Row]
    start: Mapping[str, float]
    gpu: GPUReport | None = None
    without_gpu: str = ""

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def bench_speed(threads: int | None, rounds: int, on_progress: Callable[[int, int | None], None]) -> SpeedReport:
    """Time everything in turns.

    Args:
        threads: For the rows that aren't those of one core; None uses every core that this process may use.
        rounds: How often each row is timed, after a few times that don't count.
        on_progress: Called after each round.
    """
    count = threads or usable_cpus()
    work = all_work(count)
    times = interleave({row.name: row.run for row in work}, rounds, on_progress)
    limits = {number: measure_limits(number) for number in sorted({count, 1})}
    medians = {name: float(np.median(values)) for name, values in times.items()}
    rows = [_row(row, times[row.name], medians, limits[row.threads]) for row in work]
    cold, warm = measure_start("small")
    gpu, without_gpu = _on_gpu()
    return SpeedReport(
        machine=machine(count),
        rounds=rounds,
        limits={f"{number} threads": limit for number, limit in limits.items()},
        rows=[*rows, *_gpu_rows(gpu)],
        start={"cold": round(cold, 3), "warm": round(warm, 3)},
        gpu=gpu,
        without_gpu=without_gpu,
    )


def interleave(
    work: Mapping[str, Callable[[int], object]], rounds: int, on_progress: Callable[[int, int | None], None]
) -> dict[str, list[float]]:
    """Time a few frames of each piece of work in every round.

    Args:
        work: By name; each is given the number of the frame.
        rounds: How many rounds count.
        on_progress: Called after each round.

    Returns:
        Milliseconds a frame by name, one for each round.

    Example:
        >>> times = interleave({"nothing": lambda number: None}, 3, lambda done, total: None)
        >>> len(times["nothing"])
        3
    """
    times: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + _WARM_UP):
        for name, run in work.items():
            started = time.perf_counter()
            for frame in range(_TURN * number, _TURN * (number + 1)):
                run(frame)
            times[name].append((time.perf_counter() - started) * 1e3 / _TURN)
        on_progress(number + 1, rounds + _WARM_UP)
    return {name: values[_WARM_UP:] for name, values in times.items()}


def machine(threads: int) -> str:
    """CPU, cores, threads and versions in a line.

    Args:
        threads: That the work may use.
    """
    packages = ", ".join(f"{name} {version(name)}" for name in ("openvino", "av", "numpy"))
    cores = usable_cpus()
    flags = _cpu("flags").split()
    features = ", ".join(name for name in _FEATURES if name in flags)
    cpu = _cpu("model name") or platform.processor()
    python = platform.python_version()
    return f"{cpu} ({features or platform.machine()}), {cores} cores, {threads} threads; Python {python}, {packages}"


def _on_gpu() -> tuple[GPUReport | None, str]:
    """What the engine for GPUs does there, or why nothing was timed."""
    reason = why_no_gpu()
    if reason:
        return None, reason
    try:
        report = bench_gpu(variants=[SHIPS])
    except ClearcallError as error:
        return None, str(error)
    return report, report.failed.get(SHIPS, "")


def _gpu_rows(report: GPUReport | None) -> list[Row]:
    if report is None or SHIPS not in report.timings:
        return []
    found = report.timings[SHIPS]
    return [
        Row(
            name=f"clearcall {report.model}, RGB to RGB, on the GPU",
            median=round(found.median, 2),
            p5=round(found.p5, 2),
            p95=round(found.p95, 2),
            limit=round(report.limit, 2),
            share=found.share,
            bar=f"at most {report.bar:.1f} ms",
            is_met=found.is_met,
        )
    ]


def _cpu(field: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")


def _row(work: Work, times: Sequence[float], medians: Mapping[str, float], limits: Limits) -> Row:
    p5, median, p95 = (float(value) for value in np.percentile(times, (5, 50, 95)))
    limit = 1e3 * limits.seconds(work.operations, work.moved)
    words, is_met = _judge(work.bar, median, medians)
    return Row(
        name=work.name,
        median=round(median, 2),
        p5=round(p5, 2),
        p95=round(p95, 2),
        limit=round(limit, 2),
        share=round(limit / median, 3),
        bar=words,
        is_met=is_met,
    )


def _judge(bar: Bar | None, median: float, medians: Mapping[str, float]) -> tuple[str, bool]:
    if bar is None:
        return "", True
    if not bar.of:
        return f"at most {bar.factor:.1f} ms", median <= bar.factor
    return f"{median / medians[bar.of]:.2f} x {bar.of}, at most {bar.factor:g}", median <= bar.factor * medians[bar.of]
