"""Measures all methods on one source behind its links."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any, Self

from clearcall.degrade import Profile
from clearcall.evaluation.flicker import Flicker
from clearcall.evaluation.metrics import ssim_to
from clearcall.evaluation.multiscale import Truth
from clearcall.evaluation.quality.methods import (
    BICUBIC,
    INPUT,
    Candidate,
    OfMoment,
    Strengths,
    baselines,
    grid,
    of_stream,
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
        limit: At most so many sources of each category are measured; None: all.
    """

    candidates: tuple[Candidate, ...] = ()
    ffmpeg: str | None = None
    lpips: Callable[[], Distance] | None = None
    seed: int = 0
    limit: int | None = None


class Meter:
    """Measures one source after another; holds the loaded models.

    Args:
        setup: What is measured.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._models = {candidate.name: candidate.make() for candidate in setup.candidates}
        self._truth: Truth | None = None
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
            judged = [(moment.shown, ssim_to(moment.truth)) for moment in sent.moments[:_TUNED_FRAMES]]
            yield (
                sent.profile.name,
                {
                    name: [fmean(ssim(filtered(shown)) for shown, ssim in judged) for filtered in filters]
                    for name, filters in self._grid.items()
                },
            )

    def measure(
        self,
        source: Source,
        profiles: Sequence[Profile],
        strengths: Mapping[str, Strengths],
        known: Mapping[str, Mapping[str, Score]] | None = None,
    ) -> Iterator[Record]:
        """Measure every method.

        Args:
            source: A picture or clip.
            profiles: The links.
            strengths: For each profile those of the filters.
            known: For each profile the scores that are known already, by method.

        Yields:
            One record for each profile.

        Raises:
            InputError: The source can't be read or is too small.
        """
        for sent in send(source, profiles, self._setup.seed):
            chosen = strengths[sent.profile.name]
            height, width = sent.moments[0].truth.shape[:2]
            methods = baselines(chosen) | self._models_of(sent.profile)
            found = dict((known or {}).get(sent.profile.name, {}))
            found |= self._scores(sent, {name: method for name, method in methods.items() if name not in found})
            yield Record(
                source.name,
                source.category,
                sent.profile.name,
                width,
                height,
                len(sent.moments),
                sent.kbps,
                chosen,
                {name: found[name] for name in methods},
            )

    def _models_of(self, profile: Profile) -> dict[str, OfMoment]:
        taking = [each.name for each in self._setup.candidates if each.takes(profile.name)]
        return {name: of_stream(self._models[name]) for name in taking}

    def _scores(self, sent: Sent, methods: Mapping[str, OfMoment]) -> dict[str, Score]:
        if not methods:
            return {}
        repeats_input = sent.profile.up == "bicubic"
        work = {name: method for name, method in methods.items() if not (name == BICUBIC and repeats_input)}
        with ExitStack() as stack:
            of_one = len(sent.moments) == 1  # FFmpeg starts once for all: frames of one truth have no movement
            meters = [
                stack.enter_context(VmafMeter(self._setup.ffmpeg))
                for _ in ([INPUT] if of_one else work)
                if self._setup.ffmpeg
            ]
            tallies = {name: _Tally() for name in work}
            for moment in sent.moments:
                truth = self._truth_of(moment)
                for index, (name, method) in enumerate(work.items()):
                    output = method(moment)
                    tallies[name].add(output, truth, self._lpips)
                    if meters:
                        meters[0 if of_one else index].write(output, moment.truth)
            found = {name: tally.score() for name, tally in tallies.items()}
            if meters:
                frames = [[values] for values in meters[0].scores()] if of_one else [each.scores() for each in meters]
                pairs = zip(found.items(), frames, strict=True)
                found = {name: _with_vmaf(score, values) for (name, score), values in pairs}
        return {name: found[INPUT if name == BICUBIC and repeats_input else name] for name in methods}

    def _truth_of(self, moment: Moment) -> Truth:
        """The last one is kept: a picture behind all its links has one truth."""
        if self._truth is None or self._truth.target is not moment.truth:
            self._truth = Truth(moment.truth)
        return self._truth


class _Tally:
    """Scores of one method, frame by frame."""

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []
        self._flicker = Flicker()

    def add(self, output: Frame, truth: Truth, lpips: Distance | None) -> None:
        self._rows.append(asdict(truth.likeness(output)))
        if lpips:
            self._rows[-1]["lpips"] = lpips(output, truth.target)
        self._flicker.add(output, truth.target)

    def score(self) -> Score:
        means = {name: fmean(row[name] for row in self._rows) for name in self._rows[0]}
        return Score(**means, flicker=self._flicker.mean)


def _with_vmaf(score: Score, frames: Sequence[tuple[float, float]]) -> Score:
    plain, neg = zip(*frames, strict=True)
    return replace(score, vmaf=fmean(plain), vmaf_neg=fmean(neg))
