"""Windows to train on: a degraded and a sharp picture of the same place, from disk or degraded on the fly.

A degraded window is determined by the seed and its number, so it can be made on the fly, made again, or kept in
a cache on disk.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clearcall.degrade import Profile, degrade_pair, degrade_picture, get_profile
from clearcall.degrade.sampling import DEFAULT_MIX, TrainingMix, random_profile, random_relay, random_truth
from clearcall.training.pairs import Pair, read_frame, read_pair

Window = NDArray[np.uint8]
"""(2, H, W, 3): the degraded and the sharp picture of the same place.

With the frame before (4, H, W, 3): its two pictures follow.
"""

CACHE_VERSION = 1
PLACES_TRIED = 3
_TRUTH, _RELAY = 1, 2
"""Tell the chances that draw truths and second links from the one that draws places and links."""


class WindowSource(Protocol):
    """Numbered windows to cut squares from."""

    def __len__(self) -> int: ...

    def window(self, item: int) -> Window:
        """Window ``item``, read-only."""
        ...


@dataclass(frozen=True)
class PairedWindows:
    """Whole pairs from disk, each given ``repeats`` times per epoch.

    Attributes:
        pairs: Where the pictures are.
        repeats: How often an epoch gives each pair.
        cache: Folder for pairs already decoded, or None.
    """

    pairs: Sequence[Pair]
    repeats: int = 1
    cache: Path | None = None

    def __len__(self) -> int:
        return len(self.pairs) * self.repeats

    def window(self, item: int) -> Window:
        """Both pictures of pair ``item``, from the cache or read now (and kept there)."""
        pair = self.pairs[item % len(self.pairs)]
        if self.cache is None:
            return read_pair(pair)
        stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in (pair.degraded, pair.sharp)]
        return _kept(self.cache, (pair.name, *stats), lambda: read_pair(pair))


@dataclass(frozen=True)
class DegradedWindows:
    """Windows of sharp pictures, degraded on the fly.

    Attributes:
        pictures: Sharp pictures.
        variants: Windows per picture.
        size: Side of a window in pixels; a smaller picture gives all it has.
        degradation: ``random`` or a profile's name.
        seed: Seed of places and degradations.
        cache: Folder for windows already made, or None.
        mix: What ``random`` draws from, and how soft truths are and what is relayed, behind a named link, too.
        before: Whether a window holds the frame before, too.
    """

    pictures: Sequence[Path]
    variants: int
    size: int
    degradation: str
    seed: int
    cache: Path | None = None
    mix: TrainingMix = DEFAULT_MIX
    before: bool = False

    def __len__(self) -> int:
        return len(self.pictures) * self.variants

    def picture(self, item: int) -> Path:
        """The picture that window ``item`` is cut from."""
        return self.pictures[item % len(self.pictures)]

    def window(self, item: int) -> Window:
        """Window ``item``, from the cache or made now (and kept there)."""
        return self._make(item) if self.cache is None else _kept(self.cache, self._key(item), lambda: self._make(item))

    def _key(self, item: int) -> tuple[object, ...]:
        picture = self.picture(item)
        link = repr(self.mix if self.degradation == "random" else get_profile(self.degradation))
        if self.degradation != "random" and self.mix.soft:
            link += repr((self.mix.soft, self.mix.focus, self.mix.shake))
        if self.degradation != "random" and self.mix.relayed:
            link += repr((self.mix.relayed, self.mix.relay_codecs, self.mix.relay_qualities))
        before = ("before",) if self.before else ()
        return (picture.name, picture.stat().st_size, self.size, link, self.seed, item, *before)

    def _make(self, item: int) -> Window:
        rng = np.random.default_rng((self.seed, item))
        sharp = self._truth(_detailed_part(read_frame(self.picture(item)), self.size, rng), item)
        profile, seed = self._profile(rng), int(rng.integers(2**31))
        relay = random_relay(np.random.default_rng((self.seed, item, _RELAY)), self.mix)
        if self.before:
            return np.stack([side for frame in degrade_pair(sharp, profile, seed, relay=relay) for side in frame])
        return np.stack([degrade_picture(sharp, profile, seed, relay=relay), sharp])

    def _truth(self, sharp: NDArray[np.uint8], item: int) -> NDArray[np.uint8]:
        """By a chance of its own: a mix with soft truths draws the same places and links as one without."""
        rng = np.random.default_rng((self.seed, item, _TRUTH))
        return random_truth(sharp, rng, self.mix)

    def _profile(self, rng: np.random.Generator) -> Profile:
        return random_profile(rng, self.mix) if self.degradation == "random" else get_profile(self.degradation)


def _kept(cache: Path, key: tuple[object, ...], make: Callable[[], Window]) -> Window:
    """The window that the cache holds for a key; made and kept there if there is none."""
    name = hashlib.sha256(repr((CACHE_VERSION, *key)).encode()).hexdigest()[:24]
    path = cache / f"{name}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        with unfinished.open("wb") as file:
            np.save(file, make())
        unfinished.replace(path)
    window: Window = np.load(path, mmap_mode="r")
    return window


def _detailed_part(frame: NDArray[np.uint8], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cut the most detailed of a few random places out of a frame."""
    places = [random_place(frame.shape[0], frame.shape[1], size, rng) for _ in range(PLACES_TRIED)]
    parts = [frame[place] for place in places]
    return np.ascontiguousarray(max(parts, key=detail))


def random_place(height: int, width: int, size: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A random square of a frame, or all of a side that is shorter than the square's."""
    top = int(rng.integers(max(height - size, 0) + 1))
    left = int(rng.integers(max(width - size, 0) + 1))
    return slice(top, top + size), slice(left, left + size)


def detail(part: NDArray[np.uint8]) -> float:
    """How much there is to see: the mean absolute difference of neighbouring green pixels, at half resolution.

    Example:
        >>> detail(np.zeros((8, 8, 3), np.uint8))
        0.0
    """
    green = part[::2, ::2, 1].astype(np.int16)
    return float(np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean())
