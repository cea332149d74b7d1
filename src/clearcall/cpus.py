"""How many CPUs this process may use, which can be fewer than the computer has, and with which right."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/")
_TASKS: Final = Path("/proc/self/task")


def usable_cpus(root: Path = _ROOT) -> int:
    """Count the CPUs that this process may run on and that its container's quota pays for.

    A container's quota is found in its control group and those above it, of version 1 or 2 (Linux kernel
    documentation, ``admin-guide/cgroup-v2`` and ``scheduler/sched-bwc``); part of a CPU counts as a whole one.

    Args:
        root: Where ``proc`` and ``sys`` are found.

    Returns:
        At least 1.

    Example:
        >>> 1 <= usable_cpus() <= os.cpu_count()
        True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> list[float]:
    """Quotas in CPUs, of every control group that this process belongs to."""
    quotas = []
    for folder in _groups(root):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quotas.append(_quota(folder))
    return [quota for quota in quotas if quota > 0]


def _groups(root: Path) -> list[Path]:
    """The folders that may limit this process: of its control groups, and those above them."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if not controllers or "cpu" in controllers.split(","):
            top = root / "sys/fs/cgroup" / controllers
            group = top / path.strip("/")
            found += [group, *(folder for folder in group.parents if folder.is_relative_to(top))]
    return found


def _quota(folder: Path) -> float:
    """CPUs that a control group may use; -1 or an error where it has no limit."""
    if (folder / "cpu.max").exists():
        quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
    else:
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period"))
    return float(quota) / float(period)


@contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """Let no library claim the CPUs: each thread of this process that it makes urgent is put back afterwards.

    SVT-AV1, opened by root, gives real-time priority to its threads and to the one that opens it, which then keeps
    every other process of the computer from its CPU. Elsewhere than on Linux nothing is done.

    Example:
        >>> with ordinary_scheduling():
        ...     pass
    """
    if not hasattr(os, "sched_setscheduler") or not _TASKS.is_dir():
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in _TASKS.iterdir():
            with suppress(OSError):  # a thread that has ended meanwhile
                if os.sched_getscheduler(int(task.name)) != policy:
                    os.sched_setscheduler(int(task.name), policy, parameters)
