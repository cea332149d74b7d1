"""Interrupts that wait: between the start of a thread and the line that joins it there is no good moment for one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_interrupts() -> Iterator[Callable[[], None]]:
    """Keep SIGINT and SIGTERM back until ``release`` is called, or the block ends, and let them come then.

    Handlers are exchanged and no signal is masked: a library's own thread, which doesn't mask it, would take it, and
    Python would interrupt the main thread all the same. Outside the main thread, where nothing interrupts, it does
    nothing.

    Yields:
        ``release``.

    Example:
        >>> came = []
        >>> before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
        >>> with held_interrupts() as release:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     early = list(came)
        ...     release()
        >>> early, len(came)
        ([], 1)
        >>> _ = signal.signal(signal.SIGTERM, before)
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    kept: list[int] = []
    before: dict[int, Any] = {}

    def release() -> None:
        while before:
            signal.signal(*before.popitem())
        while kept:
            signal.raise_signal(kept.pop())

    try:
        for number in _HELD:
            if signal.getsignal(number) is not None:  # else it isn't Python's, and couldn't be given back
                before[number] = signal.getsignal(number)
                signal.signal(number, lambda came, _frame: kept.append(came))
        yield release
    finally:
        release()
