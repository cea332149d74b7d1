"""``clearcall demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearcall.cli.progress import progress

if TYPE_CHECKING:
    from clearcall.demo import Demonstration


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the clips, the picture and the page.")] = (
        Path("clearcall-demo")
    ),
    model: Annotated[str, typer.Option(help="Name of a bundled model, or path of a bundle.")] = "small",
    profile: Annotated[
        str | None, typer.Option(help="The thin link [H.264 at 960x540, 400 kbit/s]; see: clearcall degrade --list")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=60, help="Length of the call.")] = 4.0,
    height: Annotated[int, typer.Option(min=90, max=1080, help="Lines of the call.")] = 1080,
    force: Annotated[bool, typer.Option("--force", help="Replace results in an existing folder.")] = False,
) -> None:
    """Draw a call, send it over a thin link, sharpen it, measure every frame; needs no file and no network."""
    from clearcall import load
    from clearcall.degrade import get_profile
    from clearcall.demo import LINK, demonstrate
    from clearcall.media.folder import check_folder

    check_folder(output, force)
    link = get_profile(profile) if profile else LINK
    shown = demonstrate(output, load(model), link=link, height=height, seconds=seconds, force=force, progress=progress)
    _print(shown)
    typer.echo(f"Look at {output / 'report.html'} and {output / 'side-by-side.mp4'}")


def _print(shown: Demonstration) -> None:
    from rich.console import Console
    from rich.table import Table

    from clearcall.evaluation.metrics import PROTOCOL

    table = Table(
        box=None, pad_edge=False, title=f"{shown.model}, {shown.link}", title_justify="left", title_style="bold"
    )
    table.add_column("")
    for column in ("received", "sharpened", "gain"):
        table.add_column(column, justify="right")
    for name, measure, digits in (("SSIM", "ssim", 4), ("PSNR, dB", "psnr", 2)):
        before, after = shown.mean(f"{measure}_before"), shown.mean(f"{measure}_after")
        table.add_row(name, f"{before:.{digits}f}", f"{after:.{digits}f}", f"{after - before:+.{digits}f}")
    console = Console(highlight=False)
    console.print()
    console.print(table)
    console.print(
        f"Means of all {len(shown.scores)} frames; no frame gains less than {shown.worst_gain:+.4f} SSIM.\n{PROTOCOL}.",
        style="dim",
    )
    console.print(
        f"Speed at {shown.width}x{shown.height} on {shown.device}: {shown.sharpen_fps:.1f} frames/s sharpening alone, "
        f"{shown.file_fps:.1f} from file to file."
    )
