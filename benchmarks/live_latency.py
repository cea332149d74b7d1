"""Latency of WebRTC sessions under a load that the computer can't carry: it must stay flat.

python benchmarks/live_latency.py [--seconds 600] [--sessions 3] [--size 1280x720] [--rate 30] [--json FILE]

Starts `clearcall serve`, calls it from this process, and notes the server's delay (from a frame's decoding to its
return) once a second, and the way round of every frame (from its sending to its return here, by the number that is
painted into it as a bar code). What is sent was coded before, so that the peers' own work is small. Prints the median
and the 95th percentile of each tenth of the time; the last tenth may not be worse than twice the second (the first has
the start in it).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "live"))

from webrtc_peer import Pace, Peer, Served, served

BITS = 7
BLOCK = 16
LOOP = 120
"""Frames that were coded before, sent again and again; a way round longer than these is not told from a shorter one."""
KEY_EVERY = 30
TENTHS = 10
WORST_GROWTH = 2.0


def paint(number: int, background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frame of a number: the background, moved, with the number's bits as a row of blocks."""
    frame = np.roll(background, 3 * number, 1)
    for bit in range(BITS):
        frame[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 20
    return frame


def number_of(frame: av.VideoFrame) -> int:
    luma = frame.to_ndarray()[BLOCK // 2, BLOCK // 2 : BITS * BLOCK : BLOCK]
    return sum(int(level > 128) << bit for bit, level in enumerate(luma))


def record(width: int, height: int, rate: int) -> list[bytes]:
    """Code the frames to send."""
    rows = np.linspace(0, 20, height)[:, None, None] + np.linspace(0, 60, width)[None, :, None]
    background = (128 + 90 * np.sin(rows) + np.zeros((1, 1, 3))).astype(np.uint8)
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.bit_rate, encoder.gop_size, encoder.time_base = 1_500_000, KEY_EVERY, Fraction(1, rate)
    encoder.options = {"cpu-used": "-6", "deadline": "realtime", "lag-in-frames": "0"}
    coded = []
    for number in range(LOOP):
        frame = av.VideoFrame.from_ndarray(paint(number, background), "rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, encoder.time_base
        coded.append(b"".join(bytes(packet) for packet in encoder.encode(frame)))
    return coded


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
    """Notes how long each frame was on its way."""

    def watch(self, pace: Pace, rate: int) -> None:
        self.trips: list[tuple[float, float]] = []
        self._pace, self._rate = pace, rate
        self._seen = 0

    def note(self) -> None:
        new = self.count - self._seen
        self._seen = self.count
        for at, frame in self.frames[-new:] if new else []:
            returned = self._pace.seconds() - (time.monotonic() - at)
            trip = (returned - number_of(frame) / self._rate) % (LOOP / self._rate)
            self.trips.append((returned, 1e3 * trip))


async def load(server: Served, options: argparse.Namespace) -> tuple[list[TimedPeer], list[dict[str, Any]]]:
    width, height = map(int, options.size.split("x"))
    coded = await asyncio.to_thread(record, width, height, options.rate)
    peers: list[TimedPeer] = []
    for _ in range(options.sessions):
        peer, pace = TimedPeer(keep=200), Pace()
        peer.watch(pace, options.rate)
        await peer.call(server, Recording(coded, options.rate, pace))
        peers.append(peer)
    seconds: list[dict[str, Any]] = []
    started = time.monotonic()
    while time.monotonic() - started < options.seconds:
        await asyncio.sleep(1)
        for peer in peers:
            peer.note()
        latest = [next((m for m in reversed(peer.messages) if m["type"] == "stats"), {}) for peer in peers]
        seconds.append(
            {
                "second": round(time.monotonic() - started, 1),
                "latency_ms": [one.get("latency_ms", 0.0) for one in latest],
                "running": [one.get("running", "") for one in latest],
                "megabytes": server.resident_bytes() // 2**20,
            }
        )
        for peer in peers:
            del peer.messages[:-20]
    for peer in peers:
        await peer.hang_up()
    return peers, seconds


def tenths(values: list[tuple[float, float]], seconds: float) -> list[dict[str, float]]:
    """Median and 95th percentile of each tenth of the time."""
    rows = []
    for part in range(TENTHS):
        inside = [v for at, v in values if seconds * part <= TENTHS * at < seconds * (part + 1)]
        middle, high = np.percentile(inside, [50, 95]) if inside else (float("nan"), float("nan"))
        rows.append({"median_ms": round(float(middle), 1), "p95_ms": round(float(high), 1), "samples": len(inside)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--rate", type=int, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), "--sessions", str(options.sessions)) as server:
        peers, seconds = asyncio.run(load(server, options))
        frames = {k: server.metric(f'frames_total{{kind="{k}"}}') for k in ("in", "out", "dropped", "sharpened")}
    trips = tenths([trip for peer in peers for trip in peer.trips], options.seconds)
    delays = tenths([(s["second"], ms) for s in seconds for ms in s["latency_ms"]], options.seconds)
    print(f"{options.sessions} sessions of {options.size} at {options.rate} frames/s, {options.seconds:g} s,", end=" ")
    print(f"{len(os.sched_getaffinity(0))} cores for server and peers, load {os.getloadavg()[0]:.1f}")
    print(f"{'tenth':>5} {'round trip: median':>20} {'95 %':>8} {'server: median':>16} {'95 %':>8}  ms")
    for part, (trip, delay) in enumerate(zip(trips, delays, strict=True)):
        print(
            f"{part + 1:5} {trip['median_ms']:20} {trip['p95_ms']:8} {delay['median_ms']:16} {delay['p95_ms']:8}",
        )
    print("frames:", ", ".join(f"{kind} {count:g}" for kind, count in frames.items()))
    memory = [second["megabytes"] for second in seconds]
    print(f"server's memory: {memory[len(memory) // 5]} MB after a fifth of the time, {memory[-1]} MB at the end")
    if options.json:
        content = {"options": vars(options) | {"json": None}, "round_trip": trips, "server": delays, "frames": frames}
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    if trips[-1]["median_ms"] > WORST_GROWTH * trips[1]["median_ms"]:
        sys.exit(f"the round trip grew more than {WORST_GROWTH:g} times: it is not flat")


if __name__ == "__main__":
    main()
