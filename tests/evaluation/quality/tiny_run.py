"""A tiny benchmark, run once: two pictures, a clip and a broken file through links of two kinds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from clearcall.degrade import Profile
from clearcall.evaluation.filters import unsharp
from clearcall.evaluation.quality.files import Outcome
from clearcall.evaluation.quality.measure import Record, Score
from clearcall.evaluation.quality.methods import Candidate
from clearcall.media.video import VideoSink

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:180, 120:320])
COFFEE = np.ascontiguousarray(data.coffee()[100:280, 200:400])
LINKS = (
    Profile(name="bicubic-x2", scale=2.0, up="bilinear"),
    Profile(name="half", codec="h264", scale=2.0, crf=28, picture_frames=2),
    Profile(name="clean"),
)


def sharper():
    """What the runs here take for a model."""
    return unsharp(0.6)


MODEL = Candidate("<model>", sharper, "0.6")


@dataclass(frozen=True)
class Ran:
    outcome: Outcome
    folder: Path
    results: Path


def save_sources(folder: Path) -> Path:
    Image.fromarray(ASTRONAUT).save(folder / "people_001.png")
    Image.fromarray(COFFEE).save(folder / "things_001.png")
    (folder / "broken_001.png").write_bytes(b"no picture")
    with VideoSink(folder / "people_002.mp4", width=200, height=180, rate=Fraction(25), crf=12) as sink:
        for shift in range(3):
            sink.write(np.roll(ASTRONAUT, shift, axis=1))
    return folder


def made_up(links: Sequence[Profile], share: float = 0.8, names: Sequence[str] = ("a_001", "b_001")) -> list[Record]:
    """Records of a ladder whose model `m` needs a given share of the bits."""

    def score(rate: float) -> Score:
        ssim = 0.5 + 0.06 * math.log(rate)
        return Score(ssim, ssim, 30 + rate / 1e3, 30, ssim, ssim, vmaf=100 * ssim)

    return [
        Record(name, name[0], link.name, 320, 180, 1, rate, {}, {"input": score(rate), "m": score(rate / share)})
        for link in links
        for index, name in enumerate(names)
        for rate in [(link.bitrate_kbps or 100) * (1 + index / 10)]
    ]
