"""The ladder of named links; ``docs/profiles.md`` shows the same table."""

from __future__ import annotations

import difflib

from clearcall.degrade.codec import CodecName
from clearcall.degrade.link import Profile
from clearcall.errors import RecipeError

_SLOW_SIDE, _SLOW_RATE, _RATE = 180, 15, 30
_RUNGS: tuple[tuple[CodecName, int, int], ...] = (
    ("h264", 180, 80), ("h264", 180, 150), ("h264", 270, 250), ("h264", 270, 400), ("h264", 360, 400),
    ("h264", 360, 800), ("h264", 540, 400), ("h264", 540, 900), ("h264", 540, 2500),
    ("vp8", 180, 80), ("vp8", 180, 150), ("vp8", 270, 250), ("vp8", 270, 400), ("vp8", 360, 500), ("vp8", 360, 800),
    ("vp8", 540, 900), ("vp8", 540, 2500),
    ("vp9", 180, 80), ("vp9", 180, 150), ("vp9", 270, 200), ("vp9", 270, 300), ("vp9", 360, 300), ("vp9", 360, 500),
    ("vp9", 540, 700), ("vp9", 540, 1800),
    ("av1", 180, 80), ("av1", 180, 120), ("av1", 270, 150), ("av1", 270, 250), ("av1", 360, 300), ("av1", 360, 450),
    ("av1", 540, 500), ("av1", 540, 1500),
)  # fmt: skip


def _call(codec: CodecName, side: int, kbps: int) -> Profile:
    name, max_rate = f"{codec}-{side}p-{kbps}k", _SLOW_RATE if side <= _SLOW_SIDE else _RATE
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
        *(_call(codec, side, kbps) for codec, side, kbps in _RUNGS),
        _call("h264", 720, 2500),
    )
}
"""Every named link, from none at all to the top layer of a call."""

LADDER: tuple[str, ...] = (
    *("bicubic-x2", "h264-half-crf23", "h264-half-crf28", "h264-half-crf33"),
    *(f"{codec}-{side}p-{kbps}k" for codec, side, kbps in _RUNGS),
    "clean",
)
"""The conference ladder: what ``clearcall bench quality`` measures, from the classical simulation over constant
quality at half size to the layers of a call (two or more bitrates for each codec and size), and no link at all."""


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
