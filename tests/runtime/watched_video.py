"""What a video holds, and what a sharpener in its way sees; for the tests of whole videos."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from clearcall.media.video import VideoSource

MakeVideo = Callable[..., Path]
VARIABLE = tuple(1001 * step for step in (7, 8, 10, 15, 16, 17, 25, 26, 27, 28, 40, 41))


class Unchanged:
    """Gives each frame back, and remembers what it saw."""

    def __init__(self) -> None:
        self.shapes: set[tuple[int, ...]] = set()
        self.dtypes: set[str] = set()

    def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
        self.shapes.add(frame.shape)
        self.dtypes.add(frame.dtype.name)
        return frame


def frames_of(path: Path) -> list[av.VideoFrame]:
    with VideoSource(path) as source:
        return list(source.frames())


def times(path: Path) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in frames_of(path)]


def packets(path: Path) -> dict[int, list[tuple[Fraction, str]]]:
    """Time and digest of every packet that isn't video, by stream."""
    found: dict[int, list[tuple[Fraction, str]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.stream.type in {"audio", "subtitle"}:
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                found.setdefault(packet.stream.index, []).append((packet.pts * packet.time_base, digest))
    return found


def descriptions(path: Path) -> list[Any]:
    skipped = {"DURATION", "HANDLER_NAME", "handler_name", "vendor_id", "encoder", "ENCODER"}
    with av.open(str(path)) as container:
        return [
            (stream.type, int(stream.disposition), {k: v for k, v in stream.metadata.items() if k not in skipped})
            for stream in container.streams
        ]


def colours(path: Path) -> tuple[int, ...]:
    frame = frames_of(path)[0]
    return frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc
