"""The ``clearcall`` program: its commands, and how errors reach the user."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from clearcall import __version__
from clearcall.cli.bench import bench
from clearcall.cli.data import data
from clearcall.cli.degrade import degrade
from clearcall.cli.demo import demo
from clearcall.cli.doctor import doctor
from clearcall.cli.evaluate import evaluate
from clearcall.cli.live import live
from clearcall.cli.serve import serve
from clearcall.cli.sharpen import sharpen
from clearcall.cli.teachers import teachers
from clearcall.cli.train import export, train
from clearcall.errors import ClearcallError

INTERRUPTED = 130
"""The exit status that Typer gives a command that Ctrl-C ends."""

app = typer.Typer(
    name="clearcall",
    help="Makes video calls over thin links sharp again.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"clearcall {__version__}")
        raise typer.Exit


@app.callback()
def clearcall(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Makes video calls over thin links sharp again."""


app.command()(sharpen)
app.command()(serve)
app.command()(degrade)
app.command()(evaluate)
app.command()(demo)
app.add_typer(data)
app.command()(train)
app.command()(export)
app.command()(teachers)
app.command()(live)
app.command()(doctor)
app.add_typer(bench)


def main() -> None:
    """Run the command line; errors raised on purpose become one sentence and an exit status."""
    try:
        app()
    except ClearcallError as error:
        typer.echo(f"clearcall: {error}", err=True)
        sys.exit(error.exit_status)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo("clearcall: interrupted; nothing unfinished was left at the output's name", err=True)
        raise
