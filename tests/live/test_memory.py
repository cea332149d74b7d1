"""Freed frames go back to the system, whatever small blocks lie between them."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FREE_FRAMES = """
import re, sys
import av
from clearcall.web.memory import return_freed_frames


def resident():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmRSS:\\s+(\\d+)", status.read())[1]) // 1024


if sys.argv[1] == "returned":
    return_freed_frames()
av.VideoFrame(1280, 720, "yuv420p")  # its end raises the threshold that glibc has by itself
before = resident()
frames, small = [], []
for _ in range(200):
    frames.append(av.VideoFrame(1280, 720, "yuv420p"))
    small.append(bytearray(3000))
    for plane in frames[-1].planes:
        plane.update(bytes(plane.buffer_size))
del plane
held = resident() - before
frames.clear()
print(held, resident() - before)
"""


def megabytes(how: str) -> tuple[int, int]:
    """What a process holds with 200 frames of 720p, and when it has freed them."""
    done = subprocess.run([sys.executable, "-c", FREE_FRAMES, how], capture_output=True, text=True, check=True)
    held, kept = map(int, done.stdout.split())
    return held, kept


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is told anything")
def test_freed_frames_go_back_to_the_system() -> None:
    held, kept = megabytes("returned")
    assert held > 200
    assert kept < 20
    assert megabytes("kept")[1] > 100, "glibc by itself gives them back, too: is there still anything to mend?"
