"""Random links for training: shares, ranges, determinism."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError

from clearcall.degrade import degrade_picture
from clearcall.degrade.sampling import DEFAULT_MIX, TrainingMix, random_profile, random_relay, random_truth


def draw(count: int, mix: TrainingMix = DEFAULT_MIX) -> list:
    rng = np.random.default_rng(0)
    return [random_profile(rng, mix) for _ in range(count)]


def test_shares_are_those_of_the_mix():
    kinds = Counter(profile.name for profile in draw(2000))
    assert kinds["random-clean"] / 2000 == pytest.approx(DEFAULT_MIX.clean, abs=0.03)
    assert kinds["random-resized"] / 2000 == pytest.approx(DEFAULT_MIX.resized, abs=0.03)
    assert kinds["random-h264"] > kinds["random-vp8"] > kinds["random-jpeg"] > 0
    assert kinds["random-vp9"] > 0


def test_settings_stay_in_their_ranges():
    for profile in draw(500):
        if profile.codec == "none":
            assert profile.noise == profile.blur == 0.0
            continue
        low, high = DEFAULT_MIX.qualities[profile.codec]
        assert low <= profile.crf <= high
        assert profile.scale in DEFAULT_MIX.coded_scales
        assert 4 <= profile.picture_frames <= 6
        assert not (profile.noise and profile.blur)


def test_the_same_seed_draws_the_same_links():
    assert draw(50) == draw(50)


def test_every_drawn_link_works_and_is_repeatable():
    sharp = np.random.default_rng(1).integers(0, 256, (48, 56, 3), dtype=np.uint8)
    for number, profile in enumerate(draw(25)):
        assert (degrade_picture(sharp, profile, number) == degrade_picture(sharp, profile, number)).all()


def test_a_mix_of_one_kind():
    assert {profile.name for profile in draw(20, TrainingMix(clean=1.0, resized=0.0))} == {"random-clean"}
    only_jpeg = TrainingMix(clean=0.0, resized=0.0, codecs={"jpeg": 1.0}, spoilt=1.0)
    assert all(profile.codec == "jpeg" and (profile.noise or profile.blur) for profile in draw(20, only_jpeg))


def test_so_many_truths_are_soft_as_the_mix_says():
    sharp = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    rng = np.random.default_rng(2)
    kept = [(random_truth(sharp, rng, TrainingMix(soft=0.3)) == sharp).all() for _ in range(400)]
    assert 1 - np.mean(kept) == pytest.approx(0.3, abs=0.06)
    assert all(random_truth(sharp, rng) is sharp for _ in range(20))


def test_a_mix_says_nothing_of_softness_it_has_not():
    assert "soft" not in repr(DEFAULT_MIX)
    assert "focus" not in repr(DEFAULT_MIX)
    assert repr(TrainingMix(soft=0.3)) != repr(TrainingMix(soft=0.3, focus=(0.5, 1.0)))


@pytest.mark.parametrize(
    "fields",
    [
        {"clean": 0.7, "resized": 0.7},
        {"clean": -0.1},
        {"codecs": {"h264": 1.0}, "qualities": {"vp8": (6, 50)}},
        {"codecs": {}},
        {"coded_scales": {2.0: 0.0}},
        {"frames": (6, 4)},
        {"shares": 1},
    ],
)
def test_an_impossible_mix_is_refused(fields: dict[str, object]):
    with pytest.raises(ValidationError):
        TrainingMix.model_validate(fields)


def test_so_many_frames_are_relayed_as_the_mix_says_and_within_its_ranges():
    rng, mix = (
        np.random.default_rng(3),
        TrainingMix(
            relayed=0.3, relay_codecs={"vp8": 1.0, "jpeg": 1.0}, relay_qualities={"vp8": (9, 11), "jpeg": (40, 50)}
        ),
    )
    relays = [random_relay(rng, mix) for _ in range(600)]
    taken = [relay for relay in relays if relay is not None]
    assert len(taken) / 600 == pytest.approx(0.3, abs=0.06)
    assert {relay.codec for relay in taken} == {"vp8", "jpeg"}
    assert all(low <= relay.crf <= high for relay in taken for low, high in [mix.relay_qualities[relay.codec]])
    assert all(relay.scale == 1.0 and relay.side is None for relay in taken)


def test_relays_need_ranges_of_quality():
    with pytest.raises(ValidationError, match="no range of qualities for av1"):
        TrainingMix(relay_codecs={"av1": 1.0})
    with pytest.raises(ValidationError, match="runs from high to low"):
        TrainingMix(relay_qualities={"h264": (30, 20), "vp8": (8, 40)})
