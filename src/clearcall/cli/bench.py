"""``clearcall bench``: how fast and how good, beside the baselines, on this computer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearcall.cli.progress import progress

if TYPE_CHECKING:
    from clearcall.benchmark.speed import SpeedReport

bench = typer.Typer(
    name="bench", help="Measure clearcall beside its baselines, on this computer.", no_args_is_help=True
)


@bench.callback()
def _bench() -> None:
    """Measure clearcall beside its baselines, on this computer."""


@bench.command()
def speed(
    rounds: Annotated[int, typer.Option(min=1, help="How often each row is timed.")] = 40,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads for one frame. [one for each core]")] = None,
    output: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures to this file, too.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Time 1920x1080 frames: clearcall and FFmpeg's filters in turns, beside what the CPU could do at best."""
    from clearcall.benchmark.speed import bench_speed
    from clearcall.media.atomic import atomic_output, check_output

    if output is not None:
        check_output(output, force)
    with progress("timing", "rounds") as report:
        result = bench_speed(threads, rounds, report)
    _print_speed(result)
    if output is not None:
        with atomic_output(output, force) as unfinished:
            unfinished.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")


def _print_speed(report: SpeedReport) -> None:
    typer.echo(report.machine)
    for threads, limits in report.limits.items():
        peak = f"{limits.int8 / 1e9:.0f} G operations/s in 8 bits, {limits.float32 / 1e9:.0f} in float32"
        typer.echo(f"measured peaks, {threads}: {peak}; copying {limits.copied / 1e9:.1f} GB/s")
    typer.echo(f"{'1920x1080, ms a frame':56} {'median':>7} {'5 %':>7} {'95 %':>7} {'limit':>7} {'share':>6}  bar")
    for row in report.rows:
        figures = f"{row.median:7.2f} {row.p5:7.2f} {row.p95:7.2f} {row.limit:7.2f} {row.share:6.2f}"
        verdict = f"{row.bar}: {'met' if row.is_met else 'MISSED'}" if row.bar else ""
        typer.echo(f"{row.name:56} {figures}  {verdict}")
    start = f"{report.start['cold']:.2f} s; with the graph compiled before {report.start['warm']:.2f} s"
    typer.echo(f"from the start of a program to its first frame: {start} (at most 1 and 0.3)")
