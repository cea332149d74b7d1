"""``clearcall evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clearcall.cli.device import DeviceOption
from clearcall.cli.progress import progress
from clearcall.cpus import usable_cpus
from clearcall.data import Blur
from clearcall.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from clearcall.evaluation.cases import Case, Frame
    from clearcall.evaluation.evaluate import Evaluation, Failure, Sharpen

SOME_FAILED = 1


def evaluate(  # noqa: PLR0913, PLR0917 - each is an option of the command
    folder: Annotated[Path, typer.Argument(help="Sharp pictures, or pairs in the official or the flat GoPro layout.")],
    model: Annotated[str, typer.Option(help="Name of a bundled model, or path of a bundle.")] = "small",
    device: DeviceOption = "auto",
    profile: Annotated[
        list[str] | None,
        typer.Option(help="How sharp pictures are degraded; may be repeated. See: clearcall degrade --list"),
    ] = None,
    benchmark: Annotated[
        Literal["conference", "gopro"],
        typer.Option(help="conference: against FFmpeg's unsharp; gopro: the table that papers on deblurring give."),
    ] = "conference",
    blur: Annotated[Blur, typer.Option(help="Which of GoPro's blurred pictures to take.")] = "blur",
    strength: Annotated[float, typer.Option(min=0, max=2, help="0: original, 1: the model's output.")] = 1.0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for results.json, results.csv and results.html.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results in an existing folder.")] = False,
) -> None:
    """Measure a model: SSIM and PSNR per picture, category and overall, of its input and its output."""
    from clearcall import load
    from clearcall.evaluation.cases import find_cases
    from clearcall.media.folder import check_folder

    if output is not None:
        check_folder(output, force)
    cases = find_cases(folder, profile or [], blur=blur)
    if benchmark == "gopro" and cases[0].degraded is None:
        raise InputError(f"{folder} holds no pairs of blurred and sharp pictures, which --benchmark gopro measures.")
    sharpener = load(model, device=device)

    def sharpen(frame: Frame) -> Frame:
        return sharpener.sharpen(frame, strength)

    run = _gopro if benchmark == "gopro" else _conference
    failures = run(cases, sharpen, sharpener.name, folder, output, force)
    if output is not None:
        typer.echo(f"The results are in {output}; look at {output / 'results.html'}")
    for failure in failures:
        typer.echo(f"not measured: {failure.name}: {failure.reason}", err=True)
    if failures:
        raise typer.Exit(SOME_FAILED)


def _conference(
    cases: Sequence[Case], sharpen: Sharpen, model: str, folder: Path, output: Path | None, force: bool
) -> Sequence[Failure]:
    from clearcall.evaluation.evaluate import evaluate as run
    from clearcall.evaluation.results import write_results
    from clearcall.media.folder import atomic_folder

    with progress(f"measuring {folder}", "pictures") as report:
        evaluation = run(sharpen, cases, workers=usable_cpus(), on_progress=report)
    if output is not None:
        with atomic_folder(output, force) as unfinished:
            write_results(unfinished, evaluation, cases, sharpen, model)
    _print(evaluation, model)
    return evaluation.failures


def _gopro(
    cases: Sequence[Case], sharpen: Sharpen, model: str, folder: Path, output: Path | None, force: bool
) -> Sequence[Failure]:
    from rich.console import Console

    from clearcall.evaluation.gopro import COLUMNS, PROTOCOLS, paper_table, row, write_paper_table
    from clearcall.media.folder import atomic_folder

    with progress(f"measuring {folder}", "pairs") as report:
        found = paper_table(sharpen, cases, workers=usable_cpus(), on_progress=report)
    if output is not None:
        with atomic_folder(output, force) as unfinished:
            write_paper_table(unfinished, found, cases, sharpen, model)
    table = _table(f"{model} on GoPro, input → output", COLUMNS)
    for number, part in enumerate(found.rows()):
        table.add_row(*row(part), style="" if number else "bold")
    console = Console()
    console.print(table)
    for name, protocol in PROTOCOLS.items():
        console.print(f"{name}: {protocol}.", style="dim", highlight=False)
    return found.failures


def _print(evaluation: Evaluation, model: str) -> None:
    from rich.console import Console

    from clearcall.evaluation.filters import unsharp
    from clearcall.evaluation.metrics import PROTOCOL
    from clearcall.evaluation.results import SUMMARY_COLUMNS, summary_row

    console = Console()
    summaries = evaluation.summaries()
    for name in dict.fromkeys(summary.profile for summary in summaries):
        table = _table(f"{model}, {name}", SUMMARY_COLUMNS[:-1])
        for summary in summaries:
            if summary.profile == name:
                table.add_row(*summary_row(summary)[:-1], style="bold" if summary.category == "all" else "")
        console.print(table)
    console.print(f"{PROTOCOL}. Baseline: {unsharp()!r}.", style="dim", highlight=False)


def _table(title: str, columns: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=index > 0, overflow="fold")
    return table
