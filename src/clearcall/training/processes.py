"""How many processes train together, and which of them this is: told by ``torchrun``, SLURM or Lightning itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed
from lightning.fabric.utilities.rank_zero import rank_zero_only


def is_first() -> bool:
    """Whether this process is the one that makes folders and writes files."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


@contextmanager
def leaving_group() -> Iterator[None]:
    """Leave the group of processes that a training has joined, where it ends well.

    Lightning leaves groups of NCCL only. A process that exits within one of gloo aborts now and then ("terminate called
    without an active exception"): the group's threads still run.
    """
    was_in_one = _is_in_group()
    yield
    if _is_in_group() and not was_in_one:
        torch.distributed.destroy_process_group()


def _is_in_group() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


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
