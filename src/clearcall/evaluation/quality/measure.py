"""Measures all methods on one source behind its links."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Self

from clearcall.degrade import Profile
from clearcall.evaluation.flicker import Flicker
from clearcall.evaluation.metrics import psnr, psnr_y, ssim
from clearcall.evaluation.multiscale import structure
from clearcall.evaluation.quality.methods import (
    BICUBIC,
    INPUT,
    Candidate,
    OfMoment,
    Strengths,
    baselines,
    grid,
    of_shown,
)
from clearcall.evaluation.quality.sources import Moment, Sent, Source, send
from clearcall.evaluation.vmaf import VmafMeter
from clearcall.frame import Frame

Distance = Callable[[Frame, Frame], float]
_TUNED_FRAMES = 2


@dataclass(frozen=True)
class Score:
    """How near one method comes to the truth on one source; means over the frames of a clip.

    SSIM, PSNR and MS-SSIM: ``clearcall.evaluation.metrics`` and ``multiscale``; None: not measured (no libvmaf, no
    weights of LPIPS, no clip).
    """

    ssim: float
    ssim_y: float
    psnr: float
    psnr_y: float
    ms_ssim: float
    ms_ssim_y: float
    vmaf: float | None = None
    vmaf_neg: float | None = None
    lpips: float | None = None
    flicker: float | None = None


MEASURES = tuple(Score.__dataclass_fields__)
"""Names of the figures."""


@dataclass(frozen=True)
class Record:
    """One source behind one link, measured.

    Attributes:
        name: The source's.
        category: The source's.
        profile: Name of the link.
        width: Pixels across of the truth.
        height: Pixels down.
        frames: How many were measured.
        kbps: Bitrate in kbit/s; 0 without a codec.
        strengths: Of the filters.
        scores: Name of the method -> its score.
    """

    name: str
    category: str
    profile: str
    width: int
    height: int
    frames: int
    kbps: float
    strengths: Strengths
    scores: Mapping[str, Score]

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """From what ``dataclasses.asdict`` made of a record."""
        scores = {name: Score(**score) for name, score in content["scores"].items()}
        return cls(**{**content, "scores": scores})


@dataclass(frozen=True)
class Setup:
    """What is measured and with what; can be sent to another process.

    Attributes:
        candidates: The models.
        ffmpeg: A program with libvmaf, or None: without VMAF.
        lpips: Loads a function of output and truth that gives LPIPS, or None: without.
        seed: For what is random in the degradation.
    """

    candidates: tuple[Candidate, ...] = ()
    ffmpeg: str | None = None
    lpips: Callable[[], Distance] | None = None
    seed: int = 0


class Meter:
    """Measures one source after another; holds the loaded models.

    Args:
        setup: What is measured.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._models = {candidate.name: of_shown(candidate.make()) for candidate in setup.candidates}
        self._lpips = setup.lpips() if setup.lpips else None
        self._grid = grid()

    def tune(self, source: Source, profiles: Sequence[Profile]) -> Iterator[tuple[str, dict[str, list[float]]]]:
        """Measure SSIM of every filter at every strength.

        Yields:
            For each profile its name, and by filter SSIM in the order of ``GRID``.

        Raises:
            InputError: The source can't be read or is too small.
        """
        for sent in send(source, profiles, self._setup.seed):
            moments = sent.moments[:_TUNED_FRAMES]
            yield (
                sent.profile.name,
                {
                    name: [fmean(ssim(filtered(m.shown), m.truth) for m in moments) for filtered in filters]
                    for name, filters in self._grid.items()
                },
            )

    def measure(
        self, source: Source, profiles: Sequence[Profile], strengths: Mapping[str, Strengths]
    ) -> Iterator[Record]:
        """Measure every method.

        Args:
            source: A picture or clip.
            profiles: The links.
            strengths: For each profile those of the filters.

        Yields:
            One record for each profile.

        Raises:
            InputError: The source can't be read or is too small.
        """
        for sent in send(source, profiles, self._setup.seed):
            chosen = strengths[sent.profile.name]
            height, width = sent.moments[0].truth.shape[:2]
            yield Record(
                source.name,
                source.category,
                sent.profile.name,
                width,
                height,
                len(sent.moments),
                sent.kbps,
                chosen,
                self._scores(sent, baselines(chosen) | self._models),
            )

    def _scores(self, sent: Sent, methods: Mapping[str, OfMoment]) -> dict[str, Score]:
        repeats_input = sent.profile.up == "bicubic"
        work = {name: method for name, method in methods.items() if not (name == BICUBIC and repeats_input)}
        found: dict[str, Score] = {}
        with VmafMeter(self._setup.ffmpeg) if self._setup.ffmpeg else nullcontext() as vmaf:
            for name, method in work.items():
                score = _score(sent.moments, method, self._lpips, vmaf)
                found[name] = _with_vmaf(score, vmaf.scores()) if vmaf and len(sent.moments) > 1 else score
            if vmaf and len(sent.moments) == 1:  # FFmpeg starts once for all: frames of one truth have no movement
                pairs = zip(found.items(), vmaf.scores(), strict=True)
                found = {name: _with_vmaf(score, [values]) for (name, score), values in pairs}
        return {name: found[INPUT if name == BICUBIC and repeats_input else name] for name in methods}


def _score(moments: Sequence[Moment], method: OfMoment, lpips: Distance | None, vmaf: VmafMeter | None) -> Score:
    flicker, rows = Flicker(), list[dict[str, float]]()
    for moment in moments:
        output, truth = method(moment), moment.truth
        rows.append({**vars(structure(output, truth)), "psnr": psnr(output, truth), "psnr_y": psnr_y(output, truth)})
        if lpips:
            rows[-1]["lpips"] = lpips(output, truth)
        if vmaf:
            vmaf.write(output, truth)
        flicker.add(output, truth)
    return Score(**{name: fmean(row[name] for row in rows) for name in rows[0]}, flicker=flicker.mean)


def _with_vmaf(score: Score, frames: Sequence[tuple[float, float]]) -> Score:
    plain, neg = zip(*frames, strict=True)
    return Score(**{**vars(score), "vmaf": fmean(plain), "vmaf_neg": fmean(neg)})
