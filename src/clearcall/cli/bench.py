"""``clearcall bench``: how fast and how good, beside the baselines, on this computer."""

from __future__ import annotations

import typer

bench = typer.Typer(
    name="bench", help="Measure clearcall beside its baselines, on this computer.", no_args_is_help=True
)


@bench.callback()
def _bench() -> None:
    """Measure clearcall beside its baselines, on this computer."""
