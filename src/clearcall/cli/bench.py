"""``clearcall bench``: how fast and how good, beside the baselines, on this computer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearcall.cli.progress import progress
from clearcall.errors import RecipeError

if TYPE_CHECKING:
    from rich.table import Table

    from clearcall.benchmark.speed import SpeedReport
    from clearcall.evaluation.quality.files import Outcome
    from clearcall.evaluation.quality.measure import Setup
    from clearcall.evaluation.quality.methods import Candidate

SOME_FAILED = 1

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
    """Time 1920x1080 frames: clearcall and FFmpeg's filters in turns, beside what the CPU could do at best.

    Where PyTorch has a GPU, the model large in half precision is timed there, too.
    """
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
    if report.gpu is not None:
        half, copied = report.gpu.limits.half / 1e12, report.gpu.limits.copied / 1e9
        peak = f"{half:.1f} T operations/s in half precision; copying {copied:.0f} GB/s"
        typer.echo(f"measured peaks, {report.gpu.machine}: {peak}")
    typer.echo(f"{'1920x1080, ms a frame':56} {'median':>7} {'5 %':>7} {'95 %':>7} {'limit':>7} {'share':>6}  bar")
    for row in report.rows:
        figures = f"{row.median:7.2f} {row.p5:7.2f} {row.p95:7.2f} {row.limit:7.2f} {row.share:6.2f}"
        verdict = f"{row.bar}: {'met' if row.is_met else 'MISSED'}" if row.bar else ""
        typer.echo(f"{row.name:56} {figures}  {verdict}")
    if report.without_gpu:
        typer.echo(f"nothing was timed on a GPU: {report.without_gpu}")
    start = f"{report.start['cold']:.2f} s; with the graph compiled before {report.start['warm']:.2f} s"
    typer.echo(f"from the start of a program to its first frame: {start} (at most 1 and 0.3)")


@bench.command()
def quality(  # noqa: PLR0913, PLR0917 - the options of a command
    folder: Annotated[
        Path | None, typer.Argument(help="Sharp pictures and clips, sub-folders too.", show_default=False)
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Name of a bundled model, or path of a bundle; may be repeated. [small]")
    ] = None,
    teacher: Annotated[Path | None, typer.Option(help="Weights of a teacher (needs the train extra).")] = None,
    profile: Annotated[
        list[str] | None, typer.Option(help="Only this link; may be repeated. [the whole conference ladder]")
    ] = None,
    teacher_profile: Annotated[
        list[str] | None, typer.Option(help="Measure the teacher behind this link only; may be repeated. [all]")
    ] = None,
    self_ensemble: Annotated[
        bool, typer.Option("--self-ensemble", help="Measure the teacher also as the mean over eight views of a frame.")
    ] = False,
    float32: Annotated[
        bool, typer.Option("--float32", help="Measure what 8 bits cost the models, behind three links.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many files of each category, evenly chosen. [all]")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; goes on in it.")] = Path(
        "clearcall-quality"
    ),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. [one for each core]")] = None,
    reuse: Annotated[
        Path | None, typer.Option(help="Folder of an earlier run: only models with other weights are measured.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="A.json B.json", help="Compare two results instead.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Start anew in a folder that holds something.")] = False,
) -> None:
    """Send pictures and clips through a ladder of links and measure models beside what else there is."""
    if compare is not None:
        _compare(*compare)
        return
    if folder is None:
        raise RecipeError("Name a folder with sharp pictures or clips, or two results with --compare.")
    from clearcall.degrade import LADDER, get_profile
    from clearcall.evaluation.quality.bench import bench as run

    links = [get_profile(name) for name in dict.fromkeys(profile or LADDER)]
    only = frozenset(get_profile(name).name for name in teacher_profile or ())
    others = _others(model or ["small"], teacher, only, self_ensemble=self_ensemble, float32=float32)
    setup, left_out = _setup(model or ["small"], others)
    setup = replace(setup, limit=limit)
    with progress(f"measuring {folder}", "pairs") as report:
        outcome = run(
            folder,
            links,
            setup,
            output,
            left_out=left_out,
            workers=workers,
            reuse=reuse,
            force=force,
            on_progress=report,
        )
    _print(outcome)
    typer.echo(f"The results are in {output}; look at {output / 'results.html'}")
    if outcome.findings.failures:
        raise typer.Exit(SOME_FAILED)


def _others(
    models: list[str], teacher: Path | None, only: frozenset[str], *, self_ensemble: bool, float32: bool
) -> list[Candidate]:
    """What is shown beside the models."""
    from clearcall.cli.candidates import float_candidates, teacher_candidates

    if teacher is None and (self_ensemble or only):
        raise RecipeError("--self-ensemble and --teacher-profile are about a teacher; name its weights with --teacher.")
    teachers = [] if teacher is None else teacher_candidates(teacher, only, in_views=self_ensemble)
    return [*(float_candidates(models) if float32 else ()), *teachers]


def _setup(models: list[str], others: list[Candidate]) -> tuple[Setup, dict[str, str]]:
    """What to measure, and what can't be measured here and why."""
    from clearcall.cli.candidates import bundle_candidates, lpips_or_why_not
    from clearcall.evaluation.quality.measure import Setup
    from clearcall.evaluation.vmaf import find_ffmpeg

    ffmpeg, lpips = find_ffmpeg(), lpips_or_why_not()
    left_out = {"LPIPS": lpips} if isinstance(lpips, str) else {}
    if ffmpeg is None:
        left_out["VMAF"] = "no FFmpeg here has libvmaf; pip install 'clearcall[vmaf]' brings one"
    candidates = (*bundle_candidates(models), *others)
    return Setup(candidates, ffmpeg, None if isinstance(lpips, str) else lpips), left_out


def _print(outcome: Outcome) -> None:
    from rich.console import Console

    from clearcall.evaluation.quality.summary import ALL

    overall = [summary for summary in outcome.summaries if summary.category == ALL]
    methods = list(dict.fromkeys(name for summary in overall for name in summary.spreads))
    table = _table(f"SSIM, {outcome.counted}", "link", *methods, *(f"gain of {name}" for name in outcome.models))
    for summary in overall:
        means = (f"{summary.spreads[name].mean.ssim:.4f}" if name in summary.spreads else "-" for name in methods)
        gains = (f"{summary.gains[name].ssim.mean:+.4f}" for name in outcome.models)
        table.add_row(summary.profile, *means, *gains)
    console = Console(highlight=False)
    console.print(table)
    for measure, by_codec in outcome.saved.items():
        if ALL in by_codec:
            cells = (f"{name} {found.percent:+.1f} %" for name, found in by_codec[ALL].items() if found)
            console.print(f"BD-rate, {measure.upper()}, mean of all codecs: {', '.join(cells)}")
    bars = _table(f"What it has to show, {outcome.counted}", "figure", "model", "bar", "measured", "")
    for bar in outcome.bars:
        bars.add_row(bar.figure, bar.model, bar.asked, bar.found, bar.verdict)
    console.print(bars)
    for what, why in outcome.left_out.items():
        console.print(f"{what} is left out: {why}", style="dim")
    for failure in outcome.findings.failures:
        typer.echo(f"not measured: {failure.name}: {failure.reason}", err=True)


def _compare(first: Path, second: Path) -> None:
    from rich.console import Console

    from clearcall.evaluation.interval import PROTOCOL
    from clearcall.evaluation.quality.compare import compare

    console = Console(highlight=False)
    for measure in ("ssim", "vmaf"):
        found = compare(first, second, measure)
        title = f"{measure.upper()}: {found.before} ({first}) -> {found.after} ({second})"
        table = _table(title, "link", "count", "before", "after", "change", "95 %", "")
        digits = 4 if measure == "ssim" else 2
        for row in found.differences:
            change = row.change
            table.add_row(
                row.profile,
                str(row.count),
                f"{row.before:.{digits}f}",
                f"{row.after:.{digits}f}",
                f"{change.mean:+.{digits}f}",
                f"{change.low:+.{digits}f} to {change.high:+.{digits}f}",
                ("better" if change.mean > 0 else "worse") if change.is_clear else "",
            )
        if found.differences:
            console.print(table)
    console.print(f"{PROTOCOL}.", style="dim")
    if found.inputs_differ:
        typer.echo(f"The inputs differ in {', '.join(found.inputs_differ)}: compare runs of one version.", err=True)


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table
