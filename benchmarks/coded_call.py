"""A call that was coded before it is sent, so that sending costs little; every frame has its number as a bar code."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from clearcall.benchmark.work import HEIGHT, received
from clearcall.degrade.scale import resize
from clearcall.demo.scene import CallScene

BITS = 7
BLOCK = 16
LOOP = 120
"""Frames that were coded before, sent again and again; a way round longer than these is not told from a shorter one."""
KEY_EVERY = 30


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
    background = received(resize(next(iter(CallScene(HEIGHT, frames=1))), width, height, "bicubic"))
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
