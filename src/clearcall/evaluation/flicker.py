"""Flicker: change from frame to frame that the truth does not have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearcall.evaluation.metrics import Frame, check_comparable, luma

PROTOCOL = "mean |change of the output - change of the truth| from frame to frame, BT.601 luma, 8-bit levels"


class Flicker:
    """Measures flicker over the consecutive frames of a clip.

    For each two neighbours: the mean over all pixels of ``|(p[t] - p[t-1]) - (s[t] - s[t-1])|``, ``p`` the luma
    (BT.601, 16-235, not rounded) of what is judged and ``s`` that of the truth; then the mean over the clip. A still
    error costs nothing, an error that comes and goes costs its height. It is the difference of temporal differences
    by which coding standards judge intra flicker, on all pixels instead of the static blocks alone.

    References:
        X. Fan, W. Gao, Y. Lu, D. Zhao, "Flicking reduction in all intra frame coding", JVT-E070, 2002.

    Example:
        >>> import numpy as np
        >>> still, meter = np.full((16, 16, 3), 100, np.uint8), Flicker()
        >>> for level in (100, 102, 100):
        ...     meter.add(np.full_like(still, level), still)
        >>> round(meter.mean, 3)
        1.718
    """

    def __init__(self) -> None:
        self._before: tuple[Frame, Frame] | None = None
        self._error: NDArray[np.float32] | None = None
        self._steps: list[float] = []

    def add(self, preds: Frame, target: Frame) -> None:
        """Take the next frame.

        Args:
            preds: Frame to judge, uint8 ``(height, width, 3)`` RGB.
            target: The ground truth, same shape.

        Raises:
            InputError: The frames can't be compared.
        """
        check_comparable(preds, target)
        if self._before is not None:
            last = self._error if self._error is not None else _error(*self._before)
            self._error = _error(preds, target)
            self._steps.append(float(np.abs(self._error - last).mean(dtype=np.float64)))
        self._before = preds, target  # a single frame costs nothing

    @property
    def mean(self) -> float | None:
        """Mean over all pairs of neighbours, in 8-bit levels; None before the second frame."""
        return sum(self._steps) / len(self._steps) if self._steps else None


def _error(preds: Frame, target: Frame) -> NDArray[np.float32]:
    return luma(preds) - luma(target)
