"""Real codecs in memory: sizes, determinism, quality, bitrates, colours and their place."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcall.degrade.codec import CodecName, Traffic, round_trip
from clearcall.degrade.motion import camera_path
from clearcall.degrade.scale import resize

VIDEO: tuple[CodecName, ...] = ("h264", "vp8", "vp9", "av1")
GOOD = {"h264": 18, "vp8": 6, "vp9": 12, "av1": 20, "jpeg": 92}
POOR = {"h264": 40, "vp8": 55, "vp9": 58, "av1": 60, "jpeg": 15}


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft coloured blobs with some grain: neither trivial nor pure noise to a codec."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(1, height // 12), max(1, width // 12), 3), dtype=np.uint8)
    grain = rng.normal(0.0, 6.0, (height, width, 1))
    return (resize(coarse, width, height, "bicubic") + grain).clip(0, 255).astype(np.uint8)


def moving_clip(count: int, height: int, width: int, speed: float = 2.0) -> Iterator[np.ndarray]:
    picture = textured(height, width)
    for x, y in camera_path(count, np.random.default_rng(7), speed).tolist():
        yield resize(picture, width, height, "bilinear", (x, y))


def psnr(preds: np.ndarray, target: np.ndarray) -> float:
    error = np.mean((preds.astype(float) - target) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.mark.parametrize("codec", GOOD)
@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), count=st.integers(1, 3))
def test_any_size_comes_back_the_same_size_and_count(codec: CodecName, height: int, width: int, count: int):
    clip = [textured(height, width, seed) for seed in range(count)]
    received = list(round_trip(clip, codec, crf=GOOD[codec]))
    assert [(frame.shape, frame.dtype) for frame in received] == [((height, width, 3), np.uint8)] * count


@pytest.mark.parametrize("codec", GOOD)
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 64), (97, 131)])
def test_the_same_clip_gives_the_same_result_to_the_bit(codec: CodecName, shape: tuple[int, int]):
    clip = list(moving_clip(4, *shape))
    first, again = (list(round_trip(clip, codec, crf=GOOD[codec])) for _ in range(2))
    assert all((one == other).all() for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("codec", GOOD)
def test_quality_follows_its_setting_and_costs_bytes(codec: CodecName):
    clip = list(moving_clip(4, 96, 128))
    good, poor = Traffic(), Traffic()
    sharp = list(round_trip(clip, codec, crf=GOOD[codec], traffic=good))
    crude = list(round_trip(clip, codec, crf=POOR[codec], traffic=poor))
    assert psnr(sharp[-1], clip[-1]) > psnr(crude[-1], clip[-1]) + 2.0
    assert psnr(sharp[-1], clip[-1]) > 30.0
    assert good.sent_bytes > 2 * poor.sent_bytes
    assert good.sent_frames == poor.sent_frames == 4


@pytest.mark.parametrize(("codec", "kbps"), [("h264", 300), ("vp8", 300), ("vp9", 250), ("av1", 200)])
def test_a_moving_clip_keeps_to_its_bitrate(codec: CodecName, kbps: int):
    traffic = Traffic()
    received = round_trip(moving_clip(120, 180, 320), codec, bitrate_kbps=kbps, rate=Fraction(30), traffic=traffic)
    assert sum(1 for _ in received) == 120
    assert traffic.kbps(Fraction(30)) == pytest.approx(kbps, rel=0.15)


@pytest.mark.parametrize("codec", VIDEO)
def test_frames_stream_through(codec: CodecName):
    """Bounded memory: the codec never reads far ahead of what it has given."""
    taken = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal taken
        for frame in moving_clip(40, 64, 64):
            taken += 1
            yield frame

    ahead = [taken - given for given, _ in enumerate(round_trip(counted(), codec, crf=GOOD[codec]), start=1)]
    assert len(ahead) == 40
    assert max(ahead) <= 8


@pytest.mark.parametrize("codec", VIDEO)
def test_colours_come_back(codec: CodecName):
    """Matrix and range fit together both ways: patches of plain colour survive within a few levels."""
    colours = np.array(
        [(255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 30, 30), (30, 160, 60), (40, 60, 200)], np.uint8
    )
    patches = np.repeat(np.repeat(colours[None, :, :], 64, axis=0), 32, axis=1)
    (received,) = round_trip([patches], codec, crf=GOOD[codec])
    middles = received[32, 16::32].astype(int)
    assert np.abs(middles - colours).max() <= 6


@pytest.mark.parametrize("codec", GOOD)
def test_colours_stay_in_their_place(codec: CodecName):
    """A blurred red spot has its centre of mass where it was, to a fifth of a pixel; wrong siting moves it by half."""
    y, x = np.mgrid[:64, :96]
    spot = 200 * np.exp(-((x - 47.5) ** 2 + (y - 31.5) ** 2) / 72)
    picture = np.stack([30 + spot, np.full_like(spot, 30), np.full_like(spot, 30)], axis=-1).astype(np.uint8)
    received = list(round_trip([picture] * 2, codec, crf=GOOD[codec]))[-1]
    redness = received[..., 0].astype(float) - received[..., 1]
    assert (redness * x).sum() / redness.sum() == pytest.approx(47.5, abs=0.2)
    assert (redness * y).sum() / redness.sum() == pytest.approx(31.5, abs=0.2)


def test_several_threads_give_as_many_frames():
    clip = list(moving_clip(6, 96, 128))
    assert len(list(round_trip(clip, "h264", crf=23, threads=2))) == 6


def test_no_codec_passes_frames_through():
    clip = list(moving_clip(3, 8, 8))
    assert all(one is other for one, other in zip(clip, round_trip(clip, "none"), strict=True))


@pytest.mark.parametrize("codec", GOOD)
def test_nothing_in_nothing_out(codec: CodecName):
    assert list(round_trip([], codec, crf=GOOD[codec])) == []


@pytest.mark.parametrize("codec", GOOD)
def test_quality_or_bitrate_is_needed(codec: CodecName):
    with pytest.raises(ValueError, match="needs"):
        list(round_trip([], codec))
