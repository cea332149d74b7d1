"""The engine's threads run on any CPU that the process may use."""

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import clearcall


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the CPUs of a thread")
@pytest.mark.parametrize("threads", [1, 2])
def test_no_thread_is_bound_to_some_cpus(threads):
    """Bound threads of two sessions would share one CPU while another is idle."""
    sharpener = clearcall.load("small", threads=threads, device="cpu")
    frame = np.zeros((360, 640, 3), np.uint8)
    work = threading.Thread(target=lambda: [sharpener.sharpen(frame) for _ in range(10)])
    work.start()
    seen = set()
    while work.is_alive():
        for task in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):
                seen.add(frozenset(os.sched_getaffinity(int(task.name))))
    assert seen == {frozenset(os.sched_getaffinity(0))}
