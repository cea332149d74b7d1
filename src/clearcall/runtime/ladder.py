"""The overload ladder: when to fall back to something cheaper, and when to try the better thing again."""

from __future__ import annotations

from typing import Final

_LATE_POINTS: Final = 2
_HEAVIEST: Final = 3
_DOWN_AT: Final = 20
"""A late frame adds two points and a timely one takes one away: ten late frames in a row step down, and so does
a longer run in which more than a third are late."""


class Ladder:
    """Steps down after several late frames, and up again only after a sustained quiet spell.

    The quiet spell doubles each time the better level fails again soon after it came back, so that a computer that
    can't carry it doesn't flicker between two levels.

    Args:
        lowest: The lowest level; 0 is the best.
        quiet: Seconds without a late frame before a better level is tried.
        longest_quiet: What the doubling stops at.

    Example:
        >>> ladder = Ladder(lowest=1, quiet=5.0)
        >>> [ladder.observe(late=True, now=0.1 * i) for i in range(10)]
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        >>> ladder.observe(late=False, now=4.0), ladder.observe(late=False, now=6.0)
        (1, 0)
    """

    def __init__(self, lowest: int, *, quiet: float = 5.0, longest_quiet: float = 120.0) -> None:
        self._lowest = lowest
        self._shortest_quiet = quiet
        self._longest_quiet = longest_quiet
        self._quiet = quiet
        self._points = 0
        self._calm_since: float | None = None
        self._came_back: float | None = None
        self.level = 0

    def observe(self, *, late: bool, now: float, weight: int = 1) -> int:
        """Take note of a frame.

        Args:
            late: Whether the frame took longer than it may.
            weight: For how many late frames it counts, where it was very late; at most three.
            now: Seconds on any clock that only goes forward.

        Returns:
            The level for the next frame.
        """
        if late or self._calm_since is None:
            self._calm_since = now
        self._points = max(0, self._points + (_LATE_POINTS * min(weight, _HEAVIEST) if late else -1))
        if self._points >= _DOWN_AT and self.level < self._lowest:
            self._step_down(now)
        elif self.level > 0 and now - self._calm_since >= self._quiet:
            self._step_up(now)
        return self.level

    def _step_down(self, now: float) -> None:
        relapsed = self._came_back is not None and now - self._came_back < 2 * self._quiet
        self._quiet = min(2 * self._quiet, self._longest_quiet) if relapsed else self._shortest_quiet
        self.level += 1
        self._points = 0
        self._calm_since = now

    def _step_up(self, now: float) -> None:
        self.level -= 1
        self._points = 0
        self._calm_since = self._came_back = now
