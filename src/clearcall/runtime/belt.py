"""A bounded queue between two threads that either of them can stop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_SLICE_SECONDS = 0.25


class BeltStopped(Exception):  # noqa: N818 - it is a signal between threads, not an error
    """The other side has stopped the belt."""


class Belt(Generic[T]):
    """Carries items in order from one thread to another, a bounded number at a time.

    Args:
        size: How many items it holds; ``put`` waits while it is full.

    Example:
        >>> belt = Belt[int](2)
        >>> belt.put(1), belt.put(2), belt.finish()
        (None, None, None)
        >>> list(belt)
        [1, 2]
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._stopped = False

    def put(self, item: T) -> None:
        """Append an item, waiting for room.

        Args:
            item: What to carry.

        Raises:
            BeltStopped: The belt was stopped.
        """
        with self._changed:
            self._wait_for(lambda: self._stopped or len(self._items) < self._size)
            if self._stopped:
                raise BeltStopped
            self._items.append(item)
            self._changed.notify_all()

    def finish(self) -> None:
        """Say that nothing more will be put; what is on the belt is still delivered."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Stop both sides at once; what is on the belt is dropped."""
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Deliver items until the belt is finished and empty.

        Raises:
            BeltStopped: The belt was stopped.
        """
        while True:
            with self._changed:
                self._wait_for(lambda: self._stopped or self._finished or bool(self._items))
                if self._stopped:
                    raise BeltStopped
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait in slices: a signal that comes just before a wait begins is only seen when it ends."""
        while not self._changed.wait_for(condition, _SLICE_SECONDS):
            pass
