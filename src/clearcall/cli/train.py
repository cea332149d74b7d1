"""``clearcall train`` and ``clearcall export``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from clearcall.errors import RecipeError, require


def train(  # noqa: PLR0913, PLR0917 - each is an option of the command
    recipe: Annotated[
        str, typer.Argument(help="The recipe: a TOML file, or the name of one that ships, such as small or teacher.")
    ],
    data: Annotated[
        Path,
        typer.Option(help="Folder of sharp pictures, or of pairs (train/blur, train/sharp, val/blur, val/sharp)."),
    ],
    validation: Annotated[
        Path | None, typer.Option(help="Folder of sharp pictures to track SSIM on; else some are held out.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the run [runs/NAME].")] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="Start from this checkpoint, bundle, shipped model, or expert of one (small/far)."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run from its last checkpoint.")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="The teacher's weights, instead of the recipe's teacher.weights.")
    ] = None,
    vgg: Annotated[
        Path | None, typer.Option(help="VGG-19's weights, instead of the recipe's perceptual.weights.")
    ] = None,
    max_time: Annotated[
        str | None, typer.Option(metavar="HH:MM:SS", help="Stop after the step in which this is up; --resume goes on.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="HH:MM:SS", help="Train to the end in this time: the learning rate follows the clock."),
    ] = None,
    devices: Annotated[
        str, typer.Option(help="Processes or GPUs per machine: a number, or auto (what torchrun or SLURM says).")
    ] = "auto",
    nodes: Annotated[int, typer.Option(min=0, help="Machines; 0: what torchrun or SLURM says.")] = 0,
) -> None:
    """Train a student or a teacher by its recipe (needs the train extra)."""
    require("torch", extra="train")
    from clearcall.training.fit import RunOptions
    from clearcall.training.fit import train as run_training
    from clearcall.training.recipe import read_recipe, with_changes

    chosen = with_changes(read_recipe(recipe), epochs=epochs, seed=seed, teacher=teacher, vgg=vgg)
    run = output or Path("runs") / chosen.name
    options = RunOptions(
        resume,
        start,
        _seconds("--max-time", max_time),
        _seconds("--budget", budget),
        _devices(devices),
        nodes,
        bar=sys.stderr.isatty(),
    )
    outcome = run_training(chosen, data, run, validation=validation, options=options)
    if not outcome.is_finished:
        typer.echo(f"The time is up after step {outcome.step}; go on with the same command and --resume.")
    elif chosen.trains == "student":
        best = outcome.checkpoint
        typer.echo(f"The best checkpoint is {best}; make a bundle of it with: clearcall export {best} -o BUNDLE")
    else:
        typer.echo(f"The teacher is {run / 'teacher.safetensors'}; a student's recipe names it as teacher.weights.")


def _seconds(option: str, limit: str | None) -> float | None:
    if limit is None:
        return None
    if not re.fullmatch(r"\d{1,3}:[0-5]\d:[0-5]\d", limit):
        raise RecipeError(f"{option} {limit} is not a time; write it as HH:MM:SS, such as 00:09:00.")
    hours, minutes, seconds = map(int, limit.split(":"))
    return float(hours * 3600 + minutes * 60 + seconds)


def _devices(asked: str) -> str:
    if asked != "auto" and not re.fullmatch(r"[1-9]\d?", asked):
        raise RecipeError(f"--devices {asked} is neither a number from 1 to 99 nor auto.")
    return asked


def _expert(given: str) -> tuple[str, Path]:
    name, found, checkpoint = given.partition("=")
    if not (name and found and checkpoint):
        raise RecipeError(
            f"--expert {given} is not NAME=CHECKPOINT, such as resized=runs/r/checkpoints/best.safetensors."
        )
    return name, Path(checkpoint)


def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint, such as runs/small/checkpoints/best.safetensors; or a bundle or shipped model, "
            "of which all but the experts given is kept."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new bundle.")],
    calibration: Annotated[
        Path, typer.Option(help="Sharp pictures (or pairs, as trained on) that set the 8-bit ranges.")
    ],
    expert: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=CHECKPOINT", help="Weights for a kind of links, which a gate chooses; repeatable."),
    ] = None,
    teach_relays: Annotated[
        bool,
        typer.Option("--teach-relays", help="Teach a bundle's gate frames that were coded twice; else it stays."),
    ] = False,
    cameras: Annotated[
        Path | None,
        typer.Option("--cameras", metavar="DIR", help="Frames that cameras took, for which a taught gate stays, too."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there already.")] = False,
) -> None:
    """Export a checkpoint to a bundle, checked against the checkpoint (needs the train extra)."""
    require("torch", extra="train")
    from clearcall.bundle import CARD, bundle_path, read_bundle
    from clearcall.training.exchange import exchange_experts
    from clearcall.training.export import export_bundle

    pairs = [_expert(given) for given in expert or []]
    experts = dict(pairs)
    if len(experts) < len(pairs):
        raise RecipeError("An expert's name is given twice with --expert; give each a name of its own.")
    if cameras is not None and not teach_relays:
        raise RecipeError("--cameras says what a gate keeps while it is taught; give --teach-relays, too.")
    folder = bundle_path(checkpoint)
    if (folder / CARD).exists():
        base, bar = read_bundle(folder), sys.stderr.isatty()
        bundle = exchange_experts(
            base, output, calibration, experts, relays=teach_relays, cameras=cameras, force=force, bar=bar
        )
    elif teach_relays:
        raise RecipeError("--teach-relays is for a bundle: export the checkpoint first, then its bundle with it.")
    else:
        bundle = export_bundle(checkpoint, output, calibration, experts=experts, force=force, bar=sys.stderr.isatty())
    for name, score in bundle.card.scores.items():
        typer.echo(f"{name}: {score:.5f}")
    typer.echo(f"{output} is ready; use it with: clearcall sharpen SRC -o DST --model {output}")
