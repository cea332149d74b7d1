"""What a training may be given: enough pictures, pairs that match, and nothing to validate on that is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clearcall.data import Blur
from clearcall.data.layout import Pair, Split, check_sizes, find_layout, is_picture, list_files
from clearcall.data.overlap import find_twins
from clearcall.errors import InputError
from clearcall.media.picture import read_frame

__all__ = [
    "Pair",
    "check_no_overlap",
    "hold_out_sequences",
    "list_pairs",
    "list_pictures",
    "read_frame",
    "read_pair",
    "split_pairs",
]

FEWEST = 2
Item = TypeVar("Item")


def list_pictures(folder: Path) -> list[Path]:
    """Every picture under a folder, sorted by path; hidden files are left out.

    Raises:
        InputError: The folder is missing, or holds fewer than two pictures.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; name one that holds sharp pictures.")
    found = [path for path in list_files(folder) if is_picture(path)]
    if len(found) < FEWEST:
        raise InputError(f"The folder {folder} holds {len(found)} pictures; at least {FEWEST} are needed to train.")
    return found


def list_pairs(folder: Path, blur: Blur = "blur") -> list[Pair]:
    """The pairs of one split, such as ``GOPRO/train``, in the official or the flat layout.

    Args:
        folder: The split.
        blur: Which blurred pictures to take.

    Raises:
        InputError: The folder is missing, holds no pairs or fewer than two, a picture has no partner, or the two of
            a pair differ in size (told by their headers).
    """
    layout = find_layout(folder, blur)
    split = layout.first("")
    if layout.kind == "sharp" or split is None:
        raise InputError(f"{folder} holds no pairs; it needs {blur}/ and sharp/, itself or in a folder per sequence.")
    return _checked(split)


def split_pairs(data: Path, held_out: int, blur: Blur = "blur") -> tuple[list[Pair], list[Pair]]:
    """The pairs to train on and those to watch while training.

    Where there is no ``val``, whole sequences of ``train`` are held out; ``test`` is never looked at.

    Args:
        data: A data set in the official or the flat layout, or only its training split.
        held_out: Pairs to watch, where there is no ``val``; see :func:`hold_out_sequences`.
        blur: Which blurred pictures to take.

    Raises:
        InputError: There are no pairs to train on or fewer than two, a picture has no partner, the two of a pair
            differ in size, a watched picture is also trained on, or there is one sequence only.
    """
    layout = find_layout(data, blur)
    train, val = layout.first("train", ""), layout.first("val")
    if layout.kind == "sharp" or train is None:
        raise InputError(
            f"{data} holds no pairs to train on; it needs train/{blur} and train/sharp, or a folder per sequence with "
            f"{blur}/ and sharp/ in train/."
        )
    pairs = _checked(train)
    kept, watched = hold_out_sequences(pairs, held_out, data) if val is None else (pairs, _checked(val))
    check_no_overlap([pair.sharp for pair in kept], [pair.sharp for pair in watched])
    return kept, watched


def hold_out_sequences(pairs: Sequence[Pair], count: int, data: Path) -> tuple[list[Pair], list[Pair]]:
    """Set whole sequences apart, evenly over their sorted names, until they hold ``count`` pairs.

    At most half of the sequences are set apart. Of their pairs ``count`` are watched, evenly over all; the others
    are left out altogether.

    Args:
        pairs: All pairs.
        count: How many to watch.
        data: The folder they are from, for the error.

    Returns:
        The pairs to train on and those to watch.

    Raises:
        InputError: All pairs are of one sequence.

    Example:
        >>> pairs = [Pair(Path(f"{s}/{n}"), Path(), f"{s}/{n}", s) for s in "abcd" for n in range(3)]
        >>> train, watched = hold_out_sequences(pairs, 2, Path())
        >>> sorted({pair.sequence for pair in train}), [pair.name for pair in watched]
        (['a', 'b', 'd'], ['c/0', 'c/2'])
    """
    sizes = Counter(pair.sequence for pair in pairs)
    names = sorted(sizes)
    if len(names) < FEWEST:
        raise InputError(
            f"All pairs of {data} are of one sequence ({names[0]}), so none can be held out to validate on; add a "
            "val/ folder with pairs of another sequence."
        )
    number = 1
    while sum(sizes[name] for name in _evenly(names, number)) < count and number < len(names) // 2:
        number += 1
    apart = set(_evenly(names, number))
    held = [pair for pair in pairs if pair.sequence in apart]
    return [pair for pair in pairs if pair.sequence not in apart], _evenly(held, min(count, len(held)))


def _evenly(items: Sequence[Item], count: int) -> list[Item]:
    step = len(items) / count
    return [items[int(step * (number + 0.5))] for number in range(count)]


def _checked(split: Split) -> list[Pair]:
    pairs = split.pairs()
    if len(pairs) < FEWEST:
        raise InputError(f"{split.folder} holds {len(pairs)} pair; at least {FEWEST} are needed to train.")
    check_sizes(pairs)
    return pairs


def read_pair(pair: Pair) -> NDArray[np.uint8]:
    """Read both pictures of a pair as (2, H, W, 3): degraded, then sharp.

    Raises:
        InputError: A file can't be read, or they differ in size.
    """
    degraded, sharp = read_frame(pair.degraded), read_frame(pair.sharp)
    if degraded.shape != sharp.shape:
        sizes = " and ".join(f"{frame.shape[1]}x{frame.shape[0]}" for frame in (degraded, sharp))
        raise InputError(f"{pair.degraded} and {pair.sharp} differ in size ({sizes}); a pair must show the same frame.")
    return np.stack([degraded, sharp])


def check_no_overlap(training: Sequence[Path], validation: Sequence[Path]) -> None:
    """Refuse a validation set that holds a training picture, told by content.

    Raises:
        InputError: Two files are the same, byte for byte.
    """
    for twin, path in find_twins(training, validation):
        raise InputError(f"{path} is also in the training set, as {twin}; remove it from one of them.")
