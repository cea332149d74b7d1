"""OpenVINO is loaded without its telemetry, seen from outside: a process of its own, and what it starts."""

import subprocess
import sys

CODE = """
import multiprocessing, subprocess, sys, threading

class Started(Exception): pass

def refuse(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "socket.connect", "socket.getaddrinfo"):
        raise Started(event, arguments)

sys.addaudithook(refuse)
{statement}
assert not any(name.startswith("openvino_telemetry") for name in sys.modules), "telemetry was loaded"
print(*(thread.name for thread in threading.enumerate()), len(multiprocessing.active_children()))
"""


def run(statement: str) -> str:
    command = [sys.executable, "-c", CODE.format(statement=statement)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_sharpening_loads_no_telemetry_and_starts_nothing():
    said = run("import clearcall, numpy; clearcall.load().sharpen(numpy.zeros((8, 8, 3), 'uint8'), 0.5)")
    assert said.split() == ["MainThread", "0"]


def test_the_converter_is_loaded_only_when_someone_asks_for_it():
    said = run(
        "from clearcall.runtime.quiet import load_openvino; openvino = load_openvino()\n"
        "assert not any(name.startswith('openvino.tools.ovc') for name in sys.modules), 'the converter was loaded'\n"
        "assert callable(openvino.convert_model) and not hasattr(openvino, 'convert_everything')\n"
        "from openvino import convert_model; assert convert_model is openvino.convert_model"
    )
    assert said.split() == ["MainThread", "0"]


def test_telemetry_that_is_there_already_is_left_to_its_owner():
    code = (
        "import openvino_telemetry; from clearcall.runtime.quiet import load_openvino; print(load_openvino().__name__)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["openvino"]
