"""Pictures and pairs on disk: which files belong together, and what is wrong with a folder before training starts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearcall.errors import InputError
from clearcall.media.picture import PICTURE_SUFFIXES, read_picture

FEWEST = 2


@dataclass(frozen=True)
class Pair:
    """One picture twice: ``degraded`` (GoPro calls it blur) and ``sharp``."""

    degraded: Path
    sharp: Path


def read_frame(path: Path) -> NDArray[np.uint8]:
    """Read a picture as uint8 HWC RGB; deeper ones are rounded to 8 bits."""
    pixels = read_picture(path).pixels
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels.astype(np.uint8, copy=False)


def list_pictures(folder: Path) -> list[Path]:
    """Every picture under a folder, sorted by path.

    Raises:
        InputError: The folder is missing, or holds fewer than two pictures.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; name one that holds sharp pictures.")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file())
    if len(found) < FEWEST:
        raise InputError(f"The folder {folder} holds {len(found)} pictures; at least {FEWEST} are needed to train.")
    return found


def list_pairs(split: Path) -> list[Pair]:
    """Match ``split/blur`` with ``split/sharp`` by file name (GoPro's flat layout).

    Args:
        split: A folder such as ``GOPRO/train``.

    Raises:
        InputError: A folder is missing, a file has no partner, or there are fewer than two pairs.
    """
    blur, sharp = (
        {path.relative_to(split / side): path for path in list_pictures(split / side)} for side in ("blur", "sharp")
    )
    alone = sorted(str(name) for name in blur.keys() ^ sharp.keys())
    if alone:
        more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
        raise InputError(
            f"In {split}, blur/ and sharp/ don't match: {', '.join(alone[:3])}{more} stand on one side only; "
            "add the missing partners or remove these files."
        )
    return [Pair(blur[name], sharp[name]) for name in sorted(blur)]


def read_pair(pair: Pair) -> NDArray[np.uint8]:
    """Read both pictures of a pair as (2, H, W, 3): degraded, then sharp.

    Raises:
        InputError: They differ in size.
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
    seen = {_digest(path): path for path in training}
    for path in validation:
        twin = seen.get(_digest(path))
        if twin is not None:
            raise InputError(f"{path} is also in the training set, as {twin}; remove it from one of them.")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
