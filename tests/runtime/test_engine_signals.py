"""Models that come and go leave a process that signals reach: seen in processes of their own, which crashed else."""

import itertools
import os
import subprocess
import sys

import pytest

CODE = """
import gc, signal, sys
from pathlib import Path
import clearcall, numpy
from clearcall.runtime.engine import OpenVINOEngine

graph = Path(clearcall.__file__).with_name("bundles") / "nano" / "nano.int8.onnx"
engines = {name: OpenVINOEngine(graph.read_bytes()) for name in "abc"}
for engine in engines.values():
    engine.infer(numpy.zeros((16, 16, 3), "uint8"), 1.0)
del engine
for name in sys.argv[1]:
    del engines[name]
    gc.collect()
    signal.signal(signal.SIGTERM, lambda number, _: print(number, flush=True))
    signal.raise_signal(signal.SIGTERM)
"""


@pytest.mark.parametrize("order", itertools.permutations("abc"), ids="".join)
def test_signals_come_whichever_model_goes_first(order: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", CODE, "".join(order)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split()) == (0, ["15"] * 3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
def test_a_fork_sharpens_by_a_core_of_its_own() -> None:
    code = (
        "import os, numpy, clearcall; frame = numpy.full((16, 16, 3), 99, 'uint8'); sharp = clearcall.load('nano')\n"
        "expected = sharp.sharpen(frame)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(int((clearcall.load('nano').sharpen(frame) != expected).any()))\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=100).returncode == 0
