"""A WebRTC peer and a served clearcall for the tests: two real ends on this machine's loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from clearcall.web.transport import offer_loopback, set_bit_rates

PATIENCE = 60.0
PROGRAM = [sys.executable, "-c", "from clearcall.cli import main; main()"]

Painter = Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True)
class Served:
    """A server in a process of its own."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        request = urllib.request.Request(self.url + path, body, headers or {}, method=method)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def offer(self, sdp: str | bytes, query: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
        body = sdp if isinstance(sdp, bytes) else sdp.encode()
        return self.request("POST", f"/sharpen{query}", body, {"Content-Type": "application/sdp", **headers})

    def health(self) -> dict[str, Any]:
        return dict(json.loads(self.request("GET", "/health")[2]))

    def metric(self, name: str) -> float:
        text = self.request("GET", "/metrics")[2].decode()
        found = re.search(rf"^clearcall_{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found, f"{name} is not in:\n{text}"
        return float(found[1])

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """Start ``clearcall serve`` on a free port, and end it."""
    log = folder / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--port", "0", *options], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"https?://\S+", line)
            assert found, f"{line!r}, and in the log:\n{log.read_text()}"
            yield Served(found[0], process, log)
        finally:
            process.terminate()
            process.wait(PATIENCE)
            process.stdout.close()  # type: ignore[union-attr]
    assert "Traceback" not in log.read_text(), log.read_text()


class Pace:
    """Seconds since it was first asked; tracks that share one begin together."""

    def __init__(self) -> None:
        self._start: float | None = None

    def seconds(self) -> float:
        self._start = self._start or time.monotonic()
        return time.monotonic() - self._start

    async def wait_until(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds - self.seconds()))


class Camera(MediaStreamTrack):
    """Paints frames at their pace; ``paint`` is given the frame's number."""

    kind = "video"

    def __init__(self, paint: Painter, rate: int = 30, frames: int | None = None, pace: Pace | None = None) -> None:
        super().__init__()
        self._paint, self._rate, self._frames = paint, rate, frames
        self._pace = pace or Pace()
        self._number = -1

    async def recv(self) -> av.VideoFrame:
        if self._frames is not None and self._number >= self._frames - 1:
            await asyncio.Event().wait()
        self._number = max(self._number + 1, int(self._rate * self._pace.seconds()))
        await self._pace.wait_until(self._number / self._rate)
        frame = av.VideoFrame.from_ndarray(self._paint(self._number), "rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = 90_000 * self._number // self._rate, Fraction(1, 90_000)
        return frame


class Microphone(MediaStreamTrack):
    """Gives packets of 20 ms at 48 kHz, without gaps; ``sound`` is given the times of the samples."""

    kind = "audio"

    def __init__(self, sound: Callable[[NDArray[np.float64]], NDArray[np.float64]], pace: Pace | None = None) -> None:
        super().__init__()
        self._sound = sound
        self._pace = pace or Pace()
        self._number = -1

    async def recv(self) -> av.AudioFrame:
        self._number += 1
        await self._pace.wait_until(0.02 * self._number)
        times = (960 * self._number + np.arange(960)) / 48_000
        samples = (32_000 * self._sound(times)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 960 * self._number, Fraction(1, 48_000)
        return frame


@dataclass
class Peer:
    """One end of a call; what comes back is kept with the time of its arrival."""

    connection: RTCPeerConnection = field(default_factory=lambda: RTCPeerConnection(RTCConfiguration(iceServers=[])))
    frames: list[tuple[float, av.VideoFrame]] = field(default_factory=list)
    sounds: list[tuple[float, av.AudioFrame]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    keep: int = 60
    count: int = 0
    location: str = ""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def call(self, server: Served, *tracks: MediaStreamTrack, query: str = "", codec: str = "VP8") -> None:
        """Offer the tracks and connect."""
        offer_loopback()
        set_bit_rates(3_000_000, 6_000_000)
        self.connection.on("track", self._on_track)
        self.channel = self.connection.createDataChannel("clearcall")
        self.channel.on("message", lambda text: self.messages.append(json.loads(text)))
        for track in tracks:
            self.connection.addTrack(track)
        self._prefer(codec)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        status, headers, body = await asyncio.to_thread(server.offer, self.connection.localDescription.sdp, query)
        assert status == 201, body
        self.location = headers["location"]
        await self.connection.setRemoteDescription(RTCSessionDescription(body.decode(), "answer"))

    def _prefer(self, codec: str) -> None:
        known = RTCRtpSender.getCapabilities("video").codecs
        chosen = [one for one in known if one.mimeType.lower() in (f"video/{codec.lower()}", "video/rtx")]
        for transceiver in self.connection.getTransceivers():
            if transceiver.kind == "video":
                transceiver.setCodecPreferences(chosen)

    def _on_track(self, track: MediaStreamTrack) -> None:
        kept: list[Any] = self.frames if track.kind == "video" else self.sounds
        self._tasks.append(asyncio.ensure_future(self._collect(track, kept)))

    async def _collect(self, track: MediaStreamTrack, kept: list[Any]) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                kept.append((time.monotonic(), frame))
                self.count += track.kind == "video"
                if track.kind == "video":
                    del kept[: -self.keep]

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"waited {PATIENCE:g} s for {what}; {self.messages[-1:]}"
            await asyncio.sleep(0.02)

    async def receive(self, number: int) -> list[av.VideoFrame]:
        """Wait for so many more frames."""
        wanted = self.count + number
        await self.until(lambda: self.count >= wanted, f"{number} frames (of {self.count})")
        return [frame for _, frame in self.frames[-number:]]

    async def tell(self, settings: object) -> dict[str, Any]:
        """Send settings over the data channel; wait for what the server says to them."""
        await self.until(lambda: self.channel.readyState == "open", "the data channel")
        before = len(self.messages)
        self.channel.send(settings if isinstance(settings, str) else json.dumps(settings))

        def answers() -> list[dict[str, Any]]:
            return [one for one in self.messages[before:] if one["type"] in ("settings", "error")]

        await self.until(answers, "an answer on the data channel")
        return answers()[0]

    def latest_stats(self) -> dict[str, Any]:
        """The server's latest figures; empty before the first."""
        return next((message for message in reversed(self.messages) if message["type"] == "stats"), {})

    async def hang_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.connection.close()


async def vanish(peer: Peer) -> None:
    """Fall silent without a word, as when a cable is pulled."""
    for transport in {transceiver.sender.transport.transport for transceiver in peer.connection.getTransceivers()}:
        connection = transport._connection
        for protocol in connection._protocols:
            protocol.transport.abort()
