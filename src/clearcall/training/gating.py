"""How a gate is made: every choice is tried on degraded windows, and a small network learns which was the best.

The network isn't taught the name of the link but what each choice is worth, so it learns where a mistake costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional

from clearcall.cpus import usable_cpus
from clearcall.errors import InputError
from clearcall.evaluation.metrics import ssim_to
from clearcall.frame import Frame
from clearcall.runtime.gate import MEASURES, UNTOUCHED, Gate, Measures, measures
from clearcall.training.windows import DegradedWindows

HIDDEN = 64
STEPS = 2000
TASTE = 1.0
"""In the first half of the steps the gate learns shares of trust that fall by a factor e for each so many hundredths of
SSIM that a choice is worth less; to go for the most SSIM at once ends where most choices are never made (0.0237 SSIM
gained instead of 0.0270 on windows that it wasn't fitted to)."""
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-3
BLUR = 0.03
"""Noise on the measures while the gate learns, in standard deviations: windows say less than frames do."""
HARM = 2.0
"""How much more a loss against the untouched frame counts than a gain."""
TESTED = 5
"""One picture in so many is kept from a first fit, to tell how well it does on what it never saw."""
MIN_PICTURES = 2
JUDGED = 384
"""Side of the middle part of a window on which choices are judged."""
SEED = 30_000

Restore = Callable[[Frame], Frame]


@dataclass(frozen=True)
class Trial:
    """One degraded window.

    Attributes:
        measured: What the gate sees of it: as RGB, and as luma of limited range, as decoders give it.
        ssim: Of each choice's output, in the order of the choices.
        weight: How much it counts.
        picture: What it is a window of.
    """

    measured: tuple[Measures, Measures]
    ssim: NDArray[np.float32]
    weight: float
    picture: Path


@dataclass(frozen=True)
class Fit:
    """A gate fitted to all windows, and the figures of one like it on windows of pictures that it wasn't fitted to.

    Attributes:
        gate: The gate.
        gain: SSIM of its choices less that of the first choice for all, on average.
        regret: SSIM of the best choice for each window less that of the gate's, on average.
    """

    gate: Gate
    gain: float
    regret: float


@dataclass(frozen=True)
class Material:
    """Windows to try choices on.

    Attributes:
        source: Degraded windows.
        weight: How much each of them counts.
    """

    source: DegradedWindows
    weight: float = 1.0


def fit_gate(choices: Mapping[str, Restore], material: Sequence[Material], *, bar: bool = False) -> Fit:
    """Try all choices on all windows, and fit a gate to what they are worth.

    Args:
        choices: Sharpens a uint8 HWC RGB frame, by name of the choice; called by several threads at once.
        material: What to try them on.
        bar: Whether to show progress.

    Raises:
        InputError: The windows are all of one picture.
    """
    if len({each.source.picture(item) for each in material for item in range(len(each.source))}) < MIN_PICTURES:
        raise InputError("A gate is fitted to some pictures and tested on others; give a folder of two or more.")
    restore: list[Restore] = [*choices.values(), lambda frame: frame]
    trials = _shuffled(list(_tried(restore, material, bar)))
    names = (*choices, UNTOUCHED)
    kept = set(sorted({trial.picture for trial in trials})[::TESTED])
    tested = [trial for trial in trials if trial.picture in kept]
    gain, regret = _figures(_fitted(names, [trial for trial in trials if trial.picture not in kept]), tested)
    return Fit(_fitted(names, trials), gain, regret)


def _figures(gate: Gate, tested: Sequence[Trial]) -> tuple[float, float]:
    """What a gate's choices gain over the first one for all, and what the best choice for each would gain besides."""
    worth = np.stack([trial.ssim for trial in tested])
    weights = [trial.weight for trial in tested]
    chosen = np.array([trial.ssim[gate.scores(trial.measured[0]).argmax()] for trial in tested])
    gain, regret = (
        float(np.average(difference, weights=weights)) for difference in (chosen - worth[:, 0], worth.max(1) - chosen)
    )
    return gain, regret


def _tried(restore: Sequence[Restore], material: Sequence[Material], bar: bool) -> Iterator[Trial]:
    places = [(each, item) for each in material for item in range(len(each.source))]
    with ThreadPoolExecutor(usable_cpus()) as pool:
        trials = pool.map(lambda place: _trial(restore, *place), places)
        yield from track(trials, "trying the experts", total=len(places), disable=not bar)


def _trial(restore: Sequence[Restore], material: Material, item: int) -> Trial:
    window = material.source.window(item)
    degraded = np.ascontiguousarray(window[0])
    sides = [max((side - JUDGED) // 2, 0) for side in degraded.shape[:2]]
    middle = tuple(slice(side, side + JUDGED) for side in sides)
    ssim = ssim_to(window[1][middle])
    judged = [ssim(each(degraded)[middle]) for each in restore]
    luma = degraded @ np.array([0.2126, 0.7152, 0.0722])
    limited = np.rint(16 + luma * 219 / 255).astype(np.uint8)
    worth = np.array(judged, np.float32)
    return Trial((measures(degraded), measures(limited)), worth, material.weight, material.source.picture(item))


def _shuffled(trials: list[Trial]) -> list[Trial]:
    return [trials[place] for place in np.random.default_rng(SEED).permutation(len(trials))]


def _fitted(names: tuple[str, ...], trials: Sequence[Trial]) -> Gate:
    """The network whose trust, shared out over the choices, gives the most SSIM."""
    measured = torch.from_numpy(np.stack([each for trial in trials for each in trial.measured]))
    ssim = torch.from_numpy(np.stack([trial.ssim for trial in trials for _ in trial.measured]))
    weights = torch.tensor([trial.weight for trial in trials for _ in trial.measured])
    mean, scale = measured.mean(0), measured.std(0).clamp(min=1e-3)
    gain = 100 * (ssim - ssim[:, names.index(UNTOUCHED), None])
    values, worth = (measured - mean) / scale, torch.where(gain < 0, HARM * gain, gain)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        network = nn.Sequential(nn.Linear(MEASURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(names)))
        _learn(network, values, worth, weights / weights.mean())
    numbers = [parameter.detach().numpy() for parameter in network.parameters()]
    return Gate(names, mean.numpy(), scale.numpy(), tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _learn(network: nn.Module, values: Tensor, worth: Tensor, weights: Tensor) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    shared = functional.softmax(worth / TASTE, dim=1)
    for step in range(STEPS):
        optimizer.zero_grad()
        scores = network(values + BLUR * torch.randn_like(values))
        if step < STEPS // 2:
            losses = functional.cross_entropy(scores, shared, reduction="none")
        else:
            losses = -(functional.softmax(scores, dim=1) * worth).sum(1)
        loss = (weights * losses).mean()
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's own
        optimizer.step()
        schedule.step()
