"""Two runs of the benchmark, picture by picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearcall.errors import InputError
from clearcall.evaluation.interval import Interval, paired_interval


@dataclass(frozen=True)
class Difference:
    """What changes from one run to the other in one profile.

    Attributes:
        profile: Name of the link.
        measure: Name of the figure, as in ``"ssim"``.
        count: Sources that both runs measured.
        before: Mean of the first run.
        after: Mean of the second.
        change: Mean of the differences, with its paired interval.
    """

    profile: str
    measure: str
    count: int
    before: float
    after: float
    change: Interval


@dataclass(frozen=True)
class Comparison:
    """Two models on the same sources.

    Attributes:
        before: Name of the first run's model.
        after: Name of the second's.
        differences: By profile.
        inputs_differ: Profiles in which the two runs' inputs were not the same: what changes there is not the model's
            doing alone.
    """

    before: str
    after: str
    differences: tuple[Difference, ...]
    inputs_differ: tuple[str, ...]


def compare(first: Path, second: Path, measure: str = "ssim") -> Comparison:
    """Compare the models of two result files.

    If both name a model alike, that one is compared, else the first model of each.

    Args:
        first: ``results.json`` of a run.
        second: That of another, on the same sources.
        measure: Name of the figure.

    Returns:
        The differences, second less first.

    Raises:
        InputError: A file is no result of the benchmark, holds no model, or the two share no source and profile.
    """
    runs = [_read(path) for path in (first, second)]
    names = _models(runs, (first, second))
    tables = [_table(run) for run in runs]
    common = [key for key in tables[0] if key in tables[1]]
    if not common:
        raise InputError(f"{first} and {second} share no picture and profile; compare runs on the same folder.")
    differences, differing = [], []
    for profile in dict.fromkeys(key[0] for key in common):
        rows = [(tables[0][key], tables[1][key]) for key in common if key[0] == profile]
        pairs = [(one[names[0]][measure], other[names[1]][measure]) for one, other in rows]
        if not any(None in pair for pair in pairs):
            differences.append(_difference(profile, measure, pairs))
        if any(one["input"]["ssim"] != other["input"]["ssim"] for one, other in rows):
            differing.append(profile)
    return Comparison(*names, tuple(differences), tuple(differing))


def _difference(profile: str, measure: str, pairs: list[tuple[float, float]]) -> Difference:
    before, after = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
    change = paired_interval([other - one for one, other in pairs])
    return Difference(profile, measure, len(pairs), before, after, change)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found["records"], list) or not isinstance(found["models"], list):
            raise TypeError("no records")
    except OSError as error:
        raise InputError(f"Can't read {path} ({error.strerror}); give the results.json of a run.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no result of `clearcall bench quality`; give the results.json of a run."
        ) from error
    return dict(found)


def _models(runs: list[Mapping[str, Any]], paths: tuple[Path, Path]) -> tuple[str, str]:
    one, other = ([str(name) for name in run["models"]] for run in runs)
    for names, path in ((one, paths[0]), (other, paths[1])):
        if not names:
            raise InputError(f"{path} holds baselines only; measure with --model, then compare.")
    shared = next((name for name in one if name in other), None)
    return (shared, shared) if shared else (one[0], other[0])


def _table(run: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(record["profile"], record["name"]): record["scores"] for record in run["records"]}
