"""``clearcall degrade``: what a thin link does to pictures and videos."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearcall.cli.progress import progress
from clearcall.errors import ClearcallError, OutputError

if TYPE_CHECKING:
    from clearcall.degrade import Profile
    from clearcall.degrade.files import Sent
    from clearcall.runtime.batch import Job, Plan


def _print_profiles(value: bool) -> None:
    if not value:
        return
    from rich.console import Console
    from rich.table import Table

    from clearcall.degrade.profiles import table

    columns = ("profile", "sent as", "codec", "rate control", "frames/s", "kernels: down, up")
    listing = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in table():
        listing.add_row(*row)
    Console(soft_wrap=True).print(listing)
    raise typer.Exit


def degrade(
    sources: Annotated[list[Path], typer.Argument(metavar="SRC...", help="Pictures, videos or folders of them.")],
    target: Annotated[
        Path, typer.Option("--output", "-o", metavar="DST", help="A file, or a folder for several files.")
    ],
    profile: Annotated[str, typer.Option(help="The link, by its name (see --list).")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    as_sent: Annotated[
        bool, typer.Option("--as-sent", help="Leave frames at the size in which they are sent.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    _list: Annotated[
        bool, typer.Option("--list", callback=_print_profiles, is_eager=True, help="Show the profiles and exit.")
    ] = False,
) -> None:
    """Show what a thin link does: send pictures and videos through a real codec."""
    from clearcall.degrade import get_profile
    from clearcall.runtime.batch import plan

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    link = get_profile(profile)
    work = plan(sources, target)
    failures: list[str] = []
    for job in work.jobs:
        try:
            typer.echo(_degrade(job, link, seed, as_sent, force, work.makes_folders))
        except ClearcallError as error:
            if not work.makes_folders:
                raise
            failures.append(f"{job.source}: {error}")
            typer.echo(f"{job.source}: failed: {error}", err=True)
    if work.makes_folders:
        _summarise(work, failures)


def _degrade(job: Job, link: Profile, seed: int, as_sent: bool, force: bool, makes_folders: bool) -> str:
    from clearcall.degrade.files import degrade_file

    if makes_folders:
        _make_folder(job.target.parent)
    with progress(f"degrading {job.source.name}") as report:
        sent = degrade_file(job.source, job.target, link, seed=seed, as_sent=as_sent, force=force, on_progress=report)
    return f"{job.source} -> {job.target}: {_describe(sent)}"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} can't be created ({error.strerror}).") from error


def _describe(sent: Sent) -> str:
    frames = "1 frame" if sent.frames == 1 else f"{sent.frames} frames"
    rate = f" at {float(sent.rate):.4g} frames/s" if sent.kbps or sent.frames > 1 else ""
    kbps = f", {sent.kbps:.0f} kbit/s" if sent.kbps else ""
    return "; ".join([f"{frames}, sent as {sent.width}x{sent.height}{rate}{kbps}", *sent.notes])


def _summarise(work: Plan, failures: list[str]) -> None:
    ignored = f", {work.ignored} neither picture nor video" if work.ignored else ""
    typer.echo(f"{len(work.jobs) - len(failures)} files degraded, {len(failures)} failed{ignored}")
    for failure in failures:
        typer.echo(f"  {failure}", err=True)
    if failures:
        raise typer.Exit(1)
