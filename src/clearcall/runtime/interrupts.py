"""Interrupts that wait: between the start of a thread and the line that joins it there is no good moment for one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_interrupts() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Keep SIGINT and SIGTERM back in a block, but for a part of it where they may come; let them come at its end.

    Handlers are exchanged and no signal is masked: a library's own thread, which doesn't mask it, would take it, and
    Python would interrupt the main thread all the same. Outside the main thread, where nothing interrupts, it does
    nothing.

    Yields:
        What opens that part.

    Example:
        >>> came = []
        >>> before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
        >>> with held_interrupts() as let_come:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     early = list(came)
        ...     with let_come():
        ...         meanwhile = list(came)
        >>> [len(each) for each in (early, meanwhile, came)]
        [0, 1, 1]
        >>> _ = signal.signal(signal.SIGTERM, before)
    """
    if threading.current_thread() is not threading.main_thread():
        yield nullcontext
        return
    kept: list[int] = []
    before: dict[int, Any] = {}

    def hold() -> None:
        for number in _HELD:
            if signal.getsignal(number) is not None:  # else it isn't Python's, and couldn't be given back
                before[number] = signal.getsignal(number)
                signal.signal(number, lambda came, _frame: kept.append(came))

    def release() -> None:
        while before:
            signal.signal(*before.popitem())
        while kept:
            signal.raise_signal(kept.pop())

    @contextmanager
    def let_come() -> Iterator[None]:
        try:
            release()
            yield
        finally:
            hold()

    try:
        hold()
        yield let_come
    finally:
        release()
