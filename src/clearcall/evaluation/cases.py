"""What there is to measure: pairs of a degraded and a sharp frame, made or read one at a time."""

from __future__ import annotations

import csv
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearcall.data import Blur
from clearcall.data.layout import Pair, find_layout, is_picture, list_files, recording_of
from clearcall.degrade import Profile, degrade_picture, get_profile
from clearcall.errors import InputError
from clearcall.media.picture import read_frame

Frame = NDArray[np.uint8]

DEFAULT_PROFILE = "bicubic-x2"
ON_DISK = "pairs on disk"
MANIFEST = "MANIFEST.csv"
UNNAMED = "pictures"
"""The category of a picture whose name tells none."""


@dataclass(frozen=True)
class Case:
    """One pair, not yet read.

    Attributes:
        name: The sharp picture's path within the folder or split.
        category: What is shown, as in ``"people"``.
        sharp: The ground truth.
        degraded: What came in, as a file; None where ``link`` makes it.
        link: How it is degraded, where ``degraded`` is None.
        seed: For what is random in the degradation.
        sequence: The recording that a pair on disk is a frame of; empty for other pictures.
    """

    name: str
    category: str
    sharp: Path
    degraded: Path | None = None
    link: Profile | None = None
    seed: int = 0
    sequence: str = ""

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
        sharp = read_frame(self.sharp)
        if self.degraded is not None:
            return read_frame(self.degraded), sharp
        return (degrade_picture(sharp, self.link, self.seed) if self.link else sharp), sharp


def find_cases(folder: Path, profiles: Sequence[str] = (), seed: int = 0, blur: Blur = "blur") -> list[Case]:
    """List the pairs of a folder.

    A folder in the official or the flat GoPro layout (``clearcall.data.layout``) gives the pairs of its ``val``, else
    of its ``test``, else its own; any other folder gives its pictures, degraded by each of the profiles. The category
    is ``MANIFEST.csv``'s where there is one (in the folder or up to two above), else the sequence, which is the name
    of the sub-folder, else what stands before ``_`` and a number of three or more digits in the file's name.

    Args:
        folder: Sharp pictures (sub-folders too), or pairs.
        profiles: Names of profiles; none means ``bicubic-x2`` for sharp pictures.
        seed: For what is random in the degradation.
        blur: Which blurred pictures to take, where GoPro gives two.

    Returns:
        The pairs, profile by profile, sorted by name.

    Raises:
        InputError: The folder is missing, holds no picture or only pairs to train on, or a picture of a pair has no
            partner.
        RecipeError: A profile is unknown.
    """
    layout = find_layout(folder, blur)
    if layout.kind == "sharp":
        return _made(folder, [get_profile(name) for name in profiles or [DEFAULT_PROFILE]], seed)
    split = layout.first("val", "test", "")
    if split is None:
        raise InputError(f"{folder} holds only pairs to train on; to measure on them all the same, name its train/.")
    if profiles:
        raise InputError(
            f"{split.folder} holds pairs (blur/ and sharp/), which no profile degrades; leave --profile out, or name "
            "its folder sharp/ instead."
        )
    return _paired(split.folder, split.pairs())


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
    named = [
        (path.relative_to(folder).as_posix(), path) for path in list_files(folder) if path.suffix.lower() in suffixes
    ]
    return [(name, known.get(path.resolve()) or recording_of(name) or UNNAMED, path) for name, path in sorted(named)]


def _made(folder: Path, links: Sequence[Profile], seed: int) -> list[Case]:
    pictures = {path.relative_to(folder).as_posix(): path for path in list_files(folder) if is_picture(path)}
    if not pictures:
        raise InputError(f"The folder {folder} holds no picture; name one with sharp pictures, or with pairs.")
    known = _manifest(folder)
    return [
        Case(name, known.get(path.resolve()) or recording_of(name) or UNNAMED, path, link=link, seed=seed)
        for link in links
        for name, path in pictures.items()
    ]


def _paired(folder: Path, pairs: Sequence[Pair]) -> list[Case]:
    known = _manifest(folder)
    return [
        Case(
            pair.name,
            known.get(pair.sharp.resolve()) or recording_of(pair.name) or UNNAMED,
            pair.sharp,
            degraded=pair.degraded,
            sequence=pair.sequence,
        )
        for pair in pairs
    ]


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
