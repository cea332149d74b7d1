"""Peak resident memory and speed of `clearcall sharpen` on 1080p files of different lengths.

python benchmarks/memory.py [--seconds 10 600] [--rate 30] [--model small]

Each run is a process of its own, so that its peak (the kernel's ru_maxrss) is its own. The clip has sound; ten
seconds of it are encoded once and repeated packet by packet.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from clearcall.benchmark.work import received_frame

WIDTH, HEIGHT, LOOP_SECONDS = 1920, 1080, 10


def encode_loop(path: Path, rate: int) -> None:
    """Ten seconds of a call that was sent at half its size, under a slowly moving camera, and a tone."""
    still = np.tile(received_frame(), (2, 2, 1))
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate, options={"preset": "veryfast", "crf": "26"})
        video.width, video.height = WIDTH, HEIGHT
        sound = container.add_stream("aac", rate=48000)
        for index in range(LOOP_SECONDS * rate):
            window = np.ascontiguousarray(still[index : index + HEIGHT, index : index + WIDTH])
            container.mux(video.encode(av.VideoFrame.from_ndarray(window, "rgb24")))
        container.mux(video.encode(None))
        tone = np.sin(np.arange(LOOP_SECONDS * 48000) / 20).astype(np.float32)
        for start in range(0, tone.size - 1024, 1024):
            frame = av.AudioFrame.from_ndarray(np.stack([tone[start : start + 1024]] * 2), "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def repeat(loop: Path, path: Path, seconds: int) -> None:
    with av.open(str(loop)) as source, av.open(str(path), "w") as container:
        streams = [container.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for round_number in range(seconds // LOOP_SECONDS):
            source.seek(0)
            for packet in source.demux():
                if packet.dts is None:
                    continue
                shift = round(round_number * LOOP_SECONDS / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream.index]
                container.mux(packet)


def in_another_process(work: Callable[..., None], *arguments: object) -> None:
    """Do what needs much memory elsewhere: the kernel counts a parent's peak as its children's."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the source can't be drawn")


def measure(source: Path, target: Path, model: str) -> tuple[float, float]:
    """Seconds and MiB of one run."""
    command = [sys.executable, "-m", "clearcall", "sharpen", source, "-o", target, "--model", model]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"clearcall ended with status {status}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 600], help="lengths, in tens of seconds")
    parser.add_argument("--rate", type=int, default=30, help="frames per second")
    parser.add_argument("--model", default="small")
    arguments = parser.parse_args()
    print("| video | frames | time | frames/s | peak memory |\n| ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        loop = Path(folder, "loop.mp4")
        in_another_process(encode_loop, loop, arguments.rate)
        for seconds in arguments.seconds:
            source = Path(folder, f"{seconds}.mp4")
            repeat(loop, source, seconds)
            taken, peak = measure(source, Path(folder, f"sharp-{seconds}.mp4"), arguments.model)
            frames = seconds * arguments.rate
            print(f"| {seconds} s | {frames} | {taken:.0f} s | {frames / taken:.1f} | {peak:.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()
