"""Real video codecs in memory: encode as a call does, decode again, frame by frame.

H.264 is x264, VP8 and VP9 are libvpx, AV1 is SVT-AV1, each with its low-latency settings: no look-ahead, no
B-frames, a key frame at the start and then only where the codec sees a cut. JPEG codes each frame alone. A frame
travels as yuv420p, limited range, BT.709 (BT.601 for VP8, whose bitstream knows no other), its chroma sited in the
centre: H.264 has to be told so, or the decoder takes it for left-sited and colours move by half a pixel.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import Literal, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from clearcall.cpus import ordinary_scheduling
from clearcall.frame import Frame
from clearcall.media.colour import Colours, from_rgb, to_rgb

CodecName = Literal["none", "h264", "vp8", "vp9", "av1", "jpeg"]

_ONE_KEY_FRAME = 100_000
_UNLIMITED_BPS = 100_000_000
_BUFFER_SECONDS = 0.6
_X264_PEAK = 1.2
_BT709 = Colours(matrix=1, range=1, primaries=1, transfer=1)
_BT601 = Colours(matrix=5, range=1)


@dataclass(frozen=True)
class _Settings:
    encoder: str
    decoder: str
    options: dict[str, str] = field(default_factory=dict)
    colours: Colours = _BT709
    smallest: int = 16


_X264 = {"preset": "veryfast", "tune": "zerolatency", "chroma_sample_location": "center"}
_SVT_LOW_DELAY = "pred-struct=1:lp=1"
_LIBVPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}

_SETTINGS = {
    "h264": _Settings("libx264", "h264", _X264),
    "vp8": _Settings("libvpx", "vp8", _LIBVPX | {"auto-alt-ref": "0"}, colours=_BT601),
    "vp9": _Settings("libvpx-vp9", "vp9", _LIBVPX),
    "av1": _Settings("libsvtav1", "libdav1d", {"preset": "11"}, smallest=64),
}


@dataclass
class Traffic:
    """What a coded clip costs on the link.

    Attributes:
        sent_bytes: Size of the coded frames so far.
        sent_frames: How many frames were coded so far.

    Example:
        >>> Traffic(sent_bytes=50_000, sent_frames=30).kbps(Fraction(30))
        400.0
    """

    sent_bytes: int = 0
    sent_frames: int = 0

    def kbps(self, rate: Fraction) -> float:
        """Kilobits a second, at ``rate`` coded frames a second."""
        return float(self.sent_bytes * 8 * rate / max(self.sent_frames, 1) / 1000)


def round_trip(
    frames: Iterable[Frame],
    codec: CodecName,
    *,
    crf: int | None = None,
    bitrate_kbps: int | None = None,
    rate: Fraction = Fraction(30),
    threads: int = 1,
    traffic: Traffic | None = None,
) -> Iterator[Frame]:
    """Encode frames with a real codec at low latency and yield them decoded, one for each, in order.

    Memory is bounded: a frame is decoded as soon as its packet leaves the encoder. With the same input, settings
    and number of threads the result is the same to the bit.

    Args:
        frames: HWC RGB uint8, all of one size, any size from 1x1.
        codec: ``h264``, ``vp8``, ``vp9``, ``av1``, ``jpeg``, or ``none`` (frames pass through).
        crf: Constant quality: CRF for H.264 (0-51) and AV1 (1-63), the fixed quantiser for VP8 and VP9 (0-63),
            the quality for JPEG (1-95, higher is better).
        bitrate_kbps: Constant bitrate instead, in kbit/s (not for JPEG).
        rate: Frames a second, for the rate control.
        threads: Threads of the encoder and of the decoder.
        traffic: Where to count the coded bytes.

    Yields:
        HWC RGB uint8 of the input's size.

    Raises:
        ValueError: Neither ``crf`` nor a ``bitrate_kbps`` that the codec can hold was given.

    Example:
        >>> clip = [np.full((36, 64, 3), 90, np.uint8)] * 3
        >>> [frame.shape for frame in round_trip(clip, "h264", crf=28)]
        [(36, 64, 3), (36, 64, 3), (36, 64, 3)]
    """
    traffic = traffic if traffic is not None else Traffic()
    if codec == "none":
        return iter(frames)
    if codec == "jpeg":
        return _jpeg(frames, crf, traffic)
    return _video(frames, _Coding(_SETTINGS[codec], rate, threads, *_rate_control(codec, crf, bitrate_kbps)), traffic)


def _jpeg(frames: Iterable[Frame], quality: int | None, traffic: Traffic) -> Iterator[Frame]:
    if quality is None:
        raise ValueError("jpeg needs a quality (crf)")
    for frame in frames:
        coded = io.BytesIO()
        Image.fromarray(frame).save(coded, "JPEG", quality=quality, subsampling="4:2:0")
        traffic.sent_bytes += coded.tell()
        traffic.sent_frames += 1
        yield np.asarray(Image.open(coded))


def _rate_control(codec: str, crf: int | None, bitrate_kbps: int | None) -> tuple[int, dict[str, str]]:
    """The encoder's bit rate (0: none) and the options that go with it."""
    if bitrate_kbps is not None:
        return _constant_bitrate(codec, bitrate_kbps * 1000)
    if crf is None:
        raise ValueError(f"{codec} needs a crf or a bitrate")
    if codec in ("vp8", "vp9"):
        return _UNLIMITED_BPS, {"qmin": str(crf), "qmax": str(crf)}
    return 0, {"crf": str(crf)} | ({"svtav1-params": _SVT_LOW_DELAY} if codec == "av1" else {})


def _constant_bitrate(codec: str, bps: int) -> tuple[int, dict[str, str]]:
    """Left alone, libvpx overshoots threefold (so all bounds are set), and x264 stays 15 % below on short clips."""
    buffer = {"maxrate": str(bps), "bufsize": str(int(bps * _BUFFER_SECONDS))}
    bounds = {"minrate": str(bps), "qmin": "2", "qmax": "60"}
    more = {
        "h264": {"maxrate": str(int(bps * _X264_PEAK)), "x264-params": "ratetol=0.1"},
        "vp8": bounds,
        "vp9": bounds | {"aq-mode": "3"},
        "av1": {"svtav1-params": f"{_SVT_LOW_DELAY}:rc=2"},
    }
    return bps, buffer | more[codec]


@dataclass(frozen=True)
class _Coding:
    """One codec set up for one clip."""

    settings: _Settings
    rate: Fraction
    threads: int
    bps: int
    options: dict[str, str]

    def open_encoder(self, width: int, height: int) -> VideoCodecContext:
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 reads it on opening: errors only, no banner
        encoder = cast(VideoCodecContext, av.CodecContext.create(self.settings.encoder, "w"))
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.framerate, encoder.time_base = self.rate, 1 / self.rate
        encoder.gop_size, encoder.thread_count = _ONE_KEY_FRAME, self.threads
        self.settings.colours.stamp(encoder)
        encoder.options = self.settings.options | self.options
        if self.bps:
            encoder.bit_rate = self.bps
        with ordinary_scheduling():
            encoder.open()
        return encoder

    def open_decoder(self) -> VideoCodecContext:
        decoder = cast(VideoCodecContext, av.CodecContext.create(self.settings.decoder, "r"))
        decoder.thread_count = self.threads
        return decoder


def _video(frames: Iterable[Frame], coding: _Coding, traffic: Traffic) -> Iterator[Frame]:
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        return
    wire = _Wire(coding.settings, *first.shape[:2])
    encoder, decoder = coding.open_encoder(*wire.coded_size), coding.open_decoder()
    pictures = (wire.to_yuv(frame, number) for number, frame in enumerate(chain([first], remaining)))
    for picture in chain(pictures, [None]):
        traffic.sent_frames += picture is not None
        for packet in encoder.encode(picture):
            traffic.sent_bytes += packet.size
            yield from map(wire.to_rgb, decoder.decode(packet))
    yield from map(wire.to_rgb, decoder.decode(None))


class _Wire:
    """Frames between RGB and the yuv420p that a codec takes: even sizes, at least its smallest, edges repeated."""

    def __init__(self, settings: _Settings, height: int, width: int) -> None:
        self._height, self._width = height, width
        self.coded_size = max(width + width % 2, settings.smallest), max(height + height % 2, settings.smallest)
        self._colours = settings.colours

    def to_yuv(self, frame: Frame, number: int) -> av.VideoFrame:
        right, below = self.coded_size[0] - self._width, self.coded_size[1] - self._height
        if below or right:
            frame = np.pad(frame, ((0, below), (0, right), (0, 0)), mode="edge")
        picture = from_rgb(frame, "yuv420p", self._colours)
        picture.pts = number
        return picture

    def to_rgb(self, picture: av.VideoFrame) -> Frame:
        self._colours.stamp(picture)
        return to_rgb(picture)[: self._height, : self._width]
