"""The one owner of how pairs lie on disk: GoPro's official layout, the flat one, and plain folders.

| layout | files |
| --- | --- |
| official | ``{train,test}/SEQUENCE/{blur,blur_gamma,sharp}/NUMBER.png``, as the GOPRO_Large archive unpacks |
| flat | ``{train,val,test}/{blur,sharp}/...``, matched by path |
| sharp | pictures anywhere in the folder, or in ``train``, ``val`` and ``test`` |

A folder that is itself one split of the first two (``GOPRO_Large/test``, or one with ``blur`` and ``sharp``) is
read so, too. Hidden files are never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from clearcall.data import Blur
from clearcall.errors import InputError
from clearcall.media.picture import PICTURE_SUFFIXES, read_size

Kind = Literal["official", "flat", "sharp"]

SHARP: Final = "sharp"
SPLITS: Final = ("train", "val", "test")
_ARCHIVE: Final = "GOPRO_Large"
_SIDES: Final = ("blur", "blur_gamma", SHARP)
_NAMED: Final = 3


@dataclass(frozen=True)
class Pair:
    """One frame twice.

    Attributes:
        degraded: The blurred picture.
        sharp: The ground truth.
        name: Its path within the split, as in ``"GOPR0384_11_00/000001.png"``.
        sequence: The recording that it is a frame of; frames of one are never split.
    """

    degraded: Path
    sharp: Path
    name: str
    sequence: str


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        name: ``"train"``, ``"val"``, ``"test"``, or empty where the folder itself is the split.
        folder: Where it lies.
        degraded: Name -> blurred picture, sorted; empty for plain sharp pictures.
        sharp: Name -> sharp picture, sorted.
        strays: Files among them that are no pictures.
    """

    name: str
    folder: Path
    degraded: Mapping[str, Path]
    sharp: Mapping[str, Path]
    strays: tuple[Path, ...] = ()

    def matches(self) -> list[Pair]:
        """The pairs whose two pictures are there."""
        return [
            Pair(self.degraded[name], sharp, name, sequence_of(name))
            for name, sharp in self.sharp.items()
            if name in self.degraded
        ]

    def pairs(self) -> list[Pair]:
        """All pairs, or an error.

        Raises:
            InputError: A picture has no partner, or there is none at all.
        """
        alone = sorted(self.degraded.keys() ^ self.sharp.keys())
        if alone or not self.sharp:
            what = f"{_some(alone)} without a partner" if alone else "both are empty"
            raise InputError(
                f"In {self.folder}, the blurred and the sharp pictures don't match: {what}; add what is missing or "
                f"remove the rest (clearcall data check {self.folder} lists everything)."
            )
        return self.matches()


@dataclass(frozen=True)
class Layout:
    """What a folder holds.

    Attributes:
        kind: How the pictures lie.
        splits: At least one.
    """

    kind: Kind
    splits: tuple[Split, ...]

    def first(self, *names: str) -> Split | None:
        """The first of the named splits that is there."""
        found = {split.name: split for split in self.splits}
        return next((found[name] for name in names if name in found), None)


def find_layout(folder: Path, blur: Blur = "blur") -> Layout:
    """Recognise how a folder's pictures lie.

    Args:
        folder: The data set, the folder that holds its ``GOPRO_Large``, or one of its splits.
        blur: Which blurred pictures belong to the pairs.

    Returns:
        The layout; pictures are listed, not opened.

    Raises:
        InputError: The folder is missing.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; name one with pairs or with sharp pictures.")
    root = folder / _ARCHIVE if (folder / _ARCHIVE).is_dir() else folder
    named = [(name, root / name) for name in SPLITS if (root / name).is_dir()]
    places = [("", root), *named]
    sequences = {(name, place): _sequences(place) for name, place in named or places}
    if any(_has_blur(sequence) for found in sequences.values() for sequence in found):
        read = (_official(name, place, found, blur) for (name, place), found in sequences.items() if found)
        return Layout("official", tuple(read))
    if any(_has_blur(place) for _, place in places):
        return Layout("flat", tuple(_flat(name, place, blur) for name, place in places if _has_sides(place)))
    return Layout("sharp", _plain(root, places))


def check_sizes(pairs: Sequence[Pair]) -> None:
    """Compare the two sizes of every pair, from the files' headers alone.

    Args:
        pairs: Pairs that exist.

    Raises:
        InputError: The pictures of a pair differ in size, or one can't be read; the first is named, with how many
            more there are.
    """
    wrong = [
        (pair, sizes) for pair in pairs if len(set(sizes := (read_size(pair.degraded), read_size(pair.sharp)))) > 1
    ]
    if wrong:
        pair, sizes = wrong[0]
        more = f" ({len(wrong) - 1} more pairs differ, too)" if len(wrong) > 1 else ""
        raise InputError(
            f"{pair.degraded} and {pair.sharp} differ in size ({' and '.join(f'{w}x{h}' for w, h in sizes)}); "
            f"a pair must show the same frame{more}."
        )


def recording_of(name: str) -> str | None:
    """The recording that a file's name tells: its folder, else what stands before its number of three or more digits.

    Example:
        >>> recording_of("people_012.jpg"), recording_of("games/7.png"), recording_of("cat.png")
        ('people', 'games', None)
        >>> recording_of("GOPR0384_11_00_0203_avg08.png"), recording_of("000_00000003.png")
        ('GOPR0384_11_00', '000')
    """
    path = Path(name)
    if path.parent.name:
        return path.parent.as_posix()
    numbered = re.match(r"(.+?)[_-]\d{3,}", path.stem)
    return numbered[1] if numbered else None


def sequence_of(name: str) -> str:
    """The recording that a pair belongs to; a picture whose name tells none stands alone, numbers alone are one.

    Example:
        >>> sequence_of("GOPR0384_11_00/000001.png"), sequence_of("cat.png"), sequence_of("000017.png")
        ('GOPR0384_11_00', 'cat', 'frames')
    """
    stem = Path(name).stem
    if recording := recording_of(name):
        return recording
    numbered = re.fullmatch(r"(.*?)\d{3,}", stem)
    return stem if numbered is None else numbered[1] or "frames"


def list_files(folder: Path) -> list[Path]:
    """Every file below a folder that isn't hidden (nor in a hidden folder), sorted."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def is_picture(path: Path) -> bool:
    """Whether a file is named as a picture is."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def _has_sides(place: Path) -> bool:
    return any((place / side).is_dir() for side in _SIDES)


def _has_blur(place: Path) -> bool:
    return any((place / side).is_dir() for side in _SIDES if side != SHARP)


def _sequences(place: Path) -> list[Path]:
    """Folders of recordings in the official layout, sorted; none where the place itself is flat."""
    if _has_sides(place):
        return []
    return sorted(path for path in place.iterdir() if not path.name.startswith(".") and _has_sides(path))


def _flat(name: str, place: Path, blur: Blur) -> Split:
    return _split(name, place, *(_named(place / side, place / side) for side in (blur, SHARP)))


def _official(name: str, place: Path, sequences: Sequence[Path], blur: Blur) -> Split:
    sides: list[dict[str, Path]] = []
    for side in (blur, SHARP):
        found: dict[str, Path] = {}
        for sequence in sequences:
            found |= {f"{sequence.name}/{key}": path for key, path in _named(sequence / side, sequence / side).items()}
        sides.append(found)
    return _split(name, place, *sides)


def _plain(root: Path, places: Sequence[tuple[str, Path]]) -> tuple[Split, ...]:
    """The splits that hold pictures, else the folder itself."""
    splits = [_split(name, place, {}, _named(place, place)) for name, place in places if name]
    found = tuple(split for split in splits if split.sharp)
    return found or (_split("", root, {}, _named(root, root)),)


def _named(folder: Path, base: Path) -> dict[str, Path]:
    return {path.relative_to(base).as_posix(): path for path in list_files(folder)} if folder.is_dir() else {}


def _split(name: str, place: Path, degraded: Mapping[str, Path], sharp: Mapping[str, Path]) -> Split:
    strays = tuple(path for path in (*degraded.values(), *sharp.values()) if not is_picture(path))
    return Split(name, place, dict(_pictures(degraded)), dict(_pictures(sharp)), strays)


def _pictures(named: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    return ((name, path) for name, path in named.items() if is_picture(path))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more} {'stands' if len(names) == 1 else 'stand'}"
