"""The tracks that go back to the peer, and how sound and picture stay together."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

_AUDIO_PREFETCH: Final = 4
"""Audio packets that aiortc collects before it hands out the first."""
_CODING_SECONDS: Final = 0.01
"""Decoding and encoding of a video frame, about."""
_LONGEST_HOLD: Final = 0.25
_VIDEO_LEAD: Final = 0.015
"""The picture may be this much early before it is held; so a small lead costs no delay."""


@dataclass
class LipSync:
    """How long sound or picture must wait for the other, by the delay that each has in this server.

    aiortc hands out a video frame when the next one begins, and audio when four packets have come.

    Attributes:
        video_seconds: From a frame's decoding to its return: the live core's delay.
        frame_seconds: Between two video frames.
        packet_seconds: Length of an audio packet; 0 while there is no audio.

    Example:
        >>> sync = LipSync(video_seconds=0.080, frame_seconds=0.033, packet_seconds=0.020)
        >>> round(sync.audio_hold, 3), sync.video_hold
        (0.043, 0.0)
    """

    video_seconds: float = 0.0
    frame_seconds: float = 1 / 30
    packet_seconds: float = 0.0

    @property
    def audio_hold(self) -> float:
        """Seconds that sound waits."""
        return min(max(0.0, -self._video_lead()), _LONGEST_HOLD)

    @property
    def video_hold(self) -> float:
        """Seconds that the picture waits."""
        return min(max(0.0, self._video_lead() - _VIDEO_LEAD), _LONGEST_HOLD) if self.packet_seconds else 0.0

    def _video_lead(self) -> float:
        return _AUDIO_PREFETCH * self.packet_seconds - (self.frame_seconds + self.video_seconds + _CODING_SECONDS)


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
    """Passes audio through, held back as long as the picture needs; never more than a second of it waits.

    Args:
        sync: Says how long to hold; it is told the length of a packet.
    """

    kind = "audio"

    def __init__(self, sync: LipSync) -> None:
        super().__init__()
        self._sync = sync
        self._held: deque[tuple[float, av.AudioFrame]] = deque(maxlen=50)
        self._changed = asyncio.Event()

    def put(self, frame: av.AudioFrame) -> None:
        """Append a frame; to be called in the event loop."""
        self._sync.packet_seconds = frame.samples / frame.sample_rate
        self._held.append((asyncio.get_running_loop().time(), frame))
        self._changed.set()

    async def recv(self) -> av.AudioFrame:
        """Wait for the next frame and its time.

        Raises:
            MediaStreamError: The track has ended.
        """
        while not self._held and self.readyState == "live":
            self._changed.clear()
            await self._changed.wait()
        if self.readyState != "live":
            raise MediaStreamError
        arrived, frame = self._held.popleft()
        await asyncio.sleep(max(0.0, arrived + self._sync.audio_hold - asyncio.get_running_loop().time()))
        return frame

    def stop(self) -> None:
        """End the track."""
        super().stop()
        self._changed.set()
