"""One WebRTC session: the peer's video comes in, goes through the live core, and back; its audio goes with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av.video.frame import PictureType

from clearcall.errors import InputError
from clearcall.runtime.loading import load
from clearcall.runtime.pixels import Pixels, pixels_of, to_video_frame
from clearcall.runtime.sharpener import Sharpener
from clearcall.runtime.stream import LiveStats, LiveStream, lighter_models
from clearcall.web.control import read_settings, write_message, write_settings, write_stats
from clearcall.web.limits import Limits
from clearcall.web.tracks import AudioReturn, LipSync, VideoReturn
from clearcall.web.transport import bound_decoding, divert_packets

_log: Final = logging.getLogger("clearcall.web")
_TICK_SECONDS: Final = 1.0
_THREADS: Final = 1
"""Threads that sharpen a session's frame: several wait for each other, and on a busy computer for most of the time."""


@dataclass(frozen=True)
class SessionSettings:
    """What a session starts with.

    Attributes:
        limits: What the server allows.
        models: Where each model is found, by the name that a peer may use.
        model: Name of the model to start with.
        strength: Strength to start with.
        ice_servers: URLs of STUN and TURN servers.
        device: What runs the models; see ``clearcall.load``.
    """

    limits: Limits
    models: dict[str, str]
    model: str
    strength: float = 1.0
    ice_servers: tuple[str, ...] = field(default=())
    device: str = "auto"

    def load(self, name: str) -> Sharpener:
        """Load a model by the name that a peer may use.

        Raises:
            ClearcallError: A damaged bundle, or a device that is not at hand; see ``clearcall.load``.
        """
        return load(self.models[name], threads=_THREADS, device=self.device)


@dataclass(frozen=True)
class _Received:
    """A decoded frame, and when it was."""

    frame: av.VideoFrame
    at: float


class Session:
    """A peer and its stream; made in the event loop, and closed by ``close`` or by itself when the peer is gone.

    Args:
        settings: What it starts with.
        on_close: Called once, when the session has ended.
    """

    def __init__(self, settings: SessionSettings, on_close: Callable[[Session], None]) -> None:
        self._settings = settings
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        servers = [RTCIceServer(urls=url) for url in settings.ice_servers]
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._peer.on("track", self._on_track)
        self._peer.on("datachannel", self._on_channel)
        self._peer.on("connectionstatechange", self._on_state)
        self._channel: RTCDataChannel | None = None
        self._sync = LipSync()
        self._video, self._audio = VideoReturn(), AudioReturn(self._sync)
        self._released = self._last_frame = self._loop.time()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._stream = LiveStream[_Received](
            self._deliver,
            to_pixels=self._to_pixels,
            model=settings.model,
            strength=settings.strength,
            on_message=lambda text: self._in_loop(self._say, text),
            load_model=settings.load,
            rungs=self._rungs,
        )

    async def answer(self, offer: str) -> str:
        """Answer an offer and start.

        Args:
            offer: SDP that ``check_offer`` has let pass.

        Returns:
            The answer's SDP, with all candidates.

        Raises:
            Exception: Whatever aiortc makes of an offer that it can't use; the session is to be closed then.
        """
        await self._peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        for transceiver in self._peer.getTransceivers():
            if transceiver.kind == "video":
                bound_decoding(transceiver.receiver)
            else:
                divert_packets(transceiver.receiver, self._audio.put)
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        self._start(self._watch())
        return str(self._peer.localDescription.sdp)

    def stats(self) -> LiveStats:
        """Counters and state of the session's stream; what the encoder didn't fetch in time counts as dropped."""
        stats, lost = self._stream.stats(), self._video.lost
        return replace(stats, frames_out=stats.frames_out - lost, frames_dropped=stats.frames_dropped + lost)

    async def close(self, reason: str = "") -> None:
        """End the session; can be called more than once.

        Args:
            reason: A sentence for the peer.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason))
        await asyncio.shield(self._closing)

    async def _close(self, reason: str) -> None:
        if reason:
            self._say(reason)
        try:
            await asyncio.to_thread(self._stream.stop)
            await self._peer.close()
        finally:
            for task in self._tasks:
                task.cancel()
            self._video.stop()
            self._audio.stop()
            self._on_close(self)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._peer.addTrack(self._video)
            self._start(self._pump(track))
        else:
            self._peer.addTrack(self._audio)

    async def _pump(self, track: MediaStreamTrack) -> None:
        """Fetch frames as they come, so that none pile up before the live core."""
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    self._submit(frame)

    def _submit(self, frame: av.VideoFrame) -> None:
        now = self._loop.time()
        self._sync.note_interval(now - self._last_frame)
        self._last_frame = now
        self._stream.submit(_Received(frame, now))

    def _to_pixels(self, received: _Received) -> Pixels:
        frame = received.frame
        limits = self._settings.limits
        if frame.width * frame.height > limits.width * limits.height:
            raise InputError(
                f"{frame.width}x{frame.height} is larger than this server's {limits.width}x{limits.height}; "
                "send a smaller picture."
            )
        return pixels_of(frame)

    def _deliver(self, received: _Received, sharp: Pixels | None) -> None:
        """Give a frame to the encoder (in the stream's thread)."""
        returned = received.frame if sharp is None else to_video_frame(sharp, received.frame)
        returned.pict_type = PictureType.NONE  # or the encoder would copy the sender's key frames
        self._in_loop(self._release, _Received(returned, received.at))

    def _release(self, returned: _Received) -> None:
        now = self._loop.time()
        self._sync.note_delay(now - returned.at)
        self._released = max(self._released, now + self._sync.video_hold)
        self._loop.call_at(self._released, self._video.put, returned.frame)

    def _in_loop(self, call: Callable[[Any], object], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone when the server ends
            self._loop.call_soon_threadsafe(call, value)

    def _rungs(self, name: str) -> list[str]:
        return [name, *lighter_models(self._settings.models[name])[1:]]

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if self._channel is None or self._channel.readyState != "open":
            self._channel = channel
        channel.on("message", self._on_control)

    def _on_control(self, message: str | bytes) -> None:
        try:
            settings = read_settings(message, self._settings.models)
        except InputError as error:
            self._say(str(error), kind="error")
            return
        self._stream.change(model=settings.model, strength=settings.strength)
        self._send(write_settings(self._stream.stats()))

    def _say(self, text: str, kind: str = "message") -> None:
        self._send(write_message(text, kind))

    def _send(self, message: str) -> None:
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(message)

    def _on_state(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            self._loop.create_task(self.close())

    async def _watch(self) -> None:
        """Tell the peer how it goes, and end a session whose peer sends nothing."""
        idle = self._settings.limits.idle_seconds
        while True:
            await asyncio.sleep(min(_TICK_SECONDS, idle / 2))
            self._send(write_stats(self.stats()))
            if self._loop.time() - self._last_frame > idle:
                _log.info("a session was ended: no frame for %g s", idle)
                self._loop.create_task(self.close(f"No frame has come for {idle:g} s; the session has ended."))
                return
