"""What the viewer sees of pictures and clips: size, alignment, repeats, seeds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import groupby, pairwise

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clearcall.degrade import PROFILES, Profile, Traffic, degrade_clip, degrade_pair, degrade_picture, get_profile
from clearcall.degrade.link import PICTURE_RATE, picture_views
from clearcall.degrade.scale import resize

EXAMPLES = [
    PROFILES["clean"],
    PROFILES["bicubic-x2"],
    PROFILES["h264-half-crf28"],
    Profile(name="vp8", codec="vp8", scale=1.5, crf=20),
    Profile(name="vp9", codec="vp9", scale=4 / 3, crf=30, noise=2.0),
    Profile(name="av1", codec="av1", scale=2.0, crf=35, picture_frames=3),
    Profile(name="jpeg", codec="jpeg", scale=2.0, crf=70, blur=0.6),
]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(1, height // 10), max(1, width // 10), 3), dtype=np.uint8)
    return resize(coarse, width, height, "bicubic")


@pytest.mark.parametrize("profile", EXAMPLES, ids=lambda profile: profile.name)
@settings(max_examples=6, deadline=None)
@given(height=st.integers(1, 80), width=st.integers(1, 80))
def test_a_picture_of_any_size_keeps_it(profile: Profile, height: int, width: int):
    degraded = degrade_picture(picture(height, width), profile)
    assert degraded.shape == (height, width, 3)
    assert degraded.dtype == np.uint8


@pytest.mark.parametrize("profile", EXAMPLES, ids=lambda profile: profile.name)
def test_the_same_seed_gives_the_same_picture_to_the_bit(profile: Profile):
    sharp = picture(61, 83)
    kept = sharp.copy()
    assert (degrade_picture(sharp, profile, seed=3) == degrade_picture(sharp, profile, seed=3)).all()
    assert (sharp == kept).all()


def test_another_seed_moves_otherwise():
    sharp = picture(64, 96)
    profile = PROFILES["h264-half-crf28"]
    assert (degrade_picture(sharp, profile, seed=1) != degrade_picture(sharp, profile, seed=2)).any()


@pytest.mark.parametrize("profile", EXAMPLES[1:], ids=lambda profile: profile.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_degraded_picture_lies_on_the_sharp_one(profile: Profile, seed: int):
    sharp = picture(144, 192, seed).astype(float)
    degraded = degrade_picture(sharp.astype(np.uint8), profile, seed=seed).astype(float)
    errors = {
        (dx, dy): np.mean((np.roll(degraded, (dy, dx), axis=(0, 1)) - sharp)[4:-4, 4:-4] ** 2)
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
    }
    assert min(errors, key=errors.__getitem__) == (0, 0)


def test_bicubic_x2_is_down_with_bicubic_and_up_with_bilinear():
    sharp = picture(60, 80)
    by_hand = resize(resize(sharp, 40, 30, "bicubic"), 80, 60, "bilinear")
    assert (degrade_picture(sharp, PROFILES["bicubic-x2"]) == by_hand).all()


def test_clean_changes_nothing_and_is_a_copy():
    sharp = picture(20, 30)
    clean = degrade_picture(sharp, PROFILES["clean"])
    assert (clean == sharp).all()
    assert not np.shares_memory(clean, sharp)


@pytest.mark.parametrize(
    ("size", "side", "sent"),
    [
        ((1920, 1080), 360, (640, 360)),
        ((1080, 1920), 360, (360, 640)),
        ((1366, 768), 360, (640, 360)),
        ((320, 180), 360, (320, 180)),
        ((1, 1), 180, (1, 1)),
        ((5000, 200), 180, (4500, 180)),
    ],
)
def test_the_sent_size_is_never_larger(size: tuple[int, int], side: int, sent: tuple[int, int]):
    assert Profile(name="p", side=side).sent_size(*size) == sent


def test_as_sent_leaves_the_sent_size():
    sharp = picture(90, 160)
    assert degrade_picture(sharp, PROFILES["bicubic-x2"], as_sent=True).shape == (45, 80, 3)
    clip = degrade_clip([sharp] * 2, Fraction(30), PROFILES["h264-half-crf23"], as_sent=True)
    assert [frame.shape for frame in clip] == [(45, 80, 3)] * 2


def test_noise_and_blur_do_what_they_say():
    flat = np.full((128, 128, 3), 120, np.uint8)
    noisy = degrade_picture(flat, Profile(name="noise", noise=5.0))
    assert noisy.std() == pytest.approx(5.0, rel=0.05)
    assert noisy.mean() == pytest.approx(120.0, abs=0.2)
    sharp = picture(64, 64)
    blurred = degrade_picture(sharp, Profile(name="blur", blur=2.0)).astype(float)
    assert np.abs(np.diff(blurred, axis=1)).mean() < 0.9 * np.abs(np.diff(sharp.astype(float), axis=1)).mean()


@pytest.mark.parametrize("profile", EXAMPLES, ids=lambda profile: profile.name)
def test_a_clip_keeps_its_count_and_size(profile: Profile):
    clip = [picture(37, 51, seed) for seed in range(5)]
    seen = list(degrade_clip(iter(clip), Fraction(30000, 1001), profile))
    assert [frame.shape for frame in seen] == [(37, 51, 3)] * 5


@settings(max_examples=40, deadline=None)
@given(count=st.integers(0, 50), rate=st.sampled_from([10, 15, 24, 25, 30, 60]), max_rate=st.integers(1, 60))
def test_left_out_frames_are_repeats_of_the_one_before(count: int, rate: int, max_rate: int):
    """Each frame is numbered by its brightness: what is shown is the newest frame sent, never a later one."""
    clip = [np.full((2, 2, 3), number, np.uint8) for number in range(count)]
    traffic = Traffic()
    profile = Profile(name="slow", max_rate=max_rate)
    shown = [int(frame[0, 0, 0]) for frame in degrade_clip(clip, Fraction(rate), profile, traffic=traffic)]
    assert len(shown) == count
    assert all(earlier <= later for earlier, later in pairwise(shown))
    longest = -(-rate // min(rate, max_rate))
    assert all(number - longest < value <= number for number, value in enumerate(shown))
    sent = len(list(groupby(shown)))
    assert abs(sent - count * min(1.0, max_rate / rate)) <= 1.0


def test_left_out_frames_with_a_real_codec():
    clip = [np.full((32, 32, 3), 20 * number, np.uint8) for number in range(12)]
    profile = Profile(name="slow", codec="h264", crf=18, max_rate=10)
    traffic = Traffic()
    shown = [frame.mean() for frame in degrade_clip(clip, Fraction(30), profile, traffic=traffic)]
    assert traffic.sent_frames == 4
    assert shown == pytest.approx([0, 0, 0, 60, 60, 60, 120, 120, 120, 180, 180, 180], abs=4)


def test_a_clip_streams():
    """Frames are read as the result is consumed: an endless clip gives its first frames at once."""

    def endless():
        while True:
            yield picture(32, 48)

    seen = degrade_clip(endless(), Fraction(30), PROFILES["h264-half-crf28"])
    assert next(seen).shape == next(seen).shape == (32, 48, 3)


@pytest.mark.parametrize(
    "fields",
    [
        {"codec": "h264"},
        {"codec": "h264", "crf": 23, "bitrate_kbps": 300},
        {"crf": 23},
        {"codec": "jpeg", "bitrate_kbps": 300},
        {"scale": 0.5},
        {"codec": "mpeg1", "crf": 3},
        {"colour": "blue"},
        {"max_rate": 0},
    ],
)
def test_an_impossible_profile_is_refused(fields: dict[str, object]):
    with pytest.raises(ValidationError):
        Profile.model_validate({"name": "impossible", **fields})


def test_threads_do_not_disturb_each_other():
    sharp = picture(60, 90)
    alone = [degrade_picture(sharp, profile, seed=5) for profile in EXAMPLES]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda profile: degrade_picture(sharp, profile, seed=5), EXAMPLES * 3))
    assert all((seen == alone[number % len(alone)]).all() for number, seen in enumerate(together))


@pytest.mark.parametrize("name", ["clean", "bicubic-x2", "h264-half-crf28"])
def test_a_pair_ends_with_the_picture_and_the_frame_before_lies_on_its_own_truth(name):
    sharp = np.asarray(skimage.data.astronaut())[64:192, 160:288].copy()
    profile = get_profile(name).model_copy(update={"movement": 3.0})
    (degraded, truth), (degraded_before, truth_before) = degrade_pair(sharp, profile, seed=2)
    assert truth is sharp
    if profile.codec != "none":
        assert np.array_equal(degraded, degrade_picture(sharp, profile, seed=2))
    assert not np.array_equal(truth_before, truth)  # the camera has moved
    error = np.abs(degraded_before.astype(float) - truth_before).mean()
    assert error < np.abs(degraded_before.astype(float) - truth).mean()
    if name == "clean":
        assert error == 0


RELAY = Profile(name="relay", codec="vp8", crf=30)


def test_a_relayed_picture_is_the_clip_sent_over_both_links():
    sharp = np.asarray(skimage.data.astronaut())[64:192, 160:288].copy()
    first = Profile(name="first", codec="h264", crf=26)
    once = list(degrade_clip(picture_views(sharp, first, seed=4), PICTURE_RATE, first))
    twice = list(degrade_clip(once, PICTURE_RATE, RELAY))
    relayed = degrade_picture(sharp, first, seed=4, relay=RELAY)
    assert np.array_equal(relayed, twice[-1])
    assert not np.array_equal(relayed, once[-1])


@pytest.mark.parametrize("name", ["clean", "bicubic-x2", "h264-half-crf28"])
def test_a_relayed_picture_lies_on_the_sharp_one_and_its_pair_ends_with_it(name):
    sharp = np.asarray(skimage.data.astronaut())[64:192, 160:288].copy()
    relayed = degrade_picture(sharp, get_profile(name), seed=2, relay=RELAY)
    assert relayed.shape == sharp.shape
    here = np.abs(relayed.astype(float) - sharp).mean()
    assert all(
        here < np.abs(np.roll(relayed, step, axis).astype(float) - sharp).mean() for step in (-1, 1) for axis in (0, 1)
    )
    (degraded, truth), (_, truth_before) = degrade_pair(sharp, get_profile(name), seed=2, relay=RELAY)
    assert np.array_equal(degraded, relayed)
    assert truth is sharp
    assert not np.array_equal(truth_before, truth)
