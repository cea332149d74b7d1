"""A thousand damaged offers and messages: each refused within a second, nothing logged, nothing kept.

python benchmarks/fuzz_offers.py [--offers 1000] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from aiortc import RTCConfiguration, RTCPeerConnection

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "live"))

from test_serve import damage
from webrtc_peer import Served, served

TYPES = ["application/sdp", "application/json", "text/plain", "", "application/sdp; charset=utf-16", "\t;;="]


async def make_offer() -> str:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.createDataChannel("clearcall")
    peer.addTransceiver("video", "sendrecv")
    peer.addTransceiver("audio", "sendrecv")
    await peer.setLocalDescription(await peer.createOffer())
    sdp = str(peer.localDescription.sdp)
    await peer.close()
    return sdp


def one(server: Served, offer: str, dice: random.Random) -> tuple[int, float]:
    """Send one offer; an accepted one is ended again. Returns the status and the seconds."""
    match dice.randrange(8):
        case 0:
            body, kind = dice.randbytes(dice.randint(0, 3000)), TYPES[0]
        case 1:
            body, kind = offer.encode() * dice.randint(10, 60), TYPES[0]
        case 2:
            body, kind = json.dumps({"sdp": offer, "type": "offer"}).encode(), dice.choice(TYPES)
        case _:
            body, kind = damage(offer, dice), TYPES[0]
    started = time.perf_counter()
    status, headers, _ = server.request("POST", "/sharpen", body, {"Content-Type": kind})
    seconds = time.perf_counter() - started
    if status == 201:
        server.request("DELETE", headers["location"])
    return status, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--offers", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    offer = asyncio.run(make_offer())
    statuses: Counter[int] = Counter()
    times = []
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        memory = []
        for number in range(options.offers):
            status, seconds = one(server, offer, dice)
            statuses[status] += 1
            times.append(seconds)
            if number in (options.offers // 5, options.offers - 1):
                memory.append(server.resident_bytes() / 2**20)
        left, log = server.health()["sessions"], server.log.read_text()
    times.sort()
    print(f"statuses: {dict(sorted(statuses.items()))}")
    print(f"seconds: median {times[len(times) // 2]:.4f}, slowest {times[-1]:.3f}")
    print(f"memory: {memory[0]:.0f} MB after a fifth, {memory[1]:.0f} MB after all")
    print(f"sessions left: {left}; lines in the log: {len(log.splitlines())}")
    if left or times[-1] > 1 or set(statuses) - {201, *range(400, 500)} or memory[1] > memory[0] + 30:
        sys.exit(f"not as it should be:\n{log[-2000:]}")


if __name__ == "__main__":
    main()
