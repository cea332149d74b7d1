"""What there is to measure: pairs of a degraded and a sharp frame, made or read one at a time."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearcall.degrade import Profile, degrade_picture, get_profile
from clearcall.errors import InputError
from clearcall.frame import to_8_bit
from clearcall.media.picture import PICTURE_SUFFIXES, read_picture

Frame = NDArray[np.uint8]

DEFAULT_PROFILE = "bicubic-x2"
ON_DISK = "pairs on disk"
MANIFEST = "MANIFEST.csv"


@dataclass(frozen=True)
class Case:
    """One pair, not yet read.

    Attributes:
        name: The sharp picture's path within the folder.
        category: What is shown, as in ``"people"``.
        sharp: The ground truth.
        degraded: What came in, as a file; None where ``link`` makes it.
        link: How it is degraded, where ``degraded`` is None.
        seed: For what is random in the degradation.
    """

    name: str
    category: str
    sharp: Path
    degraded: Path | None = None
    link: Profile | None = None
    seed: int = 0

    @property
    def profile(self) -> str:
        """Name of the profile, or "pairs on disk"."""
        return self.link.name if self.link else ON_DISK

    def load(self) -> tuple[Frame, Frame]:
        """Read, and where needed make, the two frames.

        Returns:
            The degraded and the sharp frame, uint8 ``(height, width, 3)`` RGB.

        Raises:
            InputError: A file can't be read.
        """
        sharp = _read(self.sharp)
        if self.degraded is not None:
            return _read(self.degraded), sharp
        return (degrade_picture(sharp, self.link, self.seed) if self.link else sharp), sharp


def find_cases(folder: Path, profiles: Sequence[str] = (), seed: int = 0) -> list[Case]:
    """List the pairs of a folder.

    A folder in the GoPro layout (``val/blur`` and ``val/sharp``, or ``blur`` and ``sharp`` directly, matched by name)
    gives its own pairs; any other folder gives its pictures, degraded by each of the profiles. The category is
    ``MANIFEST.csv``'s where there is one (in the folder or up to two above), else the name of the sub-folder, else
    what stands before ``_`` and a number of three or more digits in the file's name.

    Args:
        folder: Sharp pictures (sub-folders too), or pairs.
        profiles: Names of profiles; none means ``bicubic-x2`` for sharp pictures.
        seed: For what is random in the degradation.

    Returns:
        The pairs, profile by profile, sorted by name.

    Raises:
        InputError: The folder is missing, holds no picture, or a picture of a pair has no partner.
        RecipeError: A profile is unknown.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to evaluate; name one with sharp pictures, or with pairs.")
    on_disk = next((place for place in (folder / "val", folder) if (place / "blur").is_dir()), None)
    if on_disk is None:
        return _made(folder, [get_profile(name) for name in profiles or [DEFAULT_PROFILE]], seed)
    if profiles:
        raise InputError(
            f"{on_disk} holds pairs (blur/ and sharp/), which no profile degrades; leave --profile out, or name its "
            "folder sharp/ instead."
        )
    return _paired(on_disk)


def find_sharp(folder: Path, suffixes: Set[str]) -> list[tuple[str, str, Path]]:
    """List files with their categories (as :func:`find_cases` has them), sub-folders too.

    Args:
        folder: Where they lie; must exist.
        suffixes: Of the files to list, in lower case.

    Returns:
        Path within the folder, category and file, sorted by name.

    Raises:
        InputError: The manifest can't be read.
    """
    known = _manifest(folder)
    return [
        (name, known.get(path.resolve()) or _category(name), path) for name, path in _files(folder, suffixes).items()
    ]


def _made(folder: Path, links: Sequence[Profile], seed: int) -> list[Case]:
    pictures = _pictures(folder)
    if not pictures:
        raise InputError(f"The folder {folder} holds no picture; name one with sharp pictures, or with pairs.")
    known = _manifest(folder)
    return [
        Case(name, known.get(path.resolve()) or _category(name), path, link=link, seed=seed)
        for link in links
        for name, path in pictures.items()
    ]


def _paired(folder: Path) -> list[Case]:
    blur, sharp = _pictures(folder / "blur"), _pictures(folder / "sharp")
    alone = sorted(blur.keys() ^ sharp.keys())
    if alone or not sharp:
        what = f"{alone[0]} (of {len(alone)}) stands on one side only" if alone else "both are empty"
        raise InputError(f"In {folder}, blur/ and sharp/ don't match: {what}; add the missing partners or remove it.")
    known = _manifest(folder)
    return [
        Case(name, known.get(path.resolve()) or _category(name), path, degraded=blur[name])
        for name, path in sharp.items()
    ]


def _pictures(folder: Path) -> dict[str, Path]:
    return _files(folder, PICTURE_SUFFIXES)


def _files(folder: Path, suffixes: Set[str]) -> dict[str, Path]:
    """Path within the folder -> file, sorted."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in sorted(found)}


def _category(name: str) -> str:
    """Name of the sub-folder, else what stands before the file's number.

    Example:
        >>> _category("people_012.jpg"), _category("games/7.png"), _category("GOPR0384_11_00_0203_avg08.png")
        ('people', 'games', 'GOPR0384_11_00')
    """
    path = Path(name)
    if path.parent.name:
        return path.parent.as_posix()
    numbered = re.match(r"(.+?)[_-]\d{3,}", path.stem)
    return numbered[1] if numbered else "pictures"


def _manifest(folder: Path) -> dict[Path, str]:
    """Resolved path -> category, from the manifest in the folder or a folder above it."""
    place = next((above for above in (folder, *folder.resolve().parents[:2]) if (above / MANIFEST).is_file()), None)
    if place is None:
        return {}
    try:
        with (place / MANIFEST).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{place / MANIFEST} can't be read as CSV ({error}); mend or remove it.") from error
    return {(place / row["path"]).resolve(): row["category"] for row in rows if row.get("path") and row.get("category")}


def _read(path: Path) -> Frame:
    return to_8_bit(read_picture(path).pixels)
