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
TAUGHT_STEPS, TAUGHT_RATE = 1500, 2e-3
"""Of a gate that is trained on."""
HELD = 4.0
"""How much more what such a gate knows counts than what it learns: with 1 it took a clip for what it was not."""
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
    restore: list[Restore] = [*choices.values(), _left_alone]
    trials = _shuffled(list(_tried(restore, material, bar)))
    names = (*choices, UNTOUCHED)
    kept = set(sorted({trial.picture for trial in trials})[::TESTED])
    tested = [trial for trial in trials if trial.picture in kept]
    gain, regret = _figures(_fitted(names, [trial for trial in trials if trial.picture not in kept]), tested)
    return Fit(_fitted(names, trials), gain, regret)


def teach_gate(
    gate: Gate, choices: Mapping[str, Restore], known: Sequence[Material], new: Sequence[Material], *, bar: bool = False
) -> Fit:
    """Train a gate on with windows of kinds it never saw; on all others it is held to what it chooses.

    Fitted anew, a gate makes other choices everywhere by chance, and real calls are like none of the windows.

    Args:
        gate: The gate to begin with.
        choices: Sharpens a uint8 HWC RGB frame, by name of the choice: the gate's, but the untouched frame.
        known: Where its choices are right.
        new: What it is to learn; every choice is tried there.
        bar: Whether to show progress.

    Returns:
        The new gate; the figures are of ``new`` alone.

    Raises:
        InputError: The choices are not the gate's, or the windows are all of one picture.
    """
    names = (*choices, UNTOUCHED)
    if set(names) != set(gate.choices):
        raise InputError(f"The gate chooses between {', '.join(gate.choices)}; give these, not {', '.join(names)}.")
    restore = [choices.get(name, _left_alone) for name in gate.choices]
    trials = list(_tried(restore, new, bar))
    pictures = sorted({trial.picture for trial in trials})
    if len(pictures) < MIN_PICTURES:
        raise InputError("A gate is fitted to some pictures and tested on others; give a folder of two or more.")
    seen = list(_seen(known, bar))
    kept = set(pictures[::TESTED])
    rest = _taught(
        gate, [each for each in seen if each.picture not in kept], [t for t in trials if t.picture not in kept]
    )
    gain, regret = _figures(rest, [trial for trial in trials if trial.picture in kept])
    return Fit(_taught(gate, seen, trials), gain, regret)


def _left_alone(frame: Frame) -> Frame:
    return frame


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
    worth = np.array(judged, np.float32)
    return Trial(_measured(degraded), worth, material.weight, material.source.picture(item))


def _measured(frame: Frame) -> tuple[Measures, Measures]:
    limited = np.rint(16 + frame @ np.array([0.2126, 0.7152, 0.0722]) * 219 / 255).astype(np.uint8)
    return measures(frame), measures(limited)


def _seen(material: Sequence[Material], bar: bool) -> Iterator[Trial]:
    """Windows on which nothing is tried."""
    places = [(each, item) for each in material for item in range(len(each.source))]
    nothing = np.zeros(0, np.float32)

    def look(place: tuple[Material, int]) -> Trial:
        each, item = place
        frame = np.ascontiguousarray(each.source.window(item)[0])
        return Trial(_measured(frame), nothing, each.weight, each.source.picture(item))

    with ThreadPoolExecutor(usable_cpus()) as pool:
        yield from track(pool.map(look, places), "looking at what is known", total=len(places), disable=not bar)


def _shuffled(trials: list[Trial]) -> list[Trial]:
    return [trials[place] for place in np.random.default_rng(SEED).permutation(len(trials))]


def _fitted(names: tuple[str, ...], trials: Sequence[Trial]) -> Gate:
    """The network whose trust, shared out over the choices, gives the most SSIM."""
    measured = torch.from_numpy(np.stack([each for trial in trials for each in trial.measured]))
    ssim = torch.from_numpy(np.stack([trial.ssim for trial in trials for _ in trial.measured]))
    weights = torch.tensor([trial.weight for trial in trials for _ in trial.measured])
    mean, scale = measured.mean(0), measured.std(0).clamp(min=1e-3)
    values, worth = (measured - mean) / scale, _worth(ssim, names)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        network = nn.Sequential(nn.Linear(MEASURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(names)))
        _learn(network, values, worth, weights / weights.mean())
    numbers = [parameter.detach().numpy() for parameter in network.parameters()]
    return Gate(names, mean.numpy(), scale.numpy(), tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _worth(ssim: Tensor, names: tuple[str, ...]) -> Tensor:
    """Hundredths of SSIM that each choice gains, (windows, choices); losses count more."""
    gain = 100 * (ssim - ssim[:, names.index(UNTOUCHED), None])
    return torch.where(gain < 0, HARM * gain, gain)


def _taught(gate: Gate, seen: Sequence[Trial], trials: Sequence[Trial]) -> Gate:
    """The gate, trained on: first come windows on which it is held to its own trust, then those that it learns."""
    everything = [*seen, *trials]
    measured = torch.from_numpy(np.stack([each for trial in everything for each in trial.measured]))
    ssim = torch.from_numpy(np.stack([trial.ssim for trial in trials for _ in trial.measured]))
    counts = [HELD * trial.weight for trial in seen] + [trial.weight for trial in trials]
    weights = torch.tensor([count for count, trial in zip(counts, everything, strict=True) for _ in trial.measured])
    values = (measured - torch.from_numpy(gate.mean)) / torch.from_numpy(gate.scale)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        network = _network(gate)
        with torch.no_grad():
            own = functional.softmax(network(values[: 2 * len(seen)]), dim=1)
        worth = _worth(ssim, gate.choices)
        _learn(network, values, worth, weights / weights.mean(), own=own, steps=TAUGHT_STEPS, rate=TAUGHT_RATE)
    numbers = [parameter.detach().numpy() for parameter in network.parameters()]
    return Gate(gate.choices, gate.mean, gate.scale, tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _network(gate: Gate) -> nn.Sequential:
    layers: list[nn.Module] = []
    for weight, bias in gate.layers:
        layer = nn.Linear(*weight.shape[::-1])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _learn(
    network: nn.Module,
    values: Tensor,
    worth: Tensor,
    weights: Tensor,
    *,
    own: Tensor | None = None,
    steps: int = STEPS,
    rate: float = LEARNING_RATE,
) -> None:
    """Learn what choices are worth; the first ``len(own)`` rows of values have trust to keep instead."""
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    shared = functional.softmax(worth / TASTE, dim=1)
    own = worth[:0] if own is None else own
    for step in range(steps):
        optimizer.zero_grad()
        scores = network(values + BLUR * torch.randn_like(values))
        held, free = scores[: len(own)], scores[len(own) :]
        if step < steps // 2:
            losses = functional.cross_entropy(free, shared, reduction="none")
        else:
            losses = -(functional.softmax(free, dim=1) * worth).sum(1)
        losses = torch.cat([functional.cross_entropy(held, own, reduction="none"), losses])
        loss = (weights * losses).mean()
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's own
        optimizer.step()
        schedule.step()
