"""What aiortc leaves open and a live server needs closed: bounded decoding, sane bit rates, loopback addresses."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import aioice.ice
import av
from aiortc import RTCRtpReceiver
from aiortc.codecs import h264, vpx

_MOST_UNDECODED: Final = 10
"""Encoded frames that may wait for the decoder: a third of a second."""
_ASK_EVERY: Final = 15
_NAL_TYPES: Final = {5, 7}
"""H.264 NAL units (ITU-T H.264, table 7-1) that begin a picture which needs no other: IDR slice, parameter set."""

_PRIVATE: Final = "_RTCRtpReceiver__"
"""aiortc offers no public way; pyproject.toml holds it to the versions that this was seen to work with."""

AUDIO_PREFETCH: Final = 2
"""Audio packets that must have come before the first goes on; a gap is waited for all the same."""
LOOPBACK: Final = "127.0.0.1"


def set_bit_rates(start: int, most: int) -> None:
    """Let aiortc's encoders spend more than their defaults (0.5 to 3 Mbit/s), which blur a sharpened picture.

    Args:
        start: Bits per second until the peer says what it can receive.
        most: Never more than this.
    """
    for codec in (vpx, h264):
        setattr(codec, "DEFAULT_BITRATE", start)  # noqa: B010 - constants of a module, read at each use
        setattr(codec, "MAX_BITRATE", most)  # noqa: B010


def offer_loopback() -> None:
    """Let this machine's own peers reach it by 127.0.0.1, which aioice leaves out; so it works without a network."""
    found = aioice.ice.get_host_addresses
    if getattr(found, "with_loopback", False):
        return

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [*found(use_ipv4, use_ipv6), *([LOOPBACK] if use_ipv4 else [])]

    addresses.with_loopback = True  # type: ignore[attr-defined]  # marks the function, so that it is wrapped once
    aioice.ice.get_host_addresses = addresses


def bound_decoding(receiver: RTCRtpReceiver) -> None:
    """Bound what waits for a video receiver's decoder; to be called before the connection is made.

    aiortc's queue to the decoder grows without end when decoding falls behind, and the delay with it.
    """
    setattr(receiver, f"{_PRIVATE}decoder_queue", DecodeQueue(getattr(receiver, f"{_PRIVATE}decoder_error")))


def divert_packets(receiver: RTCRtpReceiver, take: Callable[[av.Packet[Any]], None]) -> None:
    """Take an audio receiver's packets as they are, in order, before the connection is made.

    Sound that isn't decoded and coded again keeps its quality and its time stamps, gaps and all, and less waits.

    Args:
        receiver: Of audio.
        take: Called in the event loop with each packet.
    """
    setattr(receiver, f"{_PRIVATE}decoder_queue", _Diversion(take))
    getattr(receiver, f"{_PRIVATE}jitter_buffer")._prefetch = AUDIO_PREFETCH


class _Diversion(queue.Queue[Any]):
    """Stands where aiortc puts what is to be decoded."""

    def __init__(self, take: Callable[[av.Packet[Any]], None]) -> None:
        super().__init__()
        self._take = take

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Hand an encoded frame on; None, the end, goes to the decoder's thread."""
        if item is None:
            super().put(item, block, timeout)
            return
        codec, encoded = item
        packet = av.Packet(encoded.data)
        packet.pts, packet.time_base = encoded.timestamp, Fraction(1, codec.clockRate)
        self._take(packet)


class DecodeQueue(queue.Queue[Any]):
    """Encoded frames on their way to the decoder; when too many wait, all go, and the sender is asked for a new start.

    Args:
        lost: aiortc's event that makes it ask the sender for a key frame.
    """

    def __init__(self, lost: threading.Event) -> None:
        super().__init__()
        self._lost = lost
        self._passed_over = 0

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Append an encoded frame, or None for the end."""
        if item is None or self._wanted(*item):
            super().put(item, block, timeout)

    def _wanted(self, codec: Any, encoded: Any) -> bool:
        if self._passed_over == 0 and self.qsize() < _MOST_UNDECODED:
            return True
        self._drop_waiting()
        if is_key_frame(codec.name, encoded.data):
            self._passed_over = 0
            return True
        if self._passed_over % _ASK_EVERY == 0:
            self._lost.set()
        self._passed_over += 1
        return False

    def _drop_waiting(self) -> None:
        try:
            while True:
                self.get_nowait()
        except queue.Empty:
            pass


def is_key_frame(codec: str, encoded: bytes) -> bool:
    """Whether decoding can start at an encoded frame.

    Args:
        codec: ``VP8`` or ``H264``.
        encoded: The frame: for VP8 as in RFC 6386 section 9.1, for H.264 with start codes.

    Example:
        >>> is_key_frame("VP8", bytes([0x10])), is_key_frame("H264", bytes([0, 0, 0, 1, 0x65]))
        (True, True)
        >>> is_key_frame("VP8", bytes([0x11])), is_key_frame("H264", bytes([0, 0, 0, 1, 0x41]))
        (False, False)
    """
    if codec.lower() == "vp8":
        return bool(encoded) and not encoded[0] & 1
    units = encoded.split(b"\0\0\1")[1:]
    return any(unit and unit[0] & 0x1F in _NAL_TYPES for unit in units)
