"""``clearcall data``: look at a data set, and make pairs of blurred and sharp frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearcall.cli.progress import progress
from clearcall.data import Blur

if TYPE_CHECKING:
    from clearcall.data.check import Health

SOMETHING_WRONG = 1
_SHOWN = {
    "official": "the official GoPro layout",
    "flat": "the flat layout",
    "sharp": "plain sharp pictures, no pairs",
}

_OF_PAIRS = ("pairs", "sequence", "sequences")

data = typer.Typer(name="data", help="Check data sets, and make pairs to train deblurring on.", no_args_is_help=True)


@data.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="PATH", help="A data set, such as GOPRO_Large, or a part of it.")],
    blur: Annotated[Blur, typer.Option(help="Which blurred pictures to pair with the sharp ones.")] = "blur",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Count a data set's pairs and name every file that is missing, extra, unreadable, of another size or double."""
    from clearcall.data.check import check_data

    with progress(f"checking {folder}", "files") as report:
        health = check_data(folder, blur, on_progress=report)
    if as_json:
        typer.echo(json.dumps(health.as_json(), indent=1))
    else:
        _print(health)
    if health.findings:
        raise typer.Exit(SOMETHING_WRONG)


def _print(health: Health) -> None:
    typer.echo(f"{health.folder}: {_SHOWN[health.kind]}")
    unit, one, many = ("pictures", "category", "categories") if health.kind == "sharp" else _OF_PAIRS
    for split, sequences in health.counts.items():
        name = split or "(no split)"
        typer.echo(
            f"{name}: {sum(sequences.values())} {unit} in {len(sequences)} {one if len(sequences) == 1 else many}"
        )
        for sequence, count in sequences.items():
            typer.echo(f"  {sequence}: {count}")
    for kind, found in health.findings.items():
        typer.echo(f"{kind}: {len(found)}", err=True)
        for what in found:
            typer.echo(f"  {what}", err=True)
    if not health.findings:
        typer.echo("nothing is wrong")
