"""A folder of still pictures becomes pairs of blurred and sharp squares, as if the camera had been held by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from clearcall.data.layout import is_picture, list_files
from clearcall.degrade.exposure import GAMMA, HAND_SHAKE, KERNEL_REACH, expose_still
from clearcall.degrade.recording import SIDES, Report, make_sides, write_pair
from clearcall.errors import InputError, OutputError
from clearcall.frame import Frame
from clearcall.media.atomic import atomic_output
from clearcall.media.picture import read_frame

NOTE = "shake.json"


@dataclass(frozen=True)
class Shake:
    """How stills are blurred.

    Attributes:
        copies: Pairs per picture, each of another place and movement.
        size: Side of a pair's square in pixels; a smaller picture gives all it has.
        lengths: Shortest and longest way of the camera during the exposure, in pixels.
        gamma: Of the camera response.
        seed: Of places and movements.
    """

    copies: int = 4
    size: int = 384
    lengths: tuple[float, float] = HAND_SHAKE
    gamma: float = GAMMA
    seed: int = 0


@dataclass
class Shaken:
    """What became of the pictures.

    Attributes:
        made: Pairs written.
        kept: Pairs that were there already.
        small: Pictures too small for so long a way, passed over.
    """

    made: int = 0
    kept: int = 0
    small: int = 0


def shake_stills(
    pictures: Path, folder: Path, shake: Shake | None = None, *, force: bool = False, on_progress: Report | None = None
) -> Shaken:
    """Write ``blur/`` and ``sharp/`` pairs of a folder's pictures, in GoPro's flat layout.

    The pairs are named ``PICTURE_shakeNNN.png``. Each file appears whole or not at all; what an interrupted call has
    written is kept by the next one with the same options, which are noted in ``shake.json``.

    Args:
        pictures: Folder of sharp pictures, sub-folders included.
        folder: Where to; it and its two sub-folders are made.
        shake: How.
        force: Make all pairs anew.
        on_progress: Called after each pair.

    Raises:
        InputError: There are no pictures, or one can't be read.
        OutputError: The folder can't be written, or holds pairs made with other options.
        RecipeError: The lengths make no sense.
    """
    shake, done = shake or Shake(), Shaken()
    paths = [path for path in list_files(pictures) if is_picture(path)]
    if not paths:
        raise InputError(f"{pictures} holds no pictures; name a folder of sharp ones.")
    _prepare(folder, shake, force)
    for number, path in enumerate(paths):
        names = [f"{_stem(path, pictures)}_shake{copy:03}.png" for copy in range(shake.copies)]
        missing = [copy for copy, name in enumerate(names) if force or not _is_there(folder, name)]
        done.kept += len(names) - len(missing)
        picture = read_frame(path) if missing else None
        for copy in missing:
            pair = _shaken(picture, shake, np.random.default_rng((shake.seed, number, copy)))  # type: ignore[arg-type]
            if pair is None:
                done.small += 1
                break
            write_pair(*pair, folder, names[copy])
            done.made += 1
        if on_progress is not None:
            on_progress((number + 1) * shake.copies, len(paths) * shake.copies)
    return done


def _stem(path: Path, pictures: Path) -> str:
    return "-".join(path.relative_to(pictures).with_suffix("").parts)


def _is_there(folder: Path, name: str) -> bool:
    return all((folder / side / name).is_file() for side in SIDES)


def _shaken(picture: Frame, shake: Shake, rng: np.random.Generator) -> tuple[Frame, Frame] | None:
    """The blurred and the sharp square of one place, or None if the picture is too small."""
    margin = int(np.ceil(shake.lengths[1])) + KERNEL_REACH
    side = shake.size + 2 * margin
    height, width = picture.shape[:2]
    if min(height, width) <= 2 * margin:
        return None
    top, left = (int(rng.integers(max(length - side, 0) + 1)) for length in (height, width))
    part = np.ascontiguousarray(picture[top : top + side, left : left + side])
    return expose_still(part, rng, shake.lengths, shake.gamma)


def _settings(shake: Shake) -> dict[str, object]:
    """What all pairs of a folder share; more copies may be added later."""
    return {key: value for key, value in asdict(shake).items() if key != "copies"}


def _prepare(folder: Path, shake: Shake, force: bool) -> None:
    """Make the folders, and see to it that all their pairs are made with the same options."""
    make_sides(folder)
    note, text = folder / NOTE, json.dumps(_settings(shake)) + "\n"
    if not force and note.exists() and note.read_text("utf-8", errors="replace") != text:
        raise OutputError(
            f"{folder} holds pairs that were made with other options; add --force to make them anew, or choose "
            "another folder with -o."
        )
    with atomic_output(note, force=True) as unfinished:
        unfinished.write_text(text, "utf-8")
