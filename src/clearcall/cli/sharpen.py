"""``clearcall sharpen``: pictures, videos and folders in and out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from clearcall.cli.device import DeviceOption
from clearcall.cli.progress import Report, progress

if TYPE_CHECKING:
    from clearcall.runtime.batch import Job, Outcome, Plan

FAILED = 1
READER_GONE = 128 + signal.SIGPIPE
"""The exit status that shells give programs whose reader has ended."""


def sharpen(  # noqa: PLR0913, PLR0917 - each is an option of the command
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SRC", help="Pictures, videos or folders of them; - for a video on standard input."),
    ],
    target: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DST", help="A file, or a folder for several files; - for y4m on standard output."
        ),
    ],
    strength: Annotated[
        float,
        typer.Option(min=0.0, max=2.0, help="0 is the original, 1 the model's output, up to 2 exaggerated."),
    ] = 1.0,
    model: Annotated[str, typer.Option(help="A bundled model's name, or the path of a bundle.")] = "small",
    codec: Annotated[
        str | None,
        typer.Option(help="h264, h265, vp9, av1 or an FFmpeg encoder; by default what fits the container."),
    ] = None,
    crf: Annotated[float | None, typer.Option(help="Constant quality of videos: lower is better and larger.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="The encoder's speed against size, as in veryfast or slow (av1, vp9: a number).")
    ] = None,
    device: DeviceOption = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Sharpen pictures, videos and whole folders; sound, subtitles, times and metadata stay as they are."""
    import clearcall
    from clearcall.media.encoder import Encoding
    from clearcall.media.pipe import STANDARD
    from clearcall.runtime.batch import plan, sharpen_files

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    work = plan(sources, target)
    outcomes = []
    for outcome in sharpen_files(
        work,
        clearcall.load(model, device=device),
        strength=strength,
        encoding=Encoding(codec, crf, preset),
        force=force,
        watch=_watch,
    ):
        if outcome.error is not None and not work.makes_folders:
            raise outcome.error
        outcomes.append(outcome)
        typer.echo(describe(outcome), err=outcome.error is not None or target == STANDARD)
    if work.makes_folders:
        _summarise(work, outcomes)


@contextmanager
def _watch(job: Job) -> Iterator[Report]:
    """Show the progress; a reader of standard output that ends early is no error to speak of."""
    try:
        with progress(f"sharpening {escape(job.source.name)}") as report:
            yield report
    except BrokenPipeError:
        raise typer.Exit(READER_GONE) from None


def describe(outcome: Outcome) -> str:
    """Say in a line what became of a file.

    Args:
        outcome: Of one job.

    Returns:
        The line.
    """
    job, result = outcome.job, outcome.result
    if result is None:
        return f"{job.source}: failed: {outcome.error}"
    speed = f", {result.frames / result.seconds:.1f} frames/s" if result.frames > 1 else ""
    parts = [f"{job.source} -> {job.target}: {_count(result.frames, 'frame')}{speed}, {result.seconds:.1f} s"]
    if result.damaged:
        parts.append(f"{_count(result.damaged, 'damaged frame')} passed over")
    return "; ".join([*parts, *result.notes])


def _summarise(work: Plan, outcomes: list[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    ignored = f", {_count(work.ignored, 'file')} neither picture nor video" if work.ignored else ""
    typer.echo(f"{_count(len(outcomes) - len(failed), 'file')} sharpened, {len(failed)} failed{ignored}")
    for outcome in failed:
        typer.echo(f"  {outcome.job.source}: {outcome.error}", err=True)
    if failed:
        raise typer.Exit(FAILED)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
