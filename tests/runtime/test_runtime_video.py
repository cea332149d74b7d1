"""Real videos through the pipeline: everything but the pixels stays."""

from __future__ import annotations

import hashlib
import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from watched_video import VARIABLE, MakeVideo, Unchanged, colours, descriptions, frames_of, packets, times

from clearcall.media.encoder import Encoding
from clearcall.media.video import VideoSource, to_rgb
from clearcall.runtime.video import sharpen_video

CHAPTERS = [
    {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "Hello"}},
    {"id": 2, "start": 200, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": "Goodbye"}},
]


class Inverted(Unchanged):
    """A result that can't be mistaken for the original."""

    def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
        return np.ascontiguousarray(np.iinfo(frame.dtype).max - frame)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", {"sound": "aac", "subtitles": "subrip", "attachment": b"font" * 9, "chapters": CHAPTERS}),
        ("a.mp4", {"sound": "aac", "subtitles": "mov_text", "chapters": CHAPTERS, "rotation": 90}),
        ("a.mov", {"sound": "aac", "rotation": -90, "pts": VARIABLE}),
        ("a.webm", {"codec": "libvpx-vp9", "sound": "libopus", "subtitles": "webvtt", "rotation": 180}),
        ("a.ts", {"sound": "aac"}),
        ("a.avi", {"sound": "libmp3lame", "codec": "mpeg4", "pts": range(12), "time_base": Fraction(1001, 30000)}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_everything_but_the_pixels_stays(
    make_video: MakeVideo, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    source, target = make_video(name, **options), tmp_path / f"sharp-{name}"
    result = sharpen_video(source, target, Inverted())
    assert (result.frames, result.damaged, result.notes) == (12, 0, ())
    assert packets(target) == packets(source)
    assert times(target) == times(source)
    assert descriptions(target) == descriptions(source)
    with av.open(str(source)) as before, av.open(str(target)) as after:
        assert after.metadata.get("title") == before.metadata.get("title")
        for chapter, kept in zip(before.chapters(), after.chapters(), strict=True):
            assert kept["metadata"] == chapter["metadata"]
            assert kept["start"] * kept["time_base"] == chapter["start"] * chapter["time_base"]
        assert [stream.data for stream in after.streams.attachments] == [
            stream.data for stream in before.streams.attachments
        ]
    first, second = frames_of(source)[5], frames_of(target)[5]
    assert second.rotation == first.rotation
    assert first.rotation % 360 == options.get("rotation", 0) % 360
    assert np.abs(255.0 - to_rgb(first) - to_rgb(second)).mean() < 8


@pytest.mark.parametrize("pts", [tuple(range(0, 12012, 1001)), VARIABLE], ids=["29.97", "variable"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_times_are_exact_with_reordered_frames(
    make_video: MakeVideo, tmp_path: Path, name: str, pts: tuple[int, ...], codec: str
) -> None:
    source = make_video(name, pts=pts, codec_options={"bf": "3"})
    sharpen_video(source, tmp_path / "b.mp4", Unchanged(), encoding=Encoding(codec))
    assert times(tmp_path / "b.mp4") == times(source)


def test_matroska_rounds_times_to_its_milliseconds(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mp4", pts=VARIABLE)
    sharpen_video(source, tmp_path / "b.mkv", Unchanged())
    for exact, kept in zip(times(source), times(tmp_path / "b.mkv"), strict=True):
        assert abs(exact - kept) <= Fraction(1, 2000)


@pytest.mark.parametrize("tags", [(5, 2, 5, 6), (6, 1, 6, 6), (1, 1, 1, 1), (9, 1, 9, 14), (2, 0, 2, 2)])
def test_colour_tags_and_colours_stay(make_video: MakeVideo, tmp_path: Path, tags: tuple[int, ...]) -> None:
    source = make_video("a.mp4", colours=tags, codec_options={"crf": "4"})
    sharpen_video(source, tmp_path / "b.mp4", Unchanged(), encoding=Encoding(crf=4))
    assert colours(tmp_path / "b.mp4") == colours(source) == tags
    for before, after in zip(frames_of(source), frames_of(tmp_path / "b.mp4"), strict=True):
        assert np.abs(to_rgb(before).astype(int) - to_rgb(after)).mean() < 1.5


@pytest.mark.parametrize(
    ("target", "codec"), [("b.mp4", "hevc"), ("b.mkv", "hevc"), ("b.webm", "libdav1d"), ("b.mov", "hevc")]
)
def test_10_bits_are_kept(make_video: MakeVideo, tmp_path: Path, target: str, codec: str) -> None:
    """A ramp in steps of a quarter of an 8-bit level comes back, and HDR tags with it."""
    tags = (9, 1, 9, 16)
    options = {"x265-params": "log-level=none:lossless=1"}
    source = make_video(
        "a.mkv", codec="libx265", pixel_format="yuv420p10le", colours=tags, codec_options=options, size=(64, 64)
    )
    sharpener = Unchanged()
    sharpen_video(source, tmp_path / target, sharpener, encoding=Encoding(crf=6))
    assert sharpener.dtypes == {"uint16"}
    with VideoSource(tmp_path / target) as video:
        assert video.info.pixel_format == "yuv420p10le"
        assert video.stream.codec_context.name == codec
    assert colours(tmp_path / target) == tags
    before, after = to_rgb(frames_of(source)[0]), to_rgb(frames_of(tmp_path / target)[0])
    assert np.abs(before.astype(int) - after).mean() < 2.5 * 257


def test_the_shape_of_pixels_is_kept(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mp4", sample_aspect_ratio=Fraction(4, 3))
    for name in ("b.mp4", "b.mkv"):
        sharpen_video(source, tmp_path / name, Unchanged())
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_rotation_is_baked_in_where_the_container_has_none(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mp4", rotation=90, codec_options={"crf": "4"})
    sharpen_video(source, tmp_path / "b.ts", Unchanged(), encoding=Encoding(crf=4))
    first, second = frames_of(source)[0], frames_of(tmp_path / "b.ts")[0]
    assert (second.width, second.height, second.rotation) == (48, 64, 0)
    assert np.abs(np.rot90(to_rgb(first)).astype(int) - to_rgb(second)).mean() < 3


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (63, 48), (1, 1), (2, 3)])
@pytest.mark.parametrize("codec", ["h264", "vp9"])
def test_odd_and_tiny_sizes(make_video: MakeVideo, tmp_path: Path, size: tuple[int, int], codec: str) -> None:
    source = make_video("a.webm", codec="libvpx-vp9", size=size)
    sharpen_video(source, tmp_path / "b.mkv", Unchanged(), encoding=Encoding(codec))
    assert {(frame.width, frame.height) for frame in frames_of(tmp_path / "b.mkv")} == {size}


def test_a_size_that_changes_on_the_way_is_scaled_to_the_first(make_video: MakeVideo, tmp_path: Path) -> None:
    """As calls do it; MPEG-TS allows to append one recording to another."""
    small, large = make_video("a.ts"), make_video("b.ts", size=(128, 96), pts=range(20000, 32012, 1001))
    (tmp_path / "c.ts").write_bytes(small.read_bytes() + large.read_bytes())
    sharpener = Unchanged()
    result = sharpen_video(tmp_path / "c.ts", tmp_path / "d.mp4", sharpener)
    assert sharpener.shapes == {(48, 64, 3), (96, 128, 3)}
    assert {(frame.width, frame.height) for frame in frames_of(tmp_path / "d.mp4")} == {(64, 48)}
    assert result.frames == len(frames_of(tmp_path / "d.mp4")) == 24


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_second_video_and_a_cover_are_copied(make_video: MakeVideo, tmp_path: Path, suffix: str) -> None:
    main, second = make_video("main.mp4", size=(128, 96)), make_video("second.mp4")
    with av.open(str(main)) as one, av.open(str(second)) as two, av.open(str(tmp_path / f"a{suffix}"), "w") as both:
        streams = [both.add_stream_from_template(part.streams.video[0], opaque=True) for part in (one, two)]
        streams[0].disposition = av.stream.Disposition.default
        cover = both.add_stream("mjpeg", 1)
        cover.codec_context.width = cover.codec_context.height = 16
        cover.codec_context.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        cover.metadata.update({"filename": "cover.jpg", "mimetype": "image/jpeg"})
        for part, stream in zip((one, two), streams, strict=True):
            for packet in part.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    both.mux(packet)
        both.mux([*cover.encode(av.VideoFrame(16, 16, "yuvj420p")), *cover.encode(None)])

    def others(path: Path) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        with av.open(str(path)) as container:
            for packet in container.demux():
                if packet.size and packet.stream.index:
                    found.setdefault(packet.stream.index, []).append(hashlib.sha256(bytes(packet)).hexdigest())
        return found

    result = sharpen_video(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", Unchanged())
    assert (result.frames, result.notes) == (12, ())
    assert others(tmp_path / f"b{suffix}") == others(tmp_path / f"a{suffix}")
    assert descriptions(tmp_path / f"b{suffix}") == descriptions(tmp_path / f"a{suffix}")


def test_frames_without_times_follow_at_the_constant_rate(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.h264", codec_options={"bf": "0"})
    sharpen_video(source, tmp_path / "b.mp4", Unchanged())
    found = times(tmp_path / "b.mp4")
    gaps = {later - earlier for earlier, later in itertools.pairwise(found)}
    assert len(found) == 12
    assert all(Fraction(1, 31) < gap < Fraction(1, 24) for gap in gaps)


def test_damage_is_counted_and_a_cut_is_said(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mkv", pts=range(0, 60060, 1001), sound="aac", codec_options={"g": "5"})
    whole = packets(source)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 2 // 3])
    result = sharpen_video(source, tmp_path / "b.mkv", Unchanged())
    assert 0 < result.frames < 60
    assert "cut off or damaged before its end" in result.notes[0]
    kept = packets(tmp_path / "b.mkv")
    assert all(kept[index] == whole[index][: len(kept[index])] for index in kept)
