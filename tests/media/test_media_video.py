"""Videos are read frame by frame with exact times; damage is counted; what isn't a video is said clearly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clearcall.errors import InputError, OutputError
from clearcall.media import video
from clearcall.media.video import VIDEO_SUFFIXES, VideoSink, VideoSource, to_rgb

MakeVideo = Callable[..., Path]
VARIABLE = tuple(1001 * step for step in (7, 8, 10, 15, 16, 17, 25, 26, 27, 28, 40, 41))


def times_by_ffmpeg(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return sorted(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.size)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts"])
@pytest.mark.parametrize("pts", [tuple(range(0, 12012, 1001)), VARIABLE], ids=["29.97", "variable"])
def test_every_frame_with_its_exact_time(make_video: MakeVideo, name: str, pts: tuple[int, ...]) -> None:
    path = make_video(name, pts=pts, codec_options={"bf": "2"})
    with VideoSource(path) as source:
        frames = list(source.frames())
        assert [frame.pts * frame.time_base for frame in frames] == times_by_ffmpeg(path)
        assert (source.damaged, source.is_truncated) == (0, False)
    assert len(frames) == 12


def test_what_is_known_beforehand(make_video: MakeVideo) -> None:
    path = make_video("a.mp4", sound="aac", rotation=90, size=(66, 48))
    with VideoSource(path) as source:
        info = source.info
    assert (info.width, info.height, info.pixel_format, info.rotation) == (66, 48, "yuv420p", 90)
    assert (info.rate, info.frames) == (Fraction(30000, 1001), 12)
    assert info.duration == pytest.approx(12 * 1001 / 30000)
    assert info.display_matrix is not None
    assert len(info.display_matrix) == 9


def test_h264_in_avi_starts_at_zero(make_video: MakeVideo) -> None:
    """FFmpeg's made-up times for it would be two frames late."""
    path = make_video("a.avi", pts=range(12), time_base=Fraction(1001, 30000), codec_options={"bf": "0"})
    with VideoSource(path) as source:
        assert next(iter(source.frames())).pts == 0


def test_names_that_ffmpeg_would_misread(make_video: MakeVideo) -> None:
    path = make_video("a.mkv")
    for name in ("http:a.mkv", "frame%03d.mkv", "-o.mkv", "ü b.mkv"):
        with VideoSource(path.rename(path.with_name(name))) as source:
            assert sum(1 for _ in source.frames()) == 12
        path = path.with_name(name)


def test_the_larger_of_two_videos_is_the_main_one_and_a_cover_is_none(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "cover.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        cover = container.add_stream("mjpeg", 1)
        cover.codec_context.width = cover.codec_context.height = 16
        cover.codec_context.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame(16, 16, "yuvj420p")
        container.mux([*cover.encode(frame), *cover.encode(None)])
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        silence.sample_rate = 48000
        container.mux([*sound.encode(silence), *sound.encode(None)])
    with pytest.raises(InputError, match="has no video stream, so there is nothing to sharpen"):
        VideoSource(tmp_path / "cover.mp4").__enter__()


@pytest.mark.parametrize("fraction", [0.6, 0.75])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_a_cut_off_file_gives_what_decodes_and_says_so(make_video: MakeVideo, name: str, fraction: float) -> None:
    options = {"codec": "mpeg4", "time_base": Fraction(1, 30), "pts": range(60)} if name == "a.avi" else {}
    pts = options.pop("pts", range(0, 60060, 1001))
    path = make_video(name, pts=pts, muxer={"movflags": "faststart"} if name == "a.mp4" else {}, **options)
    data = path.read_bytes()
    start = data.find(b"mdat") if name == "a.mp4" else 0
    path.write_bytes(data[: start + int((len(data) - start) * fraction)])
    with VideoSource(path) as source:
        count = sum(1 for _ in source.frames())
        assert 0 < count < 60
        assert source.is_truncated


def test_sound_that_goes_on_after_the_video_is_no_damage(make_video: MakeVideo) -> None:
    path = make_video("a.webm", codec="libvpx-vp9", sound="libopus", pts=(0, 1001))
    with VideoSource(path) as source:
        items = list(source.read(source.container.streams.audio))
        assert not source.is_truncated
    assert sum(isinstance(item, av.VideoFrame) for item in items) == 2
    assert sum(isinstance(item, av.Packet) for item in items) >= 30


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9", "mpeg4"])
def test_damaged_frames_are_passed_over(make_video: MakeVideo, codec: str) -> None:
    path = make_video("a.mp4", codec=codec, pts=range(0, 60060, 1001), codec_options={"g": "5"})
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size][20:50:7]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place : place + 60] = bytes(60)
    path.write_bytes(data)
    with VideoSource(path) as source:
        count = sum(1 for _ in source.frames())
        assert 30 <= count < 60 if codec != "mpeg4" else count >= 30
        assert source.damaged > 0 or codec == "mpeg4"
        assert count + source.damaged <= 60
        assert not source.is_truncated


class Breaking:
    """A container whose file can't be read any more after some packets."""

    def __init__(self, container: av.container.InputContainer) -> None:
        self.container = container

    def __getattr__(self, name: str) -> object:
        return getattr(self.container, name)

    def demux(self, *streams: av.stream.Stream) -> Iterator[av.Packet]:
        for index, packet in enumerate(self.container.demux(*streams)):
            if index == 8:
                raise av.error.InvalidDataError(1, "the disk is gone")
            yield packet


def test_a_read_error_ends_the_video_with_the_frames_under_way(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video("a.mkv", codec_options={"bf": "2"})
    opened = video._open
    monkeypatch.setattr(video, "_open", lambda *given: Breaking(opened(*given)))
    with VideoSource(path) as source:
        assert sum(1 for _ in source.frames()) == 8
        assert source.is_truncated


def empty_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 30)
        stream.codec_context.width = stream.codec_context.height = 16
        container.start_encoding()


def only_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        silence.sample_rate = 48000
        container.mux([*stream.encode(silence), *stream.encode(None)])


def missing(path: Path) -> None:
    del path


BAD = {
    "missing.mp4": (missing, "There is no file"),
    "folder.mp4": (Path.mkdir, "is a folder"),
    "empty.mp4": (Path.touch, "is not a picture or video"),
    "text.mp4": (lambda path: path.write_text("hello " * 1000), "is not a picture or video|no video stream"),
    "zeros.mkv": (lambda path: path.write_bytes(bytes(100_000)), "is not a picture or video|no video stream"),
    "frameless.mp4": (empty_video, "no frame decodes|no video stream|is not a picture or video"),
    "frameless.mkv": (empty_video, "no frame decodes|is not a picture or video"),
    "sound.mp4": (only_sound, "has no video stream"),
    "sound.mkv": (only_sound, "has no video stream"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_video_is_one_clear_sentence(tmp_path: Path, name: str) -> None:
    make, sentence = BAD[name]
    make(tmp_path / name)
    with pytest.raises(InputError, match=sentence) as caught, VideoSource(tmp_path / name):
        pytest.fail("the block must not run")
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (63, 47), (1, 1)])
def test_a_clip_written_is_the_clip_read(tmp_path: Path, width: int, height: int) -> None:
    rate = Fraction(30000, 1001)
    colours = [np.full((height, width, 3), (30 + 20 * step, 200, 90), np.uint8) for step in range(5)]
    with VideoSink(tmp_path / "a.mp4", width=width, height=height, rate=rate, crf=4) as sink:
        for colour in colours:
            sink.write(colour)
    with VideoSource(tmp_path / "a.mp4") as source:
        frames = list(source.frames())
    assert source.info.rate == rate
    assert [frame.pts * frame.time_base for frame in frames] == [step / rate for step in range(5)]
    for frame, colour in zip(frames, colours, strict=True):
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)
        assert np.abs(to_rgb(frame).astype(int) - colour).max() <= 4


def test_errors_of_a_clip_to_write(tmp_path: Path) -> None:
    size = {"width": 16, "height": 16, "rate": Fraction(25)}
    with pytest.raises(OutputError, match="can't be written with nonsense"):
        VideoSink(tmp_path / "a.mp4", codec="nonsense", **size)
    with pytest.raises(OutputError, match="can't be written with libx264"):
        VideoSink(tmp_path / "a.webm", **size)
    with (
        VideoSink(tmp_path / "a.mp4", **size) as sink,
        pytest.raises(InputError, match=r"shape \(4, 4, 3\) was given for a video of 16x16"),
    ):
        sink.write(np.zeros((4, 4, 3), np.uint8))


def test_suffixes_are_lower_case() -> None:
    assert {".mp4", ".mkv", ".webm", ".mov"} <= VIDEO_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in VIDEO_SUFFIXES)
