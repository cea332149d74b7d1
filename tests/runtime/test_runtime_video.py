"""Real videos through the pipeline: everything but the pixels stays, and nothing hangs or leaks."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import clearcall
from clearcall.errors import ClearcallError, InputError, OutputError, RecipeError
from clearcall.media.colour import Colours, to_planes
from clearcall.media.encoder import Encoding
from clearcall.media.video import VideoSource, to_rgb
from clearcall.runtime.video import sharpen_video

MakeVideo = Callable[..., Path]
VARIABLE = tuple(1001 * step for step in (7, 8, 10, 15, 16, 17, 25, 26, 27, 28, 40, 41))
CHAPTERS = [
    {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "Hello"}},
    {"id": 2, "start": 200, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": "Goodbye"}},
]


class Unchanged:
    """Gives each frame back, and remembers what it saw."""

    def __init__(self) -> None:
        self.shapes: set[tuple[int, ...]] = set()
        self.dtypes: set[str] = set()

    def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
        self.shapes.add(frame.shape)
        self.dtypes.add(frame.dtype.name)
        return frame


class Inverted(Unchanged):
    """A result that can't be mistaken for the original."""

    def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
        return np.ascontiguousarray(np.iinfo(frame.dtype).max - frame)


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


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1", "libx264", "mpeg4", "ffv1", "hevc"])
def test_codecs_by_their_names(make_video: MakeVideo, tmp_path: Path, codec: str) -> None:
    source = make_video("a.mkv", size=(64, 64))
    assert sharpen_video(source, tmp_path / "b.mkv", Unchanged(), encoding=Encoding(codec)).frames == 12
    with av.open(str(tmp_path / "b.mkv")) as container:
        found = container.streams.video[0].codec_context.codec.canonical_name
    assert found == {"h265": "hevc", "libx264": "h264"}.get(codec, codec)


def test_crf_and_preset_reach_the_encoder(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mp4")
    sizes = []
    for crf in (10, 40):
        encoding = Encoding(crf=crf, preset="medium")
        sharpen_video(source, tmp_path / "b.mp4", Unchanged(), encoding=encoding, force=True)
        sizes.append((tmp_path / "b.mp4").stat().st_size)
    assert sizes[0] > sizes[1]
    assert b"subme=7" in (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(
    ("name", "encoding", "sentence"),
    [
        ("b.mp4", Encoding("h2640"), r"no video encoder 'h2640'; did you mean h264\? Known are h264, h265, vp9, av1"),
        ("b.mp4", Encoding("aac"), "no video encoder 'aac'"),
        ("b.mp4", Encoding("h264", crf=70), "CRF of 70 is out of range for libx264; use 0 to 51"),
        ("b.mkv", Encoding("ffv1", crf=3), "ffv1 has no crf; leave out --crf"),
        ("b.mkv", Encoding("ffv1", preset="x"), "ffv1 has no preset; leave out --preset"),
    ],
)
def test_wrong_codecs_and_options(
    make_video: MakeVideo, tmp_path: Path, name: str, encoding: Encoding, sentence: str
) -> None:
    source = make_video("a.mkv")
    with pytest.raises(RecipeError, match=sentence):
        sharpen_video(source, tmp_path / name, Unchanged(), encoding=encoding)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("name", "encoding", "sentence"),
    [
        ("b.mkv", Encoding(preset="hurry"), r"libx264 can't write 64x48 frames to \.mkv files with preset hurry"),
        ("b.webm", Encoding("h264"), "webm files can't hold video coded by libx264"),
        ("b.mp4", Encoding(), r"\.mp4 files can't hold subtitle stream 3 \(srt\) of a\.mkv; write to \.mkv or"),
        ("b.webm", Encoding(), r"\.webm files can't hold audio stream 1 \(aac\) of a\.mkv; write to \.mkv or \.mp4"),
        ("b.xyz", Encoding(), r"No video format is known for the suffix '\.xyz'"),
        ("b", Encoding(), "No video format is known for the suffix ''"),
        ("b.png", Encoding(), r"a\.mkv is a video, which a \.png file can't hold"),
        ("b.wav", Encoding(), "can't hold video"),
        ("missing/b.mkv", Encoding(), "missing is missing; create it first|folder .* is missing"),
    ],
)
def test_what_the_output_can_not_hold(
    make_video: MakeVideo, tmp_path: Path, name: str, encoding: Encoding, sentence: str
) -> None:
    source = make_video("a.mkv", sound="aac", subtitles="subrip")
    with pytest.raises(OutputError, match=sentence):
        sharpen_video(source, tmp_path / name, Unchanged(), encoding=encoding)
    assert list(tmp_path.iterdir()) == [source]


def test_an_attachment_that_does_not_fit_is_left_out_and_said(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mkv", sound="aac", attachment=b"font")
    result = sharpen_video(source, tmp_path / "b.mp4", Unchanged())
    assert result.notes == ("attachment stream 3 (font.ttf) left out: it has no place in .mp4 files",)


@pytest.mark.parametrize(
    ("name", "target", "options", "note"),
    [
        ("a.mkv", "b.mp4", {"codec": "ffv1", "pixel_format": "bgra"}, "transparency left out"),
        (
            "a.mp4",
            "b.avi",
            {"pts": VARIABLE[:6]},
            "frame times rounded to the constant rate that .avi files have",
        ),
        (
            "a.mp4",
            "b.webm",
            {"sample_aspect_ratio": Fraction(4, 3)},
            "the pixels' shape (4/3) left out: .webm with libvpx-vp9 has no place",
        ),
        (
            "a.mkv",
            "b.mp4",
            {"codec_options": {"flags": "+ildct+ilme", "x264-params": "tff=1"}},
            "interlaced frames written as progressive ones",
        ),
    ],
)
def test_what_is_lost_is_said(
    make_video: MakeVideo, tmp_path: Path, name: str, target: str, options: dict[str, Any], note: str
) -> None:
    result = sharpen_video(make_video(name, **options), tmp_path / target, Unchanged())
    assert result.notes == (note,)
    assert len(frames_of(tmp_path / target)) == result.frames


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


class Failing(Unchanged):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error
        self.calls = 0

    def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
        self.calls += 1
        if self.calls > 20:
            raise self.error
        return frame


@pytest.mark.parametrize("error", [InputError("bad frame"), KeyboardInterrupt(), MemoryError()])
def test_an_error_while_sharpening_stops_all(make_video: MakeVideo, tmp_path: Path, error: BaseException) -> None:
    source = make_video("a.mkv", pts=range(0, 100100, 1001), sound="aac")
    before = threading.active_count()
    with pytest.raises(type(error)):
        sharpen_video(source, tmp_path / "b.mkv", Failing(error))
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("stage", ["_decode", "_encode"])
def test_an_error_in_a_thread_stops_all(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def fail(*_: object) -> None:
        raise OutputError("broken thread")

    monkeypatch.setattr(f"clearcall.runtime.video.{stage}", fail)
    source = make_video("a.mkv", pts=range(0, 100100, 1001))
    before = threading.active_count()
    with pytest.raises(ClearcallError, match="broken thread"):
        sharpen_video(source, tmp_path / "b.mkv", Unchanged())
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == [source]


def test_only_a_bounded_number_of_frames_is_under_way(make_video: MakeVideo, tmp_path: Path) -> None:
    """The decoder waits for a slow sharpener; large frames make for a short belt."""
    import clearcall.runtime.video as pipeline

    source = make_video("a.mkv", pts=range(0, 60060, 1001), size=(320, 240))
    decoded, most = 0, 0
    original = pipeline.to_rgb

    def counting(frame: av.VideoFrame) -> np.ndarray:
        nonlocal decoded
        decoded += 1
        return original(frame)

    class Slow(Unchanged):
        done = 0

        def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
            nonlocal most
            self.done += 1
            threading.Event().wait(0.002)
            most = max(most, decoded - self.done)
            return frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "to_rgb", counting)
        patch.setattr(pipeline, "_BELT_BYTES", 3 * 320 * 240 * 3)
        assert sharpen_video(source, tmp_path / "b.mkv", Slow()).frames == 60
    assert most <= 3 + 2


def test_progress_counts_up_to_the_total(make_video: MakeVideo, tmp_path: Path) -> None:
    reports: list[tuple[int, int | None]] = []
    sharpen_video(
        make_video("a.mp4"), tmp_path / "b.mp4", Unchanged(), on_progress=lambda *report: reports.append(report)
    )
    assert reports == [(step, 12) for step in range(1, 13)]


class PlanesOnly(Unchanged):
    """Takes planes, and says so if it was given RGB."""

    reach, multiple_of = 8, 2

    def __init__(self) -> None:
        super().__init__()
        self.colours: set[Colours] = set()

    def sharpen_yuv(self, y: Any, u: Any, v: Any, *, colours: Colours, strength: float = 1.0, out: Any = None) -> Any:
        self.colours.add(colours)
        out = out or tuple(np.empty_like(plane) for plane in (y, u, v))
        for target, plane in zip(out, (y, u, v), strict=True):
            target[:] = plane
        return out


@pytest.mark.parametrize("tags", [(5, 2, 5, 6), (6, 1, 6, 6), (1, 1, 1, 1), (2, 0, 2, 2)])
@pytest.mark.parametrize("size", [(64, 48), (66, 50)])
def test_4_2_0_is_sharpened_on_its_own_planes(
    make_video: MakeVideo, tmp_path: Path, tags: tuple[int, ...], size: tuple[int, int]
) -> None:
    """Without RGB, bit for bit, and with the tags that the file has."""
    source = make_video("a.mp4", colours=tags, size=size)
    sharpener = PlanesOnly()
    sharpen_video(source, tmp_path / "b.mkv", sharpener, encoding=Encoding("ffv1"))
    assert sharpener.shapes == set()
    assert {(entry.matrix, entry.range, entry.primaries, entry.transfer) for entry in sharpener.colours} == {tags}
    assert {entry.siting for entry in sharpener.colours} == {"left"}
    assert colours(tmp_path / "b.mkv") == tags
    for before, after in zip(frames_of(source), frames_of(tmp_path / "b.mkv"), strict=True):
        np.testing.assert_array_equal(before.to_ndarray(), after.to_ndarray())


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("b.mkv", {"pixel_format": "yuv444p"}),
        ("b.mkv", {"codec": "ffv1", "pixel_format": "yuv420p10le"}),
        ("b.mkv", {"codec": "libvpx-vp9", "size": (63, 47)}),  # H.264 takes it as 4:4:4
        ("b.ts", {"rotation": 90}),
    ],
)
def test_other_frames_go_by_way_of_rgb(
    make_video: MakeVideo, tmp_path: Path, target: str, options: dict[str, Any]
) -> None:
    sharpener = PlanesOnly()
    sharpen_video(make_video("a.mkv", **options), tmp_path / target, sharpener)
    assert (len(sharpener.shapes), sharpener.colours) == (1, set())


@pytest.mark.parametrize("size", [(96, 64), (97, 63)])
def test_planes_and_rgb_agree(make_video: MakeVideo, tmp_path: Path, size: tuple[int, int]) -> None:
    """The bundled model on planes beside the same model on RGB."""
    source = make_video("a.webm", codec="libvpx-vp9", size=size)
    sharpener = clearcall.load()

    class RGBOnly:
        def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
            return sharpener.sharpen(frame, strength)

    sharpen_video(source, tmp_path / "planes.mkv", sharpener, encoding=Encoding("ffv1"))
    sharpen_video(source, tmp_path / "rgb.mkv", RGBOnly(), encoding=Encoding("ffv1"))
    for planes, rgb in zip(frames_of(tmp_path / "planes.mkv"), frames_of(tmp_path / "rgb.mkv"), strict=True):
        for found, expected in zip(to_planes(planes), to_planes(rgb), strict=True):
            difference = np.abs(found.astype(int) - expected)
            assert difference.mean() < 0.5
            assert difference.max() <= 6
