"""File to file: H.264 1080p30 in, H.264 out, `clearcall sharpen` beside `ffmpeg -vf cas`, interleaved in one run.

python benchmarks/files.py [--source FILE] [--seconds 10] [--rounds 5] [--presets veryfast ultrafast] [--cores 2]
                           [--json FILE]

Each run is a process of its own with the same source, encoder, preset and CRF; the whole command is timed, start
included. Its processor time (of all cores, user and system) and its peak memory (ru_maxrss) are the kernel's; the
processor time says on a busy machine what the seconds say on a quiet one. The source is the demo's call, or a file of
yours. `first frame` is the time from the start of `clearcall sharpen CALL -o -` to the first frame out of it, with no
compiled graph on disk and with one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from memory import in_another_process

from clearcall.benchmark.speed import machine
from clearcall.benchmark.work import received
from clearcall.cpus import usable_cpus
from clearcall.demo.scene import CallScene
from clearcall.media.video import VideoSink, VideoSource

HEIGHT, RATE, CRF = 1080, 30, 18
MOST_TO_CAS = 1.25
SCENE_FRAMES = 120


@dataclass
class Runs:
    """What the runs of one command took."""

    command: list[str]
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)

    def once(self) -> None:
        started = time.perf_counter()
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(self.command)} ended with status {status}")
        self.seconds.append(time.perf_counter() - started)
        self.cpu_seconds.append(usage.ru_utime + usage.ru_stime)
        self.mebibytes.append(usage.ru_maxrss / 1024)


def draw(path: Path, seconds: int) -> None:
    """The demo's call, forth and back, sent at half its size and recorded at full size as H.264."""
    scene = [received(frame) for frame in CallScene(HEIGHT, frames=min(SCENE_FRAMES, seconds * RATE))]
    loop = scene + scene[-2:0:-1]
    height, width, _ = scene[0].shape
    with VideoSink(
        path, width=width, height=height, rate=Fraction(RATE), crf=23, options={"preset": "veryfast"}
    ) as sink:
        for index in range(seconds * RATE):
            sink.write(loop[index % len(loop)])


def commands(source: Path, folder: Path, preset: str, model: str) -> dict[str, Runs]:
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", str(source)]
    coding = ["-c:v", "libx264", "-preset", preset, "-crf", str(CRF)]
    ours = [sys.executable, "-m", "clearcall", "sharpen", str(source), "-o", str(folder / f"ours-{preset}.mp4")]
    return {
        f"{preset}: clearcall {model}": Runs([*ours, "--preset", preset, "--force", "--model", model]),
        f"{preset}: ffmpeg -vf cas": Runs([*ffmpeg, "-vf", "cas", *coding, str(folder / f"cas-{preset}.mp4")]),
        f"{preset}: ffmpeg, no filter": Runs([*ffmpeg, *coding, str(folder / f"plain-{preset}.mp4")]),
    }


def first_frame(source: Path, cache: Path, model: str) -> dict[str, float]:
    """Seconds from the start of the program to its first frame."""
    command = [sys.executable, "-m", "clearcall", "sharpen", str(source), "-o", "-", "--model", model]
    found = {}
    for state in ("cold", "warm"):
        started = time.perf_counter()
        environment = os.environ | {"CLEARCALL_CACHE": str(cache)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        process.stdout.read(1920 * 1080)
        found[state] = time.perf_counter() - started
        process.stdout.close()
        process.wait()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="a video of yours; by default the demo's call is drawn")
    parser.add_argument("--seconds", type=int, default=10, help="length of the drawn call")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--presets", nargs="+", default=["veryfast", "ultrafast"])
    parser.add_argument("--cores", type=int, default=2, help="that every command may use")
    parser.add_argument("--model", default="small")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = options.source or folder / "call.mp4"
        if not options.source:
            in_another_process(draw, source, options.seconds)
        with VideoSource(source) as video:
            frames = sum(1 for _ in video.frames())
        work: dict[str, Runs] = {}
        for preset in options.presets:
            work |= commands(source, folder, preset, options.model)
        for _ in range(options.rounds):
            for runs in work.values():
                runs.once()
        first = first_frame(source, folder / "cache", options.model)
    rows = {name: describe(name, runs, frames, work) for name, runs in work.items()}
    print(machine(usable_cpus()))
    print(f"{source.name}, {frames} frames, {options.rounds} rounds; whole commands, start included\n")
    print("| command | seconds, median | least to most | frames/s | to `cas` | CPU ms a frame | to `cas` | peak MiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, row in rows.items():
        print(
            f"| {name} | {row['median']:.2f} | {row['least']:.2f} to {row['most']:.2f} | {row['fps']:.1f} "
            f"| {row['to_cas']:.2f} | {row['cpu_ms']:.1f} | {row['cpu_to_cas']:.2f} | {row['peak_mib']:.0f} |"
        )
    for name, row in rows.items():
        if "clearcall" in name:
            print(f"\n{verdict(name, row)}")
    print(f"\nfirst frame: {first['cold']:.2f} s cold, {first['warm']:.2f} s with the compiled graph on disk")
    if options.json:
        content = {
            "machine": machine(usable_cpus()),
            "frames": frames,
            "rows": rows,
            "first_frame": first,
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n")


def verdict(name: str, row: dict[str, float]) -> str:
    """What was found beside what is wanted: no more than 1.25 times `cas`; with ultrafast 30 frames/s."""
    if name.startswith("ultrafast"):
        return f"{name}: {row['fps']:.1f} frames/s, at least {RATE}: {'met' if row['fps'] >= RATE else 'MISSED'}"
    found = row["to_cas"]
    return f"{name}: {found:.2f} x cas, at most {MOST_TO_CAS}: {'met' if found <= MOST_TO_CAS else 'MISSED'}"


def describe(name: str, runs: Runs, frames: int, work: dict[str, Runs]) -> dict[str, float]:
    median = float(np.median(runs.seconds))
    cas = work[f"{name.partition(':')[0]}: ffmpeg -vf cas"]
    cpu = float(np.median(runs.cpu_seconds))
    return {
        "median": median,
        "least": min(runs.seconds),
        "most": max(runs.seconds),
        "fps": frames / median,
        "to_cas": median / float(np.median(cas.seconds)),
        "cpu_ms": cpu / frames * 1e3,
        "cpu_to_cas": cpu / float(np.median(cas.cpu_seconds)),
        "peak_mib": max(runs.mebibytes),
    }


if __name__ == "__main__":
    main()
