"""The ladder of named links; ``docs/profiles.md`` shows the same table."""

from __future__ import annotations

import difflib

from clearcall.degrade.codec import CodecName
from clearcall.degrade.link import Profile
from clearcall.errors import RecipeError


def _call(codec: CodecName, side: int, kbps: int, max_rate: int = 30) -> Profile:
    name = f"{codec}-{side}p-{kbps}k"
    return Profile(name=name, codec=codec, side=side, bitrate_kbps=kbps, max_rate=max_rate, picture_frames=24)


def _half(crf: int) -> Profile:
    return Profile(name=f"h264-half-crf{crf}", codec="h264", scale=2.0, crf=crf)


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(name="clean"),
        Profile(name="bicubic-x2", scale=2.0, down="bicubic", up="bilinear"),
        _half(23),
        _half(28),
        _half(33),
        _call("h264", 180, 150, max_rate=15),
        _call("h264", 270, 250),
        _call("h264", 360, 400),
        _call("h264", 540, 900),
        _call("h264", 720, 2500),
        _call("vp8", 180, 80, max_rate=15),
        _call("vp8", 360, 500),
        _call("vp9", 360, 300),
        _call("vp9", 540, 700),
        _call("av1", 360, 300),
        _call("av1", 540, 500),
    )
}
"""Every named link, from none at all to the top layer of a call."""


def get_profile(name: str) -> Profile:
    """Look a profile up by its name.

    Args:
        name: One of ``PROFILES``.

    Raises:
        RecipeError: There is none of that name; the message names the nearest.

    Example:
        >>> get_profile("bicubic-x2").scale
        2.0
    """
    if name in PROFILES:
        return PROFILES[name]
    nearest = difflib.get_close_matches(name, PROFILES, n=1, cutoff=0.0)[0]
    raise RecipeError(
        f"There is no profile named {name!r}; the nearest is {nearest!r}, `clearcall degrade --list` shows all."
    )


def table() -> list[tuple[str, str, str, str, str, str]]:
    """The ladder as text: name, sent as, codec, rate control, most frames a second, kernels (down, up).

    ``docs/profiles.md`` and ``clearcall degrade --list`` show these rows.

    Example:
        >>> table()[1]
        ('bicubic-x2', '1/2 size', '-', '-', 'all', 'bicubic, bilinear')
    """
    return [
        (
            profile.name,
            _sent_as(profile),
            "-" if profile.codec == "none" else profile.codec.upper().replace("H264", "H.264"),
            _rate_control(profile),
            str(profile.max_rate or "all"),
            "-" if profile.name == "clean" else f"{profile.down}, {profile.up}",
        )
        for profile in PROFILES.values()
    ]


def _sent_as(profile: Profile) -> str:
    if profile.side is not None:
        return f"{profile.side}p"
    return "full size" if profile.scale == 1.0 else f"1/{profile.scale:g} size"


def _rate_control(profile: Profile) -> str:
    if profile.bitrate_kbps is not None:
        return f"{profile.bitrate_kbps} kbit/s"
    return "-" if profile.crf is None else f"CRF {profile.crf}"
