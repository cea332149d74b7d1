"""Codecs and their options, and what a container can't hold."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from watched_video import VARIABLE, MakeVideo, Unchanged, frames_of

from clearcall.errors import OutputError, RecipeError
from clearcall.media.encoder import Encoding
from clearcall.runtime.video import sharpen_video


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1", "libx264", "mpeg4", "ffv1", "hevc"])
def test_codecs_by_their_names(make_video: MakeVideo, tmp_path: Path, codec: str) -> None:
    source = make_video("a.mkv", size=(64, 64))
    assert sharpen_video(source, tmp_path / "b.mkv", Unchanged(), encoding=Encoding(codec)).frames == 12
    with av.open(str(tmp_path / "b.mkv")) as container:
        found = container.streams.video[0].codec_context.codec.canonical_name
    assert found == {"h265": "hevc", "libx264": "h264"}.get(codec, codec)


def policies_of_threads() -> set[int]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            found.add(os.sched_getscheduler(int(task.name)))
    return found


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="only Linux schedules by policy")
def test_av1_takes_no_cpu_from_others(make_video: MakeVideo, tmp_path: Path) -> None:
    policies: list[set[int]] = []

    class Watching(Unchanged):
        def sharpen(self, frame: Any, strength: float = 1.0) -> Any:
            policies.append(policies_of_threads())
            return super().sharpen(frame, strength)

    before = os.sched_getscheduler(0)
    sharpen_video(make_video("a.mkv", size=(64, 64)), tmp_path / "b.mkv", Watching(), encoding=Encoding("av1"))
    assert policies == [{before}] * 12
    assert os.sched_getscheduler(0) == before


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
