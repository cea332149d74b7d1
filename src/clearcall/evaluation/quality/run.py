"""Runs the benchmark on all cores; what is measured is on disk at once."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Any, Self

from clearcall.degrade import Profile
from clearcall.errors import ClearcallError, InputError
from clearcall.evaluation.quality.earlier import Earlier, read_earlier
from clearcall.evaluation.quality.journal import Journal
from clearcall.evaluation.quality.measure import Meter, Record, Score, Setup
from clearcall.evaluation.quality.methods import GRID, Strengths
from clearcall.evaluation.quality.sources import Source

Report = Callable[[int, int | None], None]

TUNING_SOURCES = 16
"""The filters' strengths are chosen on so many of the sources, spread over all."""
STALLED = 120.0
"""Seconds without any processor time after which a process is stuck and is ended: SVT-AV1 waits for itself at times."""
ATTEMPTS = 3
"""So many times in a row processes may end before any of them has done a unit; then the run ends, too."""


@dataclass(frozen=True)
class Failure:
    """A source that couldn't be measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Findings:
    """What a run found.

    Attributes:
        records: By profile, then by source, in the order in which they were given.
        strengths: For each profile those of the filters.
        failures: Sources that stand in no figure.
    """

    records: tuple[Record, ...]
    strengths: Mapping[str, Strengths]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class _Unit:
    """What one process does in one go: a source behind links that share the frames of its movement."""

    source: Source
    profiles: tuple[Profile, ...]
    strengths: Mapping[str, Strengths] | None = None
    """None: find out how good each is."""
    known: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    """By profile the scores that an earlier run found."""


def run(
    sources: Sequence[Source],
    profiles: Sequence[Profile],
    setup: Setup,
    journal: Path,
    *,
    workers: int = 1,
    reuse: Path | None = None,
    on_progress: Report | None = None,
) -> Findings:
    """Measure, going on where an earlier run with the same journal ended.

    Each process holds one source at a time, so memory doesn't grow with their number.

    Args:
        sources: From :func:`clearcall.evaluation.quality.sources.find_sources`.
        profiles: The links.
        setup: What is measured and with what.
        journal: Where measured things are kept.
        workers: Processes; 1 works in this one.
        reuse: The journal of an earlier run on the same files: what it measured with the same weights isn't measured
            again.
        on_progress: Called with the pairs of source and profile done, and of all.

    Returns:
        The records, and what couldn't be measured.

    Raises:
        InputError: Nothing could be measured.
        OutputError: The journal belongs to another run or can't be written.
        ClearcallError: Processes ended again and again with nothing done.
    """
    report = on_progress or (lambda done, total: None)
    about = _about(sources, setup)
    earlier = read_earlier(reuse, about) if reuse else Earlier()
    with Journal(journal, about) as memory, _Workers(setup, workers) as pool:
        strengths = _tune(sources, profiles, memory, pool, earlier.tuning)
        names = {profile.name for profile in profiles}
        records = [Record.read(content) for kind, content in memory.entries if kind == "record"]
        found = {(record.profile, record.name): record for record in records if record.profile in names}
        units = _units(sources, profiles, found.keys(), strengths)
        failures: dict[str, Failure] = {}
        total = len(sources) * len(profiles)
        report(len(found), total)
        for unit, result in pool.work([_knowing(unit, earlier) for unit in units]):
            if isinstance(result, Failure):
                failures[unit.source.name] = result
                continue
            for record in result:
                memory.add("record", asdict(record))
                found[record.profile, record.name] = record
                report(len(found), total)
    return _findings(sources, profiles, found, strengths, failures)


def _knowing(unit: _Unit, earlier: Earlier) -> _Unit:
    names = [profile.name for profile in unit.profiles]
    return replace(unit, known={name: earlier.scores.get((name, unit.source.name), {}) for name in names})


def _findings(
    sources: Sequence[Source],
    profiles: Sequence[Profile],
    found: Mapping[tuple[str, str], Record],
    strengths: Mapping[str, Strengths],
    failures: Mapping[str, Failure],
) -> Findings:
    measured = [source.name for source in sources if source.name not in failures]
    if not measured:
        raise InputError(f"Not one of {len(sources)} files could be measured; {next(iter(failures.values())).reason}")
    records = tuple(found[profile.name, name] for profile in profiles for name in measured)
    return Findings(records, strengths, tuple(failures.values()))


def _about(sources: Sequence[Source], setup: Setup) -> dict[str, object]:
    return {
        "format": 1,
        "sources": {source.name: source.path.stat().st_size for source in sources},
        "models": {each.name: [each.identity, *sorted(each.only)] for each in setup.candidates},
        "vmaf": setup.ffmpeg is not None,
        "lpips": setup.lpips is not None,
        "seed": setup.seed,
    }


def _units(
    sources: Iterable[Source],
    profiles: Sequence[Profile],
    done: Iterable[tuple[str, str]],
    strengths: Mapping[str, Strengths] | None = None,
) -> list[_Unit]:
    """What is left to do; of a clip each profile by itself."""
    past = set(done)
    units = []
    for source in sources:
        left = [profile for profile in profiles if (profile.name, source.name) not in past]
        key = (lambda profile: profile.name) if source.is_clip else (lambda profile: repr(profile.views))
        units += [_Unit(source, tuple(group), strengths) for _, group in groupby(sorted(left, key=key), key)]
    return units


def _tune(
    sources: Sequence[Source],
    profiles: Sequence[Profile],
    memory: Journal,
    pool: _Workers,
    earlier: Sequence[Mapping[str, Any]],
) -> dict[str, Strengths]:
    """For each profile the strength of each filter with the highest mean SSIM over some of the sources."""
    step = max(len(sources) / TUNING_SOURCES, 1)
    sample = [sources[int(index * step)] for index in range(min(TUNING_SOURCES, len(sources)))]
    tuned: list[Mapping[str, Any]] = [content for kind, content in memory.entries if kind == "tuning"]
    if not tuned:
        tuned.extend(earlier)
        for found in earlier:  # so that a later run can build on this one alone
            memory.add("tuning", found)
    for unit, result in pool.work(_units(sample, profiles, [(found["profile"], found["name"]) for found in tuned])):
        for profile, ssim in result if isinstance(result, list) else ():
            found = {"name": unit.source.name, "profile": profile, "ssim": ssim}
            memory.add("tuning", found)
            tuned.append(found)
    return {
        profile.name: _best([found["ssim"] for found in tuned if found["profile"] == profile.name])
        for profile in profiles
    }


def _best(found: Sequence[Mapping[str, Sequence[float]]]) -> Strengths:
    """Of what was found on each source, SSIM by filter in the grid's order."""
    means = {name: [fmean(values) for values in zip(*(ssim[name] for ssim in found), strict=True)] for name in GRID}
    return {name: GRID[name][values.index(max(values))] if values else GRID[name][0] for name, values in means.items()}


_meter: Meter | None = None
"""Of a worker process."""
_at_work: _Unit | None = None
"""What a worker process is doing."""

_Work = list[Any] | Failure


class _Workers:
    """Processes, each with the models loaded; or, where one is enough, this process. Use it in a ``with`` block."""

    def __init__(self, setup: Setup, count: int) -> None:
        self._setup, self._count = setup, count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._count > 1:
            self._pool = self._new_pool()
        else:
            _load(self._setup)
        return self

    def _new_pool(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._count, spawn, _begin, (self._setup, STALLED))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def work(self, units: Sequence[_Unit]) -> Iterator[tuple[_Unit, _Work]]:
        """Do the units, in any order; where processes end, new ones go on, but not for ever without any unit done.

        Raises:
            ClearcallError: Processes ended again and again with nothing done.
        """
        if self._pool is None:
            yield from ((unit, _do(unit)) for unit in units)
            return
        left, in_vain = list(units), 0
        while left:
            before = len(left)
            try:
                futures = {self._pool.submit(_do, unit): unit for unit in left}
                for future in as_completed(futures):
                    result = future.result()
                    left.remove(futures[future])
                    yield futures[future], result
            except BrokenProcessPool as error:
                in_vain = in_vain + 1 if len(left) == before else 0
                if in_vain == ATTEMPTS:
                    raise ClearcallError(
                        f"Processes of the benchmark ended {ATTEMPTS} times in a row with nothing done, from outside "
                        "as when memory runs out, or because they were stuck; start the same command again to go on, "
                        "with fewer --workers if memory was it."
                    ) from error
                self._pool.shutdown()
                self._pool = self._new_pool()


def _begin(setup: Setup, stalled: float) -> None:
    """Start a worker process: it ends with its parent, however that ends, and when stuck, and is silent on Ctrl-C."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _load(setup)
    threading.Thread(target=_end_if_stuck, args=(stalled,), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _end_if_stuck(stalled: float) -> None:
    """End this process once a unit has used no processor time for so many seconds."""
    while True:
        unit, used = _at_work, time.process_time()
        time.sleep(stalled)
        if unit is not None and _at_work is unit and time.process_time() - used < stalled / 100:
            os._exit(1)


def _load(setup: Setup) -> None:
    global _meter  # noqa: PLW0603  # a process's own, so that models are loaded once
    _meter = Meter(setup)


def _do(unit: _Unit) -> _Work:
    global _at_work  # noqa: PLW0603  # see _end_if_stuck
    if _meter is None:
        raise RuntimeError("the worker has not begun")
    _at_work = unit
    try:
        if unit.strengths is None:
            return list(_meter.tune(unit.source, unit.profiles))
        return list(_meter.measure(unit.source, unit.profiles, unit.strengths, unit.known))
    except InputError as error:
        return Failure(unit.source.name, str(error))
    finally:
        _at_work = None
