"""The named ladder: lookup, plausibility, and the table in the documentation."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from clearcall.degrade import LADDER, PROFILES, Profile, degrade_picture, get_profile
from clearcall.degrade.profiles import table
from clearcall.errors import RecipeError

DOCS = Path(__file__).parents[2] / "docs" / "profiles.md"


def test_every_profile_is_found_by_its_name():
    assert all(get_profile(name) is profile and profile.name == name for name, profile in PROFILES.items())
    assert set(LADDER) <= PROFILES.keys()


def test_the_ladder_has_enough_bitrates_for_a_curve_of_each_codec_and_size():
    rungs = [PROFILES[name] for name in LADDER if PROFILES[name].bitrate_kbps]
    assert {(rung.codec, rung.side) for rung in rungs} == set(
        product(("h264", "vp8", "vp9", "av1"), (180, 270, 360, 540))
    )
    assert min(Counter((rung.codec, rung.side) for rung in rungs).values()) >= 2
    rates = [rung.bitrate_kbps for rung in rungs]
    assert (min(rates), max(rates)) == (80, 2500)
    assert [name for name in LADDER if PROFILES[name].codec == "none"] == ["bicubic-x2", "clean"]


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("bicubic-2x", "bicubic-x2"),
        ("h264-360-400k", "h264-360p-400k"),
        ("av1-540p", "av1-540p-500k"),
        ("zzz", "nearest"),
    ],
)
def test_an_unknown_profile_names_the_nearest(wrong: str, nearest: str):
    with pytest.raises(RecipeError, match=nearest) as caught:
        get_profile(wrong)
    assert "--list" in str(caught.value)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_every_profile_degrades_a_picture(profile: Profile):
    sharp = np.random.default_rng(0).integers(0, 256, (90, 121, 3), dtype=np.uint8)
    degraded = degrade_picture(sharp, profile)
    assert degraded.shape == sharp.shape
    assert (degraded == sharp).all() == (profile.name == "clean")


def test_the_documentation_has_the_same_table():
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    documented = [(name, *(cell.strip() for cell in cells.split("|"))) for name, cells in rows]
    assert documented == [tuple(row) for row in table()]
