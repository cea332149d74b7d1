"""The tracks that go back to the peer, and how sound and picture stay together."""

from __future__ import annotations

import asyncio
from collections import deque
from statistics import median
from typing import Any, Final

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from clearcall.web.transport import AUDIO_PREFETCH

_VIDEO_CODING: Final = 0.01
"""Decoding and encoding of a video frame, about."""
_LONGEST_HOLD: Final = 0.25
_LONGEST_PACKET: Final = 0.12
_FRAMES_WATCHED: Final = 31
_VIDEO_LEAD: Final = 0.005
"""The picture may be this much early before it is held; so a small lead costs no delay."""


class LipSync:
    """How long sound or picture must wait for the other, by the delay that each has in this server.

    aiortc hands out a video frame when the next one begins, and audio when some packets have come. Delays are medians,
    so that a single late frame moves nothing.

    Attributes:
        packet_seconds: Length of an audio packet; 0 while there is no audio.

    Example:
        >>> sync = LipSync()
        >>> sync.packet_seconds = 0.020
        >>> sync.note_interval(0.033), sync.note_delay(0.080)
        (None, None)
        >>> round(sync.audio_hold, 3), sync.video_hold
        (0.083, 0.0)
    """

    def __init__(self) -> None:
        self.packet_seconds = 0.0
        self._intervals: deque[float] = deque(maxlen=_FRAMES_WATCHED)
        self._delays: deque[float] = deque(maxlen=_FRAMES_WATCHED)

    def note_interval(self, seconds: float) -> None:
        """Take note of the time between two video frames."""
        self._intervals.append(seconds)

    def note_delay(self, seconds: float) -> None:
        """Take note of the time from a frame's decoding until it is ready to return."""
        self._delays.append(seconds)

    @property
    def audio_hold(self) -> float:
        """Seconds that sound waits."""
        return min(max(0.0, -self._video_lead()), _LONGEST_HOLD)

    @property
    def video_hold(self) -> float:
        """Seconds that the picture waits."""
        return min(max(0.0, self._video_lead() - _VIDEO_LEAD), _LONGEST_HOLD) if self.packet_seconds else 0.0

    def _video_lead(self) -> float:
        if not self._delays or not self._intervals:
            return 0.0
        audio = AUDIO_PREFETCH * self.packet_seconds
        return audio - (median(self._intervals) + median(self._delays) + _VIDEO_CODING)


class VideoReturn(MediaStreamTrack):
    """Hands the newest frame to the encoder; one that wasn't fetched in time is replaced.

    Attributes:
        lost: Frames that were replaced.
    """

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        self._newest: av.VideoFrame | None = None
        self._changed = asyncio.Event()

    def put(self, frame: av.VideoFrame) -> None:
        """Leave a frame; to be called in the event loop."""
        self.lost += self._newest is not None
        self._newest = frame
        self._changed.set()

    async def recv(self) -> av.VideoFrame:
        """Wait for a frame.

        Raises:
            MediaStreamError: The track has ended.
        """
        await self._changed.wait()
        frame, self._newest = self._newest, None
        if frame is None or self.readyState != "live":
            raise MediaStreamError
        self._changed.clear()
        return frame

    def stop(self) -> None:
        """End the track."""
        super().stop()
        self._changed.set()


class AudioReturn(MediaStreamTrack):
    """Passes encoded audio through, held back as long as the picture needs; never more than a second of it waits.

    Args:
        sync: Says how long to hold; it is told the length of a packet.
    """

    kind = "audio"

    def __init__(self, sync: LipSync) -> None:
        super().__init__()
        self._sync = sync
        self._held: deque[tuple[float, av.Packet[Any]]] = deque(maxlen=50)
        self._latest: float | None = None
        self._changed = asyncio.Event()

    def put(self, packet: av.Packet[Any]) -> None:
        """Append a packet; to be called in the event loop."""
        self._held.append((asyncio.get_running_loop().time(), packet))
        self._changed.set()
        if packet.pts is not None:
            stamp = float(packet.pts * packet.time_base)
            if self._latest is not None and 0 < stamp - self._latest <= _LONGEST_PACKET:
                self._sync.packet_seconds = stamp - self._latest
            self._latest = stamp

    async def recv(self) -> av.Packet[Any]:
        """Wait for the next packet and its time.

        Raises:
            MediaStreamError: The track has ended.
        """
        while not self._held and self.readyState == "live":
            self._changed.clear()
            await self._changed.wait()
        if self.readyState != "live":
            raise MediaStreamError
        arrived, packet = self._held.popleft()
        await asyncio.sleep(max(0.0, arrived + self._sync.audio_hold - asyncio.get_running_loop().time()))
        return packet

    def stop(self) -> None:
        """End the track."""
        super().stop()
        self._changed.set()
