"""Pictures that stand in two places, told by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path


def find_twins(first: Sequence[Path], second: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Find files that are the same, byte for byte. Only files whose length both sides have are read.

    Args:
        first: Files of one side.
        second: Files of the other.

    Returns:
        For each file of ``second`` that is also in ``first``: that one, and itself.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name, text in (("a", "same"), ("b", "same"), ("c", "else")):
        ...     _ = (folder / name).write_text(text)
        >>> [(one.name, other.name) for one, other in find_twins([folder / "a", folder / "c"], [folder / "b"])]
        [('a', 'b')]
    """
    lengths = {path: path.stat().st_size for path in (*first, *second)}
    common = {lengths[path] for path in first} & {lengths[path] for path in second}
    seen = {_digest(path): path for path in first if lengths[path] in common}
    twins = ((seen.get(_digest(path)), path) for path in second if lengths[path] in common)
    return [(twin, path) for twin, path in twins if twin is not None]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
