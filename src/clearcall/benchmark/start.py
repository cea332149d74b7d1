"""How long a new program waits for its first frame: with nothing compiled before, and with the graph in the cache."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from clearcall.benchmark.work import received_frame

_FIRST_FRAME: Final = """
import sys, time
import numpy, clearcall
frame = numpy.load(sys.argv[2])
sharp = clearcall.load(sys.argv[1], device="cpu").sharpen(frame)
finished = time.time()
assert (sharp != frame).any(), "nothing was sharpened"
print(finished)
"""


def measure_start(model: str, tries: int = 5) -> tuple[float, float]:
    """Measure from the start of a Python process to its first 1080p frame.

    Args:
        model: Name of a bundled model.
        tries: How often; the median counts.

    Returns:
        Seconds without and with a compiled graph in the cache.

    Raises:
        subprocess.CalledProcessError: The program that is timed fails.
    """
    cold, warm = [], []
    for _ in range(tries):
        with tempfile.TemporaryDirectory() as cache:
            frame = Path(cache) / "frame.npy"
            np.save(frame, received_frame())
            cold.append(_first_frame(model, cache, frame))
            warm.append(_first_frame(model, cache, frame))
    return float(np.median(cold)), float(np.median(warm))


def _first_frame(model: str, cache: str, frame: Path) -> float:
    command = [sys.executable, "-c", _FIRST_FRAME, model, str(frame)]
    environment = {**os.environ, "CLEARCALL_CACHE": cache}
    started = time.time()
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(run.stdout) - started
