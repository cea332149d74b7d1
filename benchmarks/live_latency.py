"""How long a live frame takes, and whether that grows: three parts, each with a machine line and JSON.

    python benchmarks/live_latency.py sessions [--seconds 600] [--sessions 3] [--size 1280x720] [--rate 30]
    python benchmarks/live_latency.py frame    [--seconds 60] [--size 1920x1080] [--rate 30] [--runtime-only]
    python benchmarks/live_latency.py command  [--seconds 60] [--size 1280x720] [--rate 30] [--source test]

``sessions`` keeps `clearcall serve` under a load that the computer can't carry. Two intervals are noted: the server's
own (from a frame's decoding until the sharpened one is ready for the encoder; smoothed, as the server tells it once a
second) and the round trip of every frame (from its sending here until it is back and decoded here, by the number that
is painted into it as a bar code). The server's resident memory is told before the first call, after each minute and at
the end.

``frame`` is one 1080p call. First the runtime's live path in this process, frame by frame: from handing the decoder's
yuv420p frame to ``LiveStream.submit`` until ``deliver`` has the sharpened yuv420p frame (waiting, packing the planes,
the model, unpacking). The load is the call's own: VP8 is decoded at its pace in another thread. Then the same call as
one WebRTC session, as in ``sessions``.

``command`` is `clearcall live SOURCE --to -` with a reader that throws everything away: frames a second, milliseconds
per frame, real-time factor, drops and the processor time of it all.

What is sent was coded before, so that the peers' own work is small. Whether latency grows is told by the least-squares
slope of its medians over each second (all sessions together, the first ten seconds left out), with a 95 % interval by
moving-block bootstrap (blocks of 30 s; ``clearcall.evaluation.interval.slope_interval``). It is flat when the upper end
means less than one frame's interval over the whole time; else the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "live"))

from coded_call import LOOP, number_of, record
from webrtc_peer import Pace, Peer, Served, served

from clearcall.benchmark.speed import machine
from clearcall.evaluation.interval import slope_interval
from clearcall.runtime.camera import open_source
from clearcall.runtime.live import LiveSession, LiveStatus
from clearcall.runtime.pixels import Pixels, pixels_of, to_video_frame
from clearcall.runtime.sink import Y4MPipe
from clearcall.runtime.stream import LiveStream

TENTHS = 10
WARM_UP_SECONDS = 10.0
BOOTSTRAP_SECONDS = 30
LATE_MS = 33.0
"""The bar of one live frame's 95th percentile: the time between two frames at 30 frames/s."""

Samples = list[tuple[float, float]]
"""Seconds since the start, and milliseconds."""
Memory = list[tuple[float, int]]
"""Seconds since the start, and megabytes."""


# Sessions with the server.


class Recording(MediaStreamTrack):
    """Sends coded frames at their pace, again and again."""

    kind = "video"

    def __init__(self, coded: list[bytes], rate: int, pace: Pace) -> None:
        super().__init__()
        self._coded, self._rate, self._pace = coded, rate, pace
        self._number = -1

    async def recv(self) -> av.Packet:
        self._number += 1
        await self._pace.wait_until(self._number / self._rate)
        packet = av.Packet(self._coded[self._number % LOOP])
        packet.pts, packet.time_base = self._number, Fraction(1, self._rate)
        return packet


class TimedPeer(Peer):
    """Notes how long each frame was on its way, and what the server tells of itself."""

    def watch(self, pace: Pace, rate: int) -> None:
        self.trips: Samples = []
        self.delays: Samples = []
        self.running: list[str] = []
        self._pace, self._rate = pace, rate
        self._seen = 0

    def note(self) -> None:
        new = self.count - self._seen
        self._seen = self.count
        for at, frame in self.frames[-new:] if new else []:
            returned = self._pace.seconds() - (time.monotonic() - at)
            trip = (returned - number_of(frame) / self._rate) % (LOOP / self._rate)
            self.trips.append((returned, 1e3 * trip))
        stats = self.latest_stats()
        if stats:
            self.delays.append((self._pace.seconds(), stats["latency_ms"]))
            self.running.append(stats["running"])
        del self.messages[:-20]


async def load(server: Served, coded: list[bytes], options: argparse.Namespace) -> tuple[list[TimedPeer], Memory]:
    """Call the server with all sessions and keep it up; gives the peers and the server's memory about each second."""
    peers: list[TimedPeer] = []
    memory: Memory = [(0.0, megabytes(server))]
    for _ in range(options.sessions):
        peer, pace = TimedPeer(keep=200), Pace()
        peer.watch(pace, options.rate)
        await peer.call(server, Recording(coded, options.rate, pace))
        peers.append(peer)
    started = time.monotonic()
    while time.monotonic() - started < options.seconds:
        await asyncio.sleep(1)
        for peer in peers:
            peer.note()
        memory.append((time.monotonic() - started, megabytes(server)))
    for peer in peers:
        await peer.hang_up()
    return peers, memory


def megabytes(server: Served) -> int:
    return server.resident_bytes() // 2**20


def over_time(memory: Memory) -> dict[str, Any]:
    """What a server held before the first call, after each whole minute, and at the end."""
    whole_minutes = range(60, int(memory[-1][0]) + 1, 60)
    each = [next(held for at, held in memory if at >= second) for second in whole_minutes]
    return {"start": memory[0][1], "each_minute": each, "end": memory[-1][1]}


def call(coded: list[bytes], options: argparse.Namespace) -> dict[str, Any]:
    """The figures of WebRTC sessions."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), "--sessions", str(options.sessions)) as server:
        peers, memory = asyncio.run(load(server, coded, options))
        frames = {k: server.metric(f'frames_total{{kind="{k}"}}') for k in ("in", "out", "dropped", "sharpened")}
    running = [name for peer in peers for name in peer.running]
    return {
        "round_trip": describe([trip for peer in peers for trip in peer.trips], options.seconds),
        "server": describe([delay for peer in peers for delay in peer.delays], options.seconds),
        "frames": frames,
        "seconds_by_model": {name: running.count(name) for name in sorted(set(running))},
        "megabytes": over_time(memory),
    }


# The runtime's own live path.


@dataclass(frozen=True)
class Handed:
    """A decoded frame, and when it was handed over."""

    frame: av.VideoFrame
    at: float


class Timer:
    """Takes what the live path delivers, as a session does, and notes how long it took."""

    def __init__(self) -> None:
        self.started = 0.0
        self.sharpened: Samples = []
        self.passed = 0

    def deliver(self, handed: Handed, sharp: Pixels | None) -> None:
        if sharp is None:
            self.passed += 1
            return
        to_video_frame(sharp, handed.frame)
        self.sharpened.append((handed.at - self.started, 1e3 * (time.monotonic() - handed.at)))


def arrivals(coded: list[bytes], options: argparse.Namespace) -> Iterator[av.VideoFrame]:
    """Decode the coded frames, each when its time has come."""
    decoder = av.CodecContext.create("vp8", "r")
    started = time.monotonic()
    for number in range(int(options.seconds * options.rate)):
        time.sleep(max(0.0, started + number / options.rate - time.monotonic()))
        yield from decoder.decode(av.Packet(coded[number % LOOP]))


def through_runtime(coded: list[bytes], options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one call's frames in ``LiveStream``, without a network."""
    timer = Timer()
    [first] = av.CodecContext.create("vp8", "r").decode(av.Packet(coded[0]))
    stream = LiveStream[Handed](timer.deliver, to_pixels=lambda handed: pixels_of(handed.frame), on_message=tell)
    with stream:
        stream.prepare(pixels_of(first))
        timer.started = time.monotonic()
        for frame in arrivals(coded, options):
            stream.submit(Handed(frame, time.monotonic()))
    stats = stream.stats()
    stages = {stage: round(1e3 * seconds / stats.frames_out, 2) for stage, seconds in stats.stage_seconds.items()}
    counts = {"in": stats.frames_in, "sharpened": stats.frames_sharpened, "passed": timer.passed}
    counts["dropped"] = stats.frames_dropped
    return {"frame": describe(timer.sharpened, options.seconds), "frames": counts, "stage_ms": stages}


def tell(message: str) -> None:
    print(message, file=sys.stderr)


# `clearcall live`.


def run_command(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of a session of `clearcall live` that shows nothing."""
    rate = Fraction(options.rate)
    session = LiveSession(lambda: open_source(options.source, size=options.size, rate=rate))
    twice_a_second: list[LiveStatus] = []
    with Path(os.devnull).open("wb") as nowhere:
        clock, processor = time.monotonic(), time.process_time()
        summary = session.run(
            Y4MPipe(nowhere), seconds=options.seconds, on_status=twice_a_second.append, on_message=tell
        )
        clock, processor = time.monotonic() - clock, time.process_time() - processor
    if summary.error is not None:
        raise summary.error
    times = [(status.seconds, status.frame_ms) for status in twice_a_second]
    return {
        "frame_rate": round(summary.frame_rate, 2),
        "frame_ms": round(summary.frame_ms, 2),
        "real_time_factor": round(summary.real_time_factor, 3),
        "frames": {"shown": summary.shown, "sharpened": summary.sharpened, "dropped": summary.dropped},
        "processors": round(processor / clock, 2),
        "half_seconds": describe(times, options.seconds),
    }


# What the samples say.


def describe(samples: Samples, seconds: float) -> dict[str, Any]:
    """Percentiles, tenths of the time, and the slope; the warm-up is left out of all but the tenths."""
    kept = [(at, ms) for at, ms in samples if at >= min(WARM_UP_SECONDS, seconds / TENTHS)]
    values = [ms for _, ms in kept]
    percentiles = np.percentile(values, [50, 95, 99, 100]) if values else [float("nan")] * 4
    names = ("median_ms", "p95_ms", "p99_ms", "most_ms")
    return {
        "samples": len(values),
        **{name: round(float(value), 1) for name, value in zip(names, percentiles, strict=True)},
        "slope_ms_per_minute": asdict(slope_of(kept)),
        "tenths": tenths(samples, seconds),
    }


def slope_of(samples: Samples) -> Any:
    """How many milliseconds are added in a minute, by the medians of the seconds."""
    seconds = defaultdict(list)
    for at, ms in samples:
        seconds[int(at)].append(ms)
    minutes, medians = [at / 60 for at in sorted(seconds)], [float(np.median(seconds[at])) for at in sorted(seconds)]
    return slope_interval(minutes, medians, block=BOOTSTRAP_SECONDS)


def tenths(samples: Samples, seconds: float) -> list[dict[str, float]]:
    rows = []
    for part in range(TENTHS):
        inside = [ms for at, ms in samples if seconds * part <= TENTHS * at < seconds * (part + 1)]
        middle, high = np.percentile(inside, [50, 95]) if inside else (float("nan"), float("nan"))
        rows.append({"median_ms": round(float(middle), 1), "p95_ms": round(float(high), 1)})
    return rows


def show(title: str, found: dict[str, Any], seconds: float) -> None:
    slope = found["slope_ms_per_minute"]
    print(f"{title}: median {found['median_ms']} ms, 95 % {found['p95_ms']} ms, 99 % {found['p99_ms']} ms", end=", ")
    print(f"most {found['most_ms']} ms ({found['samples']} samples)")
    print("  tenths of the time, median/95 %:", *(f"{t['median_ms']}/{t['p95_ms']}" for t in found["tenths"]))
    print(f"  slope {slope['mean']:+.3f} ms a minute (95 %: {slope['low']:+.3f} to {slope['high']:+.3f})", end="; ")
    most = growth(found, seconds)
    bound = f"grows by {most:+.1f} ms at most" if np.isfinite(most) else "can't be bounded, the run is too short"
    print(f"over {seconds / 60:.1f} minutes it {bound}")


def growth(found: dict[str, Any], seconds: float) -> float:
    """The most milliseconds that are added over the whole time, at the upper end of the slope's interval."""
    return float(found["slope_ms_per_minute"]["high"]) * seconds / 60


def show_call(found: dict[str, Any], options: argparse.Namespace) -> None:
    show("round trip by WebRTC, both codings included", found["round_trip"], options.seconds)
    show("in the server, decoded to ready for the encoder", found["server"], options.seconds)
    print("  frames:", ", ".join(f"{kind} {count:g}" for kind, count in found["frames"].items()), end="; ")
    print("seconds by what ran:", found["seconds_by_model"])
    memory = found["megabytes"]
    print(f"  server's memory: {memory['start']} MB before the first call,", end=" ")
    print(f"after each minute {memory['each_minute']} MB, at the end {memory['end']} MB")


# The parts.


def sessions(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    found = call(record(*options.size, options.rate), options)
    show_call(found, options)
    return found, is_flat(found["round_trip"], options) and is_flat(found["server"], options)


def frame(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    options.sessions = 1
    coded = record(*options.size, options.rate)
    runtime = through_runtime(coded, options)
    show("in the runtime, handed over to sharpened", runtime["frame"], options.seconds)
    print(f"  frames: {runtime['frames']}; milliseconds a stage: {runtime['stage_ms']}")
    runtime["bar_met"] = runtime["frame"]["p95_ms"] < LATE_MS and is_sharp(runtime["frames"])
    print(f"  95 % of frames under {LATE_MS:g} ms, and 99 % of all sharpened: {'yes' if runtime['bar_met'] else 'no'}")
    found = {"runtime": runtime}
    if not options.runtime_only:
        found["webrtc"] = call(coded, options)
        show_call(found["webrtc"], options)
    return found, is_flat(runtime["frame"], options)


def is_sharp(frames: dict[str, int]) -> bool:
    return frames["sharpened"] >= 0.99 * frames["in"]


def command(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    found = run_command(options)
    print(f"{found['frame_rate']} frames/s, {found['frame_ms']} ms a frame,", end=" ")
    print(f"real-time factor {found['real_time_factor']}, {found['processors']} processors busy")
    print(f"  frames: {found['frames']}")
    show("milliseconds a frame, twice a second", found["half_seconds"], options.seconds)
    return found, is_flat(found["half_seconds"], options)


def is_flat(found: dict[str, Any], options: argparse.Namespace) -> bool:
    return growth(found, options.seconds) < 1e3 / options.rate


PARTS = {sessions: ("1280x720", 600), frame: ("1920x1080", 60), command: ("1280x720", 60)}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    for part, (size, seconds) in PARTS.items():
        one = parts.add_parser(part.__name__)
        one.add_argument("--seconds", type=float, default=seconds)
        one.add_argument("--size", type=lambda text: tuple(map(int, text.split("x"))), default=size)
        one.add_argument("--rate", type=int, default=30)
        one.add_argument("--json", type=Path)
        one.set_defaults(run=part)
        if part is sessions:
            one.add_argument("--sessions", type=int, default=3)
        if part is frame:
            one.add_argument("--runtime-only", action="store_true", help="without the WebRTC session after it")
        if part is command:
            one.add_argument("--source", default="test", help="what `clearcall live` takes [test]")
    return parser.parse_args()


def finite(content: Any) -> Any:
    """JSON has no infinity and no NaN: None stands for what is not known."""
    if isinstance(content, dict):
        return {name: finite(value) for name, value in content.items()}
    if isinstance(content, list):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content


def main() -> None:
    options = read_options()
    told = {name: value for name, value in vars(options).items() if name not in ("run", "json")}
    computer = f"{machine(len(os.sched_getaffinity(0)))}; load {os.getloadavg()[0]:.1f}"
    print(computer, told, sep="\n")
    found, flat = options.run(options)
    if options.json:
        content = {"machine": computer, "options": told, **found, "flat": flat}
        options.json.write_text(json.dumps(finite(content), indent=2) + "\n")
    if not flat:
        sys.exit("not shown to be flat: it may grow by a frame's interval or more (too short a run shows nothing)")


if __name__ == "__main__":
    main()
