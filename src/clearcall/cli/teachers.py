"""``clearcall teachers``: the networks that can teach a student."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from clearcall.errors import require

if TYPE_CHECKING:
    from clearcall.training.teachers.listing import ListedTeacher


def teachers(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: a list of objects.")] = False,
) -> None:
    """List the teachers: size, cost, licence, where the authors publish weights, feature points (train extra)."""
    require("torch", extra="train")
    from clearcall.training.teachers.listing import TEACHERS

    if as_json:
        typer.echo(json.dumps([teacher.record() for teacher in TEACHERS], indent=2))
    else:
        _print(TEACHERS)


def _print(listed: tuple[ListedTeacher, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from clearcall.training.teachers.catalogue import NONCOMMERCIAL_EXTRA

    table = Table("teacher", box=None, header_style="bold", pad_edge=False)
    for column in ("parameters", "MACs at 256x256"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("licence")
    for teacher in listed:
        parameters, macs = f"{teacher.parameters / 1e6:.1f} M", f"{teacher.macs / 1e9:.1f} G"
        table.add_row(teacher.name, parameters, macs, teacher.licence)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for teacher in listed:
        console.print(f"\n[bold]{teacher.name}[/bold]: code and weights of the authors at {teacher.source}")
        console.print(f"feature points: {', '.join(teacher.points)}")
    console.print(
        "\nrestormer and mprnet need an extra, whose code and weights the authors license for non-commercial use only: "
        f"pip install 'clearcall[{NONCOMMERCIAL_EXTRA}]'\n"
        'architecture = "spandrel" takes any other restoration or super-resolution network that spandrel knows.',
        markup=False,
    )
