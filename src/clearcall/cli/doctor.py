"""``clearcall doctor``: what works on this machine, what is missing, and how to get it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clearcall.doctor import Finding

_STYLES = {"works": "green", "missing": "yellow", "broken": "red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: a list of objects.")] = False,
) -> None:
    """Say what works on this machine, what is missing, and how to get it.

    The exit status is 0 as long as frames can be sharpened at all.
    """
    from clearcall.doctor import State, examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    if any(finding.is_core and finding.state is not State.WORKS for finding in findings):
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table("door", "state", "seen", box=None, header_style="bold", pad_edge=False)
    for finding in findings:
        table.add_row(finding.door, Text(finding.state, style=_STYLES[finding.state]), Text(finding.seen))
    console.print(table)
    for finding in findings:
        if finding.remedy:
            console.print(f"\n{finding.door}: {finding.remedy}", markup=False, soft_wrap=True)
