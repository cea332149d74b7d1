"""``clearcall train`` and ``clearcall export``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from clearcall.errors import RecipeError, require


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file such as recipes/small.toml.")],
    data: Annotated[
        Path,
        typer.Option(help="Folder of sharp pictures, or of pairs (train/blur, train/sharp, val/blur, val/sharp)."),
    ],
    validation: Annotated[
        Path | None, typer.Option(help="Folder of sharp pictures to track SSIM on; else some are held out.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the run [runs/NAME].")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run from its last checkpoint.")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    max_time: Annotated[
        str | None, typer.Option(metavar="HH:MM:SS", help="Stop after the epoch in which this is up; --resume goes on.")
    ] = None,
) -> None:
    """Train a student by its recipe (needs the train extra)."""
    require("lightning.pytorch", extra="train")
    from clearcall.training.fit import train_student
    from clearcall.training.recipe import read_recipe

    chosen = read_recipe(recipe)
    if epochs is not None:
        chosen = chosen.model_copy(update={"training": chosen.training.model_copy(update={"epochs": epochs})})
    best = train_student(
        chosen,
        data,
        output or Path("runs") / chosen.name,
        validation=validation,
        resume=resume,
        max_time=_days_and_hours(max_time),
        bar=sys.stderr.isatty(),
    )
    typer.echo(f"The best checkpoint is {best}; make a bundle of it with: clearcall export {best} -o BUNDLE")


def _days_and_hours(limit: str | None) -> str | None:
    """``HH:MM:SS`` with the days that Lightning wants in front."""
    if limit is None:
        return None
    if not re.fullmatch(r"\d{1,3}:[0-5]\d:[0-5]\d", limit):
        raise RecipeError(f"--max-time {limit} is not a time; write it as HH:MM:SS, such as 00:09:00.")
    hours, rest = limit.split(":", 1)
    return f"{int(hours) // 24:02}:{int(hours) % 24:02}:{rest}"


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, such as runs/small/checkpoints/best.ckpt.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new bundle.")],
    calibration: Annotated[Path, typer.Option(help="Folder of sharp pictures that set the 8-bit ranges.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there already.")] = False,
) -> None:
    """Export a checkpoint to a bundle, checked against the checkpoint (needs the train extra)."""
    require("torch", extra="train")
    from clearcall.training.export import export_bundle

    bundle = export_bundle(checkpoint, output, calibration, force=force)
    for name, score in bundle.card.scores.items():
        typer.echo(f"{name}: {score:.5f}")
    typer.echo(f"{output} is ready; use it with: clearcall sharpen SRC -o DST --model {output}")
