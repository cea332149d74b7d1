"""Restores a frame in its eight mirrored and turned views, and takes the mean."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

VIEWS = 8


def self_ensemble(restore: Callable[[Tensor], Tensor], frames: Tensor) -> Tensor:
    """Mean of what is restored from the eight mirrored and turned views of frames, each turned back.

    Geometric self-ensemble: Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution",
    CVPR 2016; the "+" of Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017.

    Args:
        restore: From (N, 3, H, W) to the same shape; called eight times, for four of them with H and W changed over.
        frames: (N, 3, H, W).

    Returns:
        (N, 3, H, W).

    Example:
        >>> darker = self_ensemble(lambda frames: frames / 2, torch.ones(1, 3, 4, 6))
        >>> darker.shape, darker.unique().tolist()
        (torch.Size([1, 3, 4, 6]), [0.5])
    """
    total = torch.zeros_like(frames)
    for turns in range(VIEWS // 2):
        turned = frames.rot90(turns, (2, 3))
        for view in ((), (3,)):
            total += restore(turned.flip(view)).flip(view).rot90(-turns, (2, 3))
    return total / VIEWS
