"""``clearcall evaluate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearcall.cli.progress import progress

if TYPE_CHECKING:
    from clearcall.evaluation.cases import Frame
    from clearcall.evaluation.evaluate import Evaluation

SOME_FAILED = 1


def evaluate(
    folder: Annotated[
        Path, typer.Argument(help="Sharp pictures, or pairs (blur/ and sharp/, also under val/, matched by name).")
    ],
    model: Annotated[str, typer.Option(help="Name of a bundled model, or path of a bundle.")] = "small",
    profile: Annotated[
        list[str] | None,
        typer.Option(help="How sharp pictures are degraded; may be repeated. See: clearcall degrade --list"),
    ] = None,
    strength: Annotated[float, typer.Option(min=0, max=2, help="0: original, 1: the model's output.")] = 1.0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for results.json, results.csv and results.html.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results in an existing folder.")] = False,
) -> None:
    """Measure a model: SSIM and PSNR per picture, category and overall, against the input and FFmpeg's unsharp."""
    from clearcall import load
    from clearcall.evaluation.cases import find_cases
    from clearcall.evaluation.evaluate import evaluate as run
    from clearcall.evaluation.results import write_results
    from clearcall.media.folder import atomic_folder, check_folder

    if output is not None:
        check_folder(output, force)
    cases = find_cases(folder, profile or [])
    sharpener = load(model)

    def sharpen(frame: Frame) -> Frame:
        return sharpener.sharpen(frame, strength)

    with progress(f"measuring {folder}", "pictures") as report:
        evaluation = run(sharpen, cases, workers=os.cpu_count() or 1, on_progress=report)
    if output is not None:
        with atomic_folder(output, force) as unfinished:
            write_results(unfinished, evaluation, cases, sharpen, sharpener.name)
    _print(evaluation, sharpener.name)
    if output is not None:
        typer.echo(f"The results are in {output}; look at {output / 'results.html'}")
    if evaluation.failures:
        raise typer.Exit(SOME_FAILED)


def _print(evaluation: Evaluation, model: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from clearcall.evaluation.filters import unsharp
    from clearcall.evaluation.metrics import PROTOCOL
    from clearcall.evaluation.results import SUMMARY_COLUMNS, summary_row

    console = Console()
    summaries = evaluation.summaries()
    for name in dict.fromkeys(summary.profile for summary in summaries):
        table = Table(
            title=f"{model}, {name}",
            title_justify="left",
            title_style="bold",
            box=None,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for index, column in enumerate(SUMMARY_COLUMNS[:-1]):
            table.add_column(column, justify="right" if index else "left", no_wrap=index > 0)
        for summary in summaries:
            if summary.profile == name:
                table.add_row(*summary_row(summary)[:-1], style="bold" if summary.category == "all" else "")
        console.print(table)
    console.print(f"{PROTOCOL}. Baseline: {unsharp()!r}.", style="dim", highlight=False)
    for failure in evaluation.failures:
        typer.echo(f"not measured: {failure.name}: {failure.reason}", err=True)
