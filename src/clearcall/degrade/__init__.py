"""What a thin link does to a frame: resize, real codecs, named call profiles."""

from __future__ import annotations

from clearcall.degrade.codec import Traffic
from clearcall.degrade.link import Profile, degrade_clip, degrade_pair, degrade_picture
from clearcall.degrade.profiles import LADDER, PROFILES, get_profile

__all__ = ["LADDER", "PROFILES", "Profile", "Traffic", "degrade_clip", "degrade_pair", "degrade_picture", "get_profile"]
