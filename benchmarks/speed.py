"""How long one 1920x1080 frame takes: clearcall beside FFmpeg's filters, on the same frames, interleaved in one run.

python benchmarks/speed.py [--model small] [--rounds 60] [--threads 2] [--json FILE]

Every round times each candidate once, so that a busy moment of the machine hits all of them. `cas` and `unsharp`
are given planar frames that they take without conversion and their output is left where it is: their own price
alone. clearcall pays for everything from a uint8 RGB array to a new uint8 RGB array.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
from av.filter import Graph

import clearcall
from clearcall.demo.scene import CallScene

WIDTH, HEIGHT = 1920, 1080
WARM_UP = 5


def filter_on(name: str, options: str, layout: str, threads: int) -> Callable[[av.VideoFrame], object]:
    graph = Graph()
    graph.threads = threads
    source = graph.add("buffer", f"video_size={WIDTH}x{HEIGHT}:pix_fmt={layout}:time_base=1/30:pixel_aspect=1/1")
    sharpen = graph.add(name, options)
    source.link_to(sharpen)
    sharpen.link_to(graph.add("buffersink"))
    graph.configure()

    def run(frame: av.VideoFrame) -> object:
        graph.vpush(frame)
        return graph.vpull()

    return run


def candidates(model: str, threads: int, frames: list[np.ndarray]) -> dict[str, Callable[[int], object]]:
    sharpener = clearcall.load(model, threads=threads)
    rgb = [av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames]
    planar = {layout: [frame.reformat(format=layout) for frame in rgb] for layout in ("gbrp", "yuv420p")}
    found: dict[str, Callable[[int], object]] = {
        f"clearcall {model}, RGB to RGB": lambda i: sharpener.sharpen(frames[i % len(frames)])
    }
    for name, options in (("cas", "0.5"), ("unsharp", "5:5:1.5:5:5:0")):
        for layout, stored in planar.items():
            run = filter_on(name, options, layout, threads)
            found[f"FFmpeg {name}, {layout}"] = lambda i, run=run, stored=stored: run(stored[i % len(stored)])
    return found


def measure(work: dict[str, Callable[[int], object]], rounds: int) -> dict[str, np.ndarray]:
    times: dict[str, list[float]] = {name: [] for name in work}
    for index in range(rounds + WARM_UP):
        for name, run in work.items():
            started = time.perf_counter()
            run(index)
            times[name].append((time.perf_counter() - started) * 1e3)
    return {name: np.array(values[WARM_UP:]) for name, values in times.items()}


def machine(threads: int) -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("openvino", "av", "numpy"))
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {threads} threads; Python {platform.python_version()}, {packages}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="small")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    frames = list(CallScene(HEIGHT, frames=8))
    times = measure(candidates(options.model, options.threads, frames), options.rounds)
    ours, *_ = times
    rows = {
        name: {
            "median_ms": round(float(np.median(values)), 2),
            "p5_ms": round(float(np.percentile(values, 5)), 2),
            "p95_ms": round(float(np.percentile(values, 95)), 2),
            "clearcall_ratio": round(float(np.median(times[ours] / values)), 3),
        }
        for name, values in times.items()
    }
    print(machine(options.threads))
    print(f"{'1920x1080, milliseconds a frame':40} {'median':>8} {'5 %':>8} {'95 %':>8} {'ours / it':>10}")
    for name, row in rows.items():
        print(f"{name:40} {row['median_ms']:8} {row['p5_ms']:8} {row['p95_ms']:8} {row['clearcall_ratio']:10}")
    if options.json:
        content = {"machine": machine(options.threads), "rounds": options.rounds, "rows": rows}
        options.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
