"""The header of YUV4MPEG2 (y4m), uncompressed video for pipes, as mjpegtools' yuv4mpeg(5) and FFmpeg write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

import av
from av.codec import find_best_pix_fmt_of_list

from clearcall.errors import InputError
from clearcall.media.colour import Colours
from clearcall.media.siting import CENTRE, LEFT

MAGIC: Final = b"YUV4MPEG2"
_LONGEST_SIDE: Final = 16384
_MOST_PIXELS: Final = 2**26

_FORMATS: Final = {
    "420jpeg": ("yuv420p", CENTRE),
    "420mpeg2": ("yuv420p", LEFT),
    "420paldv": ("yuv420p", "topleft"),
    "420": ("yuv420p", CENTRE),
    "422": ("yuv422p", CENTRE),
    "444": ("yuv444p", CENTRE),
    "411": ("yuv411p", CENTRE),
    "mono": ("gray", CENTRE),
    **{f"{kind}p{bits}": (f"yuv{kind}p{bits}le", CENTRE) for kind in ("420", "422", "444") for bits in (10, 12, 16)},
    **{f"mono{bits}": (f"gray{bits}le", CENTRE) for bits in (10, 12, 16)},
}
"""FFmpeg's pixel format and the place of the colour samples, by y4m's colour space."""

LIMITED: Final = "COLORRANGE=LIMITED"
"""FFmpeg's comment for levels from 16 to 235."""
_RANGES: Final = {LIMITED: 1, "COLORRANGE=FULL": 2}


@dataclass(frozen=True)
class Header:
    """The first line of a y4m stream.

    Attributes:
        width: Pixels across.
        height: Pixels down.
        rate: Frames per second; None if it isn't known.
        aspect: Width of a pixel over its height; None if it isn't known.
        interlacing: ``p`` progressive, ``t`` and ``b`` top and bottom field first, ``m`` mixed, ``?`` not known.
        colour_space: ``420jpeg``, ``420mpeg2``, ``444``, ``mono``, ``420p10`` ...; None counts as ``420``.
        comments: What stands behind each ``X``.

    Example:
        >>> header = Header.parse(b"YUV4MPEG2 W640 H360 F30000:1001 Ip A1:1 C420mpeg2")
        >>> header.rate, header.pixel_format, header.colours.siting
        (Fraction(30000, 1001), 'yuv420p', 'left')
        >>> bytes(header)
        b'YUV4MPEG2 W640 H360 F30000:1001 Ip A1:1 C420mpeg2\\n'
    """

    width: int
    height: int
    rate: Fraction | None = None
    aspect: Fraction | None = None
    interlacing: str | None = None
    colour_space: str | None = None
    comments: tuple[str, ...] = ()

    @classmethod
    def parse(cls, line: bytes, label: str = "standard input") -> Self:
        """Read the first line.

        Args:
            line: Without its line feed.
            label: Where it comes from, for error messages.

        Raises:
            InputError: Not a y4m header, or of a kind that isn't read here.
        """
        magic, *tokens = line.split(b" ")
        if magic != MAGIC:
            raise InputError(f"What comes from {label} is not y4m; send it with ffmpeg -f yuv4mpegpipe.")
        texts = [token.decode("ascii", "replace") for token in tokens if token]
        known = {text[0]: text[1:] for text in texts if text[0] != "X"}
        header = cls(
            width=_side(known.get("W"), "width", label),
            height=_side(known.get("H"), "height", label),
            rate=_ratio(known.get("F"), "frame rate F", label),
            aspect=_ratio(known.get("A"), "pixel aspect A", label),
            interlacing=known.get("I"),
            colour_space=known.get("C"),
            comments=tuple(text[1:] for text in texts if text[0] == "X"),
        )
        header._check(label)
        return header

    @classmethod
    def of(cls, frame: av.VideoFrame, rate: Fraction | None, aspect: Fraction | None, turns: int = 0) -> Self:
        """Make the header for frames like a given one.

        Args:
            frame: A decoded frame.
            rate: Frames per second.
            aspect: Width of a pixel over its height.
            turns: Quarter turns by which frames are turned before they are written.
        """
        colours = Colours.of(frame)
        colour_space = _nearest_colour_space(frame.format.name, colours.siting)
        width, height = (frame.width, frame.height)[:: -1 if turns % 2 else 1]
        return cls(
            width=width,
            height=height,
            rate=rate,
            aspect=1 / aspect if aspect and turns % 2 else aspect,
            interlacing="?" if frame.interlaced_frame else "p",
            colour_space=colour_space,
            comments=tuple(text for text, value in _RANGES.items() if value == (colours.range or 1)),
        )

    def __bytes__(self) -> bytes:
        tokens = [f"W{self.width}", f"H{self.height}", f"F{_ratio_text(self.rate)}"]
        tokens += [f"I{self.interlacing}"] if self.interlacing is not None else []
        tokens += [f"A{_ratio_text(self.aspect)}"]
        tokens += [f"C{self.colour_space}"] if self.colour_space is not None else []
        tokens += [f"X{comment}" for comment in self.comments]
        return b" ".join([MAGIC, *(token.encode("ascii", "replace") for token in tokens)]) + b"\n"

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the pixel format."""
        return _FORMATS[self.colour_space or "420"][0]

    @property
    def colours(self) -> Colours:
        """Range and siting; y4m says nothing of the matrix."""
        signal_range = next((_RANGES[text] for text in self.comments if text in _RANGES), 0)
        return Colours(range=signal_range, siting=_FORMATS[self.colour_space or "420"][1])

    def _check(self, label: str) -> None:
        if self.width * self.height > _MOST_PIXELS:
            raise InputError(
                f"The y4m header from {label} asks for frames of {self.width}x{self.height}; "
                f"{_MOST_PIXELS // 10**6} million pixels are the most here."
            )
        if self.colour_space is not None and self.colour_space not in _FORMATS:
            raise InputError(
                f"The colour space C{self.colour_space[:32]} from {label} is not read here; "
                f"send one of {', '.join(_FORMATS)}, as ffmpeg does with -pix_fmt yuv420p."
            )


def _side(text: str | None, name: str, label: str) -> int:
    side = int(text) if text and re.fullmatch(r"\d{1,6}", text, re.ASCII) else 0
    if not 1 <= side <= _LONGEST_SIDE:
        raise InputError(
            f"The y4m header from {label} has no {name} between 1 and {_LONGEST_SIDE}; "
            "send it with ffmpeg -f yuv4mpegpipe."
        )
    return side


def _ratio(text: str | None, name: str, label: str) -> Fraction | None:
    """A ratio such as 30000:1001; 0:0 says that it isn't known."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,10}):(\d{1,10})", text, re.ASCII)
    top, bottom = (int(found[1]), int(found[2])) if found else (1, 0)
    if (top, bottom) == (0, 0):
        return None
    if not top or not bottom:
        raise InputError(f"The {name}{text[:32]} in the y4m header from {label} is not a ratio such as 30000:1001.")
    return Fraction(top, bottom)


def _ratio_text(ratio: Fraction | None) -> str:
    return f"{ratio.numerator}:{ratio.denominator}" if ratio else "0:0"


def _nearest_colour_space(pixel_format: str, siting: str) -> str:
    plain = pixel_format.replace("yuvj", "yuv")
    best, _ = find_best_pix_fmt_of_list(sorted({name for name, _ in _FORMATS.values()}), plain)
    name = best.name if best else "yuv420p"
    same = {key: place for key, (pixels, place) in _FORMATS.items() if pixels == name}
    return next((key for key, place in same.items() if place == siting), next(iter(same)))
