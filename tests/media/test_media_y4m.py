"""y4m: the header and frames as FFmpeg and others write them, good and bad."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcall.errors import InputError
from clearcall.media.pipe import PipeInput
from clearcall.media.y4m import Header
from clearcall.media.y4m_stream import Y4MSink, Y4MSource, Y4MWriter

SPACES = ["420jpeg", "420mpeg2", "420paldv", "420", "422", "444", "411", "mono", "420p10", "444p12", "mono16", None]
RATIOS = st.none() | st.fractions(min_value=Fraction(1, 9999), max_value=9999, max_denominator=9999)
HEADERS = st.builds(
    Header,
    width=st.integers(1, 70),
    height=st.integers(1, 50),
    rate=RATIOS,
    aspect=RATIOS,
    interlacing=st.sampled_from(["p", "t", "b", "m", "?", None]),
    colour_space=st.sampled_from(SPACES),
    comments=st.lists(st.sampled_from(["COLORRANGE=FULL", "COLORRANGE=LIMITED", "YSCSS=420", "anything"])).map(tuple),
)
HEAD = b"YUV4MPEG2 W4 H2 F25:1 Ip C420jpeg"


@contextmanager
def piped(content: bytes) -> Iterator[PipeInput]:
    """A real pipe that a thread fills."""
    reader, writer = os.pipe()

    def send() -> None:
        with os.fdopen(writer, "wb") as stream:
            stream.write(content)

    sending = threading.Thread(target=send)
    sending.start()
    pipe = PipeInput(reader)
    try:
        yield pipe
    finally:
        while pipe.read(2**16):
            pass
        sending.join()
        pipe.close()
        os.close(reader)


def copied(content: bytes) -> tuple[bytes, int, InputError | None]:
    """What comes out of a source and a sink beside it."""
    stream = io.BytesIO()
    with piped(content) as pipe:
        source = Y4MSource(pipe)
        sink = Y4MSink(stream, source.header)
        for frame in source.read():
            assert sink.form.is_of(frame) == (source.header.pixel_format == "yuv420p")
            sink.write(frame, frame_time(frame))
        sink.finish()
        return stream.getvalue(), source.count, source.error


def frame_time(frame: av.VideoFrame):
    from clearcall.media.video import FrameTime

    return FrameTime.of(frame)


@settings(deadline=None)
@given(HEADERS)
def test_a_header_comes_back(header: Header) -> None:
    assert Header.parse(bytes(header).rstrip(b"\n")) == header


@settings(deadline=None, max_examples=40)
@given(HEADERS, st.integers(0, 3), st.sampled_from([b"FRAME", b"FRAME Ixtp", b"FRAME Xnote"]), st.randoms())
def test_what_is_read_is_written_byte_for_byte(header: Header, count: int, line: bytes, random) -> None:
    template = av.VideoFrame(header.width, header.height, header.pixel_format)
    size = len(frame_bytes(template))
    content = bytes(header) + b"".join(line + b"\n" + random.randbytes(size) for _ in range(count))
    assert copied(content) == (content, count, None)


def frame_bytes(frame: av.VideoFrame) -> bytes:
    stream = io.BytesIO()
    Y4MWriter(stream, Header(1, 1)).write(frame)
    return stream.getvalue().split(b"FRAME\n", 1)[1]


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv411p", "gray", "yuv420p10le", "gray12le"])
@pytest.mark.parametrize("size", [(64, 48), (33, 17)])
def test_ffmpegs_own_y4m_is_understood(pixels: str, size: tuple[int, int]) -> None:
    """Another implementation: FFmpeg's muxer, and its demuxer for what comes out."""
    width, height = size
    stream = io.BytesIO()
    frame = av.VideoFrame(width, height, pixels)
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = np.arange(plane.buffer_size) % 3
    with av.open(stream, "w", format="yuv4mpegpipe", options={"strict": "-1"}) as container:
        video = container.add_stream("wrapped_avframe", Fraction(30000, 1001))
        video.width, video.height, video.pix_fmt = width, height, pixels
        for number in range(2):
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    content = stream.getvalue()
    out, count, error = copied(content)
    assert (count, error) == (2, None)
    assert out.split(b"FRAME", 1)[1] == content.split(b"FRAME", 1)[1]
    with av.open(io.BytesIO(out)) as container:
        video = container.streams.video[0]
        assert (video.average_rate, video.pix_fmt, video.width) == (Fraction(30000, 1001), pixels, width)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"RIFF....", "is not y4m"),
        (b"", "is not y4m"),
        (b"YUV4MPEG2", "has no width between 1 and 16384"),
        (b"YUV4MPEG2 W0 H2", "has no width between"),
        (b"YUV4MPEG2 W4 H-2", "has no height between"),
        (b"YUV4MPEG2 W4 H999999999", "has no height between"),
        (b"YUV4MPEG2 W16384 H16384", "asks for frames of 16384x16384"),
        (b"YUV4MPEG2 W4 H2 F25", "frame rate F25 in the y4m header from standard input is not a ratio"),
        (b"YUV4MPEG2 W4 H2 F25:0", "is not a ratio"),
        (b"YUV4MPEG2 W4 H2 A:", "pixel aspect A: in"),
        (b"YUV4MPEG2 W4 H2 C444alpha", "colour space C444alpha from standard input is not read here; send one of"),
        (b"YUV4MPEG2 W4 H2 " + b"Xa" * 3000, "a line of it has no end"),
    ],
)
def test_headers_that_are_refused(line: bytes, sentence: str) -> None:
    with piped(line + b"\n") as pipe, pytest.raises(InputError, match=sentence) as caught:
        Y4MSource(pipe)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("rest", "whole", "sentence"),
    [
        (b"FRAME\n" + bytes(12) + b"FRAME\n" + bytes(11), 1, "ends in the middle of frame 1; the 1 frames before"),
        (b"FRAME\n" + bytes(12) + b"FRAME\n", 1, "ends in the middle of frame 1"),
        (b"FRAME\n" + bytes(13) + b"FRAME\n", 1, "Frame 1 from standard input doesn't begin with FRAME"),
        (b"FRAMES\n" + bytes(12), 0, "doesn't begin with FRAME"),
        (b"\nFRAME\n", 0, "doesn't begin with FRAME"),
        (b"FRAME " + b"x" * 5000, 0, "a line of it has no end"),
    ],
)
def test_damage_ends_the_video_with_the_frames_before_it(rest: bytes, whole: int, sentence: str) -> None:
    out, count, error = copied(HEAD + b"\n" + rest)
    assert count == whole
    assert out.count(b"FRAME\n") == whole
    assert error is not None
    assert sentence in str(error)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200), st.sampled_from([b"", HEAD + b"\n", HEAD + b"\nFRAME\n", b"YUV4MPEG2 W1 H1 "]))
def test_any_bytes_are_frames_or_one_sentence(noise: bytes, start: bytes) -> None:
    try:
        out, count, _ = copied(start + noise)
    except InputError as error:
        assert "\n" not in str(error).strip()
    else:
        assert out.count(b"FRAME") >= count


def test_a_read_that_waits_can_be_stopped() -> None:
    reader, writer = os.pipe()
    os.write(writer, HEAD + b"\nFRAME\n" + bytes(12))
    pipe = PipeInput(reader)
    source = Y4MSource(pipe)
    frames = source.read()
    assert next(frames).width == 4
    threading.Timer(0.05, source.stop).start()
    assert list(frames) == []
    for descriptor in (reader, writer):
        os.close(descriptor)
    pipe.close()


@pytest.mark.parametrize(
    ("pixels", "space"),
    [("yuvj420p", "420jpeg"), ("nv12", "420jpeg"), ("rgb24", "444"), ("yuv420p10le", "420p10"), ("gray", "mono")],
)
def test_the_header_for_a_decoded_frame(pixels: str, space: str) -> None:
    header = Header.of(av.VideoFrame(6, 4, pixels), Fraction(24), Fraction(4, 3), turns=1)
    assert (header.width, header.height, header.colour_space, header.aspect) == (4, 6, space, Fraction(3, 4))
