"""Progress on a terminal as a bar with an ETA, elsewhere as plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Report = Callable[[int, int | None], None]
"""Called with what is done so far and the total (None when it is not known)."""

PLAIN_SECONDS = 5.0


@contextmanager
def progress(label: str, unit: str = "frames") -> Iterator[Report]:
    """Show the progress of one piece of work on standard error.

    Args:
        label: What is being done, as in ``"sharpening call.mp4"``.
        unit: What is counted.

    Yields:
        A function ``report(done, total)`` to call as the work goes on.

    Example:
        >>> with progress("counting") as report:
        ...     report(1, 1)
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_report(console, label, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain_report(console: Console, label: str, unit: str) -> Report:
    started = last = time.monotonic()

    def report(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < PLAIN_SECONDS:
            return
        last = now
        of_total = f" of {total}" if total else ""
        left = f", {(now - started) / done * (total - done):.0f} s left" if total and done else ""
        console.print(f"{label}: {done}{of_total} {unit}{left}", highlight=False)

    return report
