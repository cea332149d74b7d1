"""How many processes train together, and which of them this is: told by ``torchrun``, SLURM or Lightning itself."""

from __future__ import annotations

import os

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only


def is_first() -> bool:
    """Whether this process is the one that makes folders and writes files."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def devices(asked: str) -> int | str:
    """Devices per machine: what the user asks for, else what ``torchrun`` has started, else Lightning's choice.

    Example:
        >>> devices("2")
        2
    """
    if asked != "auto":
        return int(asked)
    started = os.environ.get("LOCAL_WORLD_SIZE")
    return int(started) if started else "auto"


def nodes(asked: int) -> int:
    """Machines: what the user asks for, else what ``torchrun`` or SLURM has started.

    Example:
        >>> nodes(3)
        3
    """
    if asked:
        return asked
    total, local = os.environ.get("WORLD_SIZE"), os.environ.get("LOCAL_WORLD_SIZE")
    if total and local:
        return int(total) // int(local)
    return int(os.environ.get("SLURM_NNODES", "1"))


def gpu() -> torch.device | None:
    """The GPU that this process trains on, as Lightning chooses it; None: the CPU trains."""
    if not torch.cuda.is_available():
        return None
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
