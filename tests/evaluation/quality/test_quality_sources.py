"""Sources behind links: the frames are those that `degrade` gives."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearcall.degrade import PROFILES, Profile, Traffic, degrade_clip, degrade_picture
from clearcall.errors import InputError
from clearcall.evaluation.quality.sources import MEASURED_FRAMES, Source, find_sources, send
from clearcall.frame import to_8_bit
from clearcall.media.video import VideoSink, VideoSource, to_rgb

SHARP = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8).repeat(12, 0).repeat(12, 1)
FAST = Profile(name="fast", codec="h264", scale=2.0, bitrate_kbps=300, picture_frames=3)
SLOW = Profile(name="slow", codec="vp8", scale=2.0, bitrate_kbps=100, picture_frames=3, max_rate=12)


def test_pictures_are_degraded_as_everywhere_else_though_their_movement_is_made_once(tmp_path: Path) -> None:
    Image.fromarray(SHARP).save(tmp_path / "a.png")
    links = [FAST, SLOW, PROFILES["bicubic-x2"], PROFILES["clean"]]
    for link, sent in zip(links, send(Source("a.png", "x", tmp_path / "a.png"), links, seed=3), strict=True):
        traffic = Traffic()
        (moment,) = sent.moments
        assert (moment.shown == degrade_picture(SHARP, link, 3, traffic=traffic)).all()
        assert (moment.received == degrade_picture(SHARP, link, 3, as_sent=True)).all()
        assert sent.kbps == pytest.approx(traffic.kbps(link.sent_rate(Fraction(30))))


def test_the_end_of_a_clips_start_is_kept_frame_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with VideoSink(path, width=192, height=108, rate=Fraction(24), crf=20) as sink:
        for index in range(70):
            sink.write(np.roll(SHARP, index, axis=1))
    with VideoSource(path) as source:
        truths = [to_8_bit(to_rgb(frame)) for frame in source.frames()][:60]  # 2.5 s
    (sent,) = send(Source("clip.mkv", "x", path), [SLOW])
    shown = list(degrade_clip(truths, Fraction(24), SLOW))
    assert len(sent.moments) == MEASURED_FRAMES
    for moment, truth, frame in zip(sent.moments, truths[-MEASURED_FRAMES:], shown[-MEASURED_FRAMES:], strict=True):
        assert (moment.truth == truth).all()
        assert (moment.shown == frame).all()
    assert 40 < sent.kbps < 300


def test_pictures_and_clips_are_found_with_their_categories(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    for name in ("people_001.png", "call.mp4", "notes.txt"):
        (tmp_path / "val" / name).write_bytes(b"")
    (tmp_path / "MANIFEST.csv").write_text("path,category\nval/call.mp4,games\n")
    found = find_sources(tmp_path / "val")
    assert [(source.name, source.category, source.is_clip) for source in found] == [
        ("call.mp4", "games", True),
        ("people_001.png", "people", False),
    ]


def test_bad_folders_and_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        find_sources(tmp_path / "missing")
    with pytest.raises(InputError, match="neither a picture nor a video"):
        find_sources(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"clip\.mp4"):
        list(send(find_sources(tmp_path)[0], [FAST]))
