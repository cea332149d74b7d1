"""Read every file of a data set once and say all that is wrong with it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from clearcall.data import Blur
from clearcall.data.layout import Kind, Layout, Split, find_layout, recording_of, sequence_of
from clearcall.errors import InputError
from clearcall.media.picture import read_picture

Report = Callable[[int, int | None], None]
"""Called with the files read so far and their total."""

NO_BLUR: Final = "sharp pictures without a blurred one"
NO_SHARP: Final = "blurred pictures without a sharp one"
STRAY: Final = "files that are no pictures"
UNREADABLE: Final = "pictures that can't be read"
OTHER_SIZE: Final = "pairs of different sizes"
TWIN: Final = "pictures that stand in two splits"
TORN: Final = "sequences that stand in two splits"
NOTHING: Final = "splits without a picture"
FINDINGS: Final = (NO_BLUR, NO_SHARP, STRAY, UNREADABLE, OTHER_SIZE, TWIN, TORN, NOTHING)
"""The kinds of findings, in the order in which they are listed."""


@dataclass(frozen=True)
class Health:
    """What a data set holds, and what is wrong with it.

    Attributes:
        folder: The data set.
        kind: Its layout.
        counts: For each split and sequence the matched pairs (sharp pictures, where there are no pairs).
        findings: What is wrong: for each kind that occurs, every file, pair or sequence, sorted.
    """

    folder: Path
    kind: Kind
    counts: Mapping[str, Mapping[str, int]]
    findings: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "folder": str(self.folder),
            "layout": self.kind,
            "counts": {split: dict(sequences) for split, sequences in self.counts.items()},
            "findings": {kind: list(found) for kind, found in self.findings.items()},
        }


@dataclass(frozen=True)
class _File:
    """One picture, read: its size and digest, or why it couldn't be."""

    size: tuple[int, int] | None
    digest: str
    reason: str = ""


def check_data(folder: Path, blur: Blur = "blur", *, workers: int = 2, on_progress: Report | None = None) -> Health:
    """Decode every picture of a data set and compare what belongs together.

    Args:
        folder: A data set in any layout of ``clearcall.data.layout``, or one of its splits.
        blur: Which blurred pictures belong to the pairs.
        workers: Threads.
        on_progress: Called after each file.

    Returns:
        Counts and findings.

    Raises:
        InputError: The folder is missing.
    """
    layout = find_layout(folder, blur)
    files = _read_all(layout, workers, on_progress)
    found: dict[str, list[str]] = {kind: [] for kind in FINDINGS}
    for kind, what in (*_in_splits(layout, files), *_between_splits(layout, files)):
        found[kind].append(what)
    findings = {kind: tuple(sorted(items)) for kind, items in found.items() if items}
    return Health(folder, layout.kind, {split.name: _counts(layout, split) for split in layout.splits}, findings)


def _read_all(layout: Layout, workers: int, on_progress: Report | None) -> dict[Path, _File]:
    paths = [path for split in layout.splits for side in (split.degraded, split.sharp) for path in side.values()]
    files: dict[Path, _File] = {}
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(_read, path): path for path in paths}
        try:
            for future in as_completed(futures):
                files[futures[future]] = future.result()
                if on_progress is not None:
                    on_progress(len(files), len(paths))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return files


def _read(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        height, width = read_picture(path).pixels.shape[:2]
    except OSError as error:
        return _File(None, "", error.strerror or str(error))
    except InputError as error:
        return _File(None, "", str(error).removeprefix(f"{path} "))
    return _File((width, height), digest)


def _in_splits(layout: Layout, files: Mapping[Path, _File]) -> Iterator[tuple[str, str]]:
    for split in layout.splits:
        if layout.kind != "sharp":
            yield from ((NO_BLUR, str(path)) for name, path in split.sharp.items() if name not in split.degraded)
            yield from ((NO_SHARP, str(path)) for name, path in split.degraded.items() if name not in split.sharp)
            yield from ((STRAY, str(path)) for path in split.strays)
        if not split.sharp:
            yield NOTHING, str(split.folder)
        for path in (*split.degraded.values(), *split.sharp.values()):
            if files[path].size is None:
                yield UNREADABLE, f"{path}: {files[path].reason}"
        for pair in split.matches():
            sizes = [files[path].size for path in (pair.degraded, pair.sharp)]
            if None not in sizes and sizes[0] != sizes[1]:
                shown = " and ".join(f"{size[0]}x{size[1]}" for size in sizes if size)
                yield OTHER_SIZE, f"{pair.degraded} and {pair.sharp}: {shown}"


def _between_splits(layout: Layout, files: Mapping[Path, _File]) -> Iterator[tuple[str, str]]:
    for one, other in combinations(layout.splits, 2):
        seen = {files[path].digest: path for path in _paths(one) if files[path].size}
        for path in _paths(other):
            if files[path].size and files[path].digest in seen:
                yield TWIN, f"{seen[files[path].digest]} and {path}"
        if layout.kind != "sharp":
            for sequence in sorted({*_counts(layout, one)} & {*_counts(layout, other)}):
                yield TORN, f"{sequence} in {one.folder} and {other.folder}"


def _paths(split: Split) -> tuple[Path, ...]:
    return (*split.degraded.values(), *split.sharp.values())


def _counts(layout: Layout, split: Split) -> dict[str, int]:
    if layout.kind == "sharp":
        return dict(Counter(recording_of(name) or "pictures" for name in split.sharp))
    return dict(Counter(sequence_of(name) for name in split.sharp if name in split.degraded))
