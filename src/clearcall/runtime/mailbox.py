"""A mailbox of one between two threads: what isn't fetched in time is replaced by what is newer."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds the newest item only, so that a slow reader never falls behind.

    Example:
        >>> mailbox = Mailbox[int]()
        >>> mailbox.put(1), mailbox.put(2)
        (False, True)
        >>> mailbox.take()
        2
    """

    def __init__(self) -> None:
        self._items: list[T] = []
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Leave an item; never waits.

        Args:
            item: What to leave. It is dropped when the mailbox is closed.

        Returns:
            Whether an item was lost: the one that lay there, or this one when the mailbox is closed.
        """
        with self._changed:
            if self._closed:
                return True
            lost = bool(self._items)
            self._items[:] = [item]
            self._changed.notify()
            return lost

    def take(self) -> T | None:
        """Fetch the newest item, waiting for one.

        Returns:
            The item, or None once the mailbox is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._items)
            return None if self._closed else self._items.pop()

    def close(self) -> int:
        """Let the reader go; what lay there is dropped.

        Returns:
            How many items were dropped: 0 or 1.
        """
        with self._changed:
            self._closed = True
            lost = len(self._items)
            self._items.clear()
            self._changed.notify_all()
            return lost
