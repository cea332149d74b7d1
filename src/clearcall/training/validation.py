"""Fixed pairs that SSIM is tracked on while training, never trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearcall.degrade import degrade_picture, get_profile
from clearcall.evaluation.metrics import ssim
from clearcall.training.pairs import Pair, read_frame, read_pair

SIDE = 512
SIDES_MULTIPLE_OF = 4


class FixedPair(NamedTuple):
    """One validation pair: uint8 HWC RGB, and what the degraded one scores as it is."""

    name: str
    profile: str
    degraded: NDArray[np.uint8]
    sharp: NDArray[np.uint8]
    degraded_ssim: float


def _fixed_pair(name: str, profile: str, degraded: NDArray[np.uint8], sharp: NDArray[np.uint8]) -> FixedPair:
    return FixedPair(name, profile, degraded, sharp, ssim(degraded, sharp))


def _middle(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a frame, at most SIDE on a side, in sizes that every stride divides."""
    height, width = (min(length, SIDE) // SIDES_MULTIPLE_OF * SIDES_MULTIPLE_OF for length in frame.shape[:2])
    top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
    return frame[top : top + height, left : left + width].copy()


def degraded_pairs(pictures: Iterable[Path], profiles: Sequence[str], seed: int) -> list[FixedPair]:
    """The middle of each picture through each profile."""
    sharps = [(path.stem, _middle(read_frame(path))) for path in pictures]
    return [
        _fixed_pair(name, profile, degrade_picture(sharp, get_profile(profile), seed=seed), sharp)
        for profile in profiles
        for name, sharp in sharps
    ]


def stored_pairs(pairs: Iterable[Pair]) -> list[FixedPair]:
    """The middle of each pair on disk."""
    windows = ((pair, read_pair(pair)) for pair in pairs)
    return [_fixed_pair(_label(pair), "blur", _middle(window[0]), _middle(window[1])) for pair, window in windows]


def _label(pair: Pair) -> str:
    """The pair's name on one line: the stem alone is the same in every sequence of the official layout."""
    return pair.name.rpartition(".")[0].replace("/", "_")


def held_out(pictures: Sequence[Path], count: int) -> tuple[list[Path], list[Path]]:
    """Set ``count`` pictures apart, evenly over the sorted list, so that each category gives some.

    Returns:
        The pictures to train on and the ones held out; each side keeps at least one.

    Example:
        >>> train, val = held_out([Path(name) for name in "abcdef"], 2)
        >>> "".join(map(str, train)), "".join(map(str, val))
        ('acdf', 'be')
    """
    count = min(count, len(pictures) - 1)
    step = len(pictures) / count
    chosen = {int(step * (number + 0.5)) for number in range(count)}
    training = [picture for index, picture in enumerate(pictures) if index not in chosen]
    return training, [pictures[index] for index in sorted(chosen)]
