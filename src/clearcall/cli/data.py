"""``clearcall data``: look at a data set, and make pairs of blurred and sharp frames."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearcall.cli.progress import progress
from clearcall.data import Blur
from clearcall.errors import RecipeError

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


@data.command()
def blur(
    sources: Annotated[
        list[Path], typer.Argument(metavar="SRC...", help="Videos of 120 frames/s or more, or folders of frames.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for blur/ and sharp/.")],
    frames: Annotated[str, typer.Option(help="Frames to average, as 7-15 (drawn for each pair) or 11.")] = "7-15",
    stride: Annotated[
        int | None, typer.Option(min=1, help="Frames from one pair to the next [as many as were averaged].")
    ] = None,
    gamma: Annotated[
        float, typer.Option(min=0.1, max=10, help="Of the camera; 2.2: linear light, 1: average the 8-bit values.")
    ] = 2.2,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pairs.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Make pairs anew that are there already.")] = False,
) -> None:
    """Make pairs as GoPro's were made: the average of consecutive frames, and the middle one."""
    from clearcall.degrade.recording import blur_recording

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    counts = _counts(frames)
    for source in sources:
        with progress(f"blurring {source.name}") as report:
            done = blur_recording(
                source, output, counts=counts, stride=stride, gamma=gamma, seed=seed, force=force, on_progress=report
            )
        kept = f", {done.kept} were there already" if done.kept else ""
        typer.echo("; ".join([f"{source} -> {output}: {done.made} pairs made{kept}", *done.notes]))


@data.command()
def shake(
    pictures: Annotated[Path, typer.Argument(metavar="PICTURES", help="Folder of sharp pictures.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for blur/ and sharp/.")],
    copies: Annotated[int, typer.Option(min=1, max=1000, help="Pairs per picture.")] = 4,
    size: Annotated[int, typer.Option(min=16, help="Side of a pair's square in pixels.")] = 384,
    lengths: Annotated[str, typer.Option(help="Way of the camera in pixels, as 2-24 (drawn for each pair).")] = "2-24",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pairs.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Make all pairs anew.")] = False,
) -> None:
    """Make pairs from stills: each is blurred as by a camera held by hand, where high-speed video is scarce."""
    from clearcall.degrade.stills import Shake, shake_stills

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    how = Shake(copies=copies, size=size, lengths=_lengths(lengths), seed=seed)
    with progress(f"shaking {pictures}", "pairs") as report:
        done = shake_stills(pictures, output, how, force=force, on_progress=report)
    said = [f"{pictures} -> {output}: {done.made} pairs made"]
    said += [f"{done.kept} were there already"] * bool(done.kept)
    said += [f"{done.small} pictures passed over, too small for such movements"] * bool(done.small)
    typer.echo(", ".join(said))


def _lengths(text: str) -> tuple[float, float]:
    """Read ``2-24`` or ``8``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?", text)
    if found is None:
        raise RecipeError(f"--lengths {text} is neither a number nor a range; write it as 2-24 or as 8.")
    return float(found[1]), float(found[2] or found[1])


def _counts(frames: str) -> tuple[int, int]:
    """Read ``7-15`` or ``11``."""
    found = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", frames)
    if found is None:
        raise RecipeError(f"--frames {frames} is neither a number nor a range; write it as 7-15 or as 11.")
    return int(found[1]), int(found[2] or found[1])
