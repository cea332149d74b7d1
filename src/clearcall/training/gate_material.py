"""What gates are fitted on: windows of the links that experts were trained for, and large frames of calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from clearcall.degrade import LADDER
from clearcall.degrade.sampling import DEFAULT_MIX, TrainingMix
from clearcall.training.gating import Material
from clearcall.training.recipe import DataConfig
from clearcall.training.windows import DegradedWindows

GATE_VARIANTS = 1
GATE_SIDE = 384
GATE_SEED = 40_000
GATE_LARGE = 34
"""Of each link of the ladder about so many large pictures are tried,"""
GATE_FRAME = 1080
"""... squares of this side where they are that large;"""
LARGE_SIDE = 700
"""a picture is large from this shorter side on,"""
LARGE_WEIGHT = 3.0
"""and counts as much as so many windows: it is what calls look like."""
GATE_SOFT = 2
"""One large picture in so many is tried once more,"""
SOFT_TRUTHS = TrainingMix(soft=1.0)
"""... softened as cameras do it, lest the gate take what was soft from the start for what a link has softened;"""
SOFT_WEIGHT = 1.0
"""it counts for less: what can't be told apart costs sharp frames what soft ones gain."""
GATE_RELAYED = 3
"""One large picture in so many teaches a gate what a link left when it was coded once more,"""
RELAYED = TrainingMix(relayed=1.0)
RELAYED_WINDOWS = TrainingMix(clean=0.1, resized=0.2, relayed=1.0)
RELAYED_SEED = GATE_SEED + 92
"""... and so does a window of each picture, behind links like these."""
CAMERAS_BEHIND = ("360p", "540p", "clean")
"""Frames that cameras took are softer than pictures made smaller: behind these links they are easily mistaken."""


def gate_material(experts: Sequence[DataConfig], pictures: Sequence[Path]) -> list[Material]:
    """All that a gate is fitted on: windows as in the training of each expert, and large frames.

    Args:
        experts: What each was trained on, that for all links first.
        pictures: Sharp pictures.
    """
    windows = [_windows(data.degradation, data.mix, number, pictures) for number, data in enumerate(experts)]
    return [*windows, *_large_frames(pictures)]


def known_material(pictures: Sequence[Path], cameras: Sequence[Path] = ()) -> list[Material]:
    """What every gate knows: windows of all links, large frames behind those of the ladder, and frames of cameras."""
    behind = [link for link in LADDER if any(each in link for each in CAMERAS_BEHIND)]
    taken = [Material(_behind(link, cameras, DEFAULT_MIX)) for link in behind]
    large = _large_frames(pictures, every_clean=True)
    return _some([_windows("random", DEFAULT_MIX, 0, pictures), *large, *taken])


def relayed_material(pictures: Sequence[Path]) -> list[Material]:
    """Windows and large frames that were coded twice, the second time nearly without loss."""
    windows = DegradedWindows(pictures, GATE_VARIANTS, GATE_SIDE, "random", RELAYED_SEED, mix=RELAYED_WINDOWS)
    large = [_behind(link, some[1::GATE_RELAYED], RELAYED) for link, some in _shown(pictures)]
    return _some([Material(source) for source in (windows, *large)])


def _windows(degradation: str, mix: TrainingMix, number: int, pictures: Sequence[Path]) -> Material:
    return Material(DegradedWindows(pictures, GATE_VARIANTS, GATE_SIDE, degradation, GATE_SEED + number, mix=mix))


def _large_frames(pictures: Sequence[Path], *, every_clean: bool = False) -> list[Material]:
    """Large parts of large pictures behind each link of the ladder, sharp and softened.

    A gate must tell clean ones from those that were coded twice and well, so ``every_clean`` has all of them.
    """
    material = []
    for link, some in _shown(pictures):
        sharp = _large(pictures) if every_clean and link == "clean" else some
        material.append(Material(_behind(link, sharp, DEFAULT_MIX), LARGE_WEIGHT))
        material.append(Material(_behind(link, some[::GATE_SOFT], SOFT_TRUTHS), SOFT_WEIGHT))
    return _some(material)


def _shown(pictures: Sequence[Path]) -> list[tuple[str, Sequence[Path]]]:
    """Which large pictures are shown behind which link."""
    large = _large(pictures)
    step = max(len(large) // GATE_LARGE, 1)
    return [(link, large[number % step :: step]) for number, link in enumerate(LADDER)]


def _large(pictures: Sequence[Path]) -> list[Path]:
    return [picture for picture in pictures if min(_size(picture)) >= LARGE_SIDE]


def _size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size


def _behind(link: str, pictures: Sequence[Path], mix: TrainingMix) -> DegradedWindows:
    return DegradedWindows(pictures, 1, GATE_FRAME, link, GATE_SEED, mix=mix)


def _some(material: Sequence[Material]) -> list[Material]:
    return [each for each in material if len(each.source)]
