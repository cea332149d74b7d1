"""A call-like scene to demonstrate on: a speaker, a shared slide that changes, captions, a chat and small tiles.

Everything is drawn from what is installed: photographs that scikit-image ships (an astronaut by NASA, a rocket by
SpaceX, both in the public domain; a cat by Stefan van der Walt and a cup of coffee by Rachel Michetti, both CC0; a
scanned page of scikit-image's own documentation) and text in Pillow's built-in typeface. At 1080 lines no photograph
is enlarged, so that the ground truth is as sharp as its sources.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage import data

Frame = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]
Area: TypeAlias = tuple[float, float, float, float]  # left, top, width, height in a frame of 1920x1080

_GROUND, _CARD, _RAISED = (19, 21, 26), (31, 34, 41), (44, 48, 57)
_INK, _DIM, _GREEN, _RED = (236, 238, 242), (150, 156, 168), (74, 196, 138), (222, 76, 70)
_PAPER, _TEXT, _SOFT, _BLUE = (252, 252, 250), (28, 32, 40), (104, 110, 122), (32, 88, 178)

_SLIDE: Area = (32, 32, 1344, 756)
_SPEAKER: Area = (1408, 32, 480, 480)
_CAT: Area = (1408, 536, 228, 252)
_COFFEE: Area = (1660, 536, 228, 252)
_CAPTION: Area = (32, 812, 1344, 112)
_CHAT: Area = (1408, 812, 480, 236)

_SPOKEN = (
    "Good morning. Before the review, one look at the pad: the tanks are full, the towers are clear and the weather "
    "holds. Next slide, please. Here is the countdown, minute by minute; the last column says who calls the step."
)
_BULLETS = (
    "Propellant loading began at 04:10 and ended at 05:25",
    "Upper winds 18 m/s, well within the limit of 29 m/s",
    "Range is green from 06:03 to 06:47",
    "Telemetry: 1,204 channels, 3 of them noisy",
)
_STEPS = (
    ("T - 38:00", "Poll for propellant loading", "Director", "go"),
    ("T - 35:00", "Fuel and oxidiser loading", "Propulsion", "done"),
    ("T - 07:00", "Engine chill", "Propulsion", "next"),
    ("T - 04:30", "Strongback retracts 1.5 deg", "Pad", "-"),
    ("T - 02:00", "Range verifies go", "Range", "-"),
    ("T - 01:00", "Flight computer start-up", "Avionics", "-"),
    ("T - 00:03", "Ignition sequence", "Computer", "-"),
)
_CHATS = (
    ("Noor", "the small print is hard to read here"),
    ("Ben", "same, I'm on the train (3 bars)"),
    ("Ada", "page 12, table 4: 1,204 channels"),
)
# The control buttons as rounded boxes around their middle: left, top, width, height, radius.
_ICONS = (
    ((-5, -15, 10, 18, 5), (-11, -4, 3, 9, 1.5), (8, -4, 3, 9, 1.5), (-11, 5, 22, 3, 1.5), (-1.5, 6, 3, 9, 1.5)),
    ((-15, -9, 20, 18, 4), (8, -6, 7, 12, 2)),
    ((-15, -11, 30, 4, 2), (-15, 7, 30, 4, 2), (-15, -11, 4, 22, 2), (11, -11, 4, 22, 2), (-5, -3, 10, 6, 2)),
    ((-13, -3, 6, 6, 3), (-3, -3, 6, 6, 3), (7, -3, 6, 6, 3)),
    ((-15, -4, 30, 8, 4), (-15, -4, 8, 12, 3), (7, -4, 8, 12, 3)),
)


class CallScene:
    """Frames of a call, drawn one at a time; the same number gives the same frame.

    Args:
        height: Lines, even; the width follows at 16:9. Up to 1080 no photograph is enlarged.
        frames: How many frames there are; the slide changes half-way.

    Example:
        >>> scene = CallScene(height=90, frames=4)
        >>> len(scene), scene.frame(0).shape
        (4, (90, 160, 3))
    """

    def __init__(self, height: int = 1080, frames: int = 120) -> None:
        self.height = height
        self.width = round(height * 16 / 9 / 2) * 2
        self._count = frames
        self._scale = height / 1080
        self._caption = lru_cache(maxsize=4)(self._draw_caption)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        return (self.frame(number) for number in range(self._count))

    def frame(self, number: int) -> Frame:
        """Draw one frame.

        Args:
            number: From 0 to ``len(self) - 1``.

        Returns:
            uint8 ``(height, width, 3)``, RGB.
        """
        progress = number / max(self._count - 1, 1)
        seconds = number / 30
        picture = self._stages[number >= self._count // 2].copy()
        self._paste_camera(picture, _SPEAKER, self._photos["astronaut"], _sway(seconds, 0.0, 7), 496)
        self._paste_camera(picture, _CAT, self._photos["cat"], _sway(seconds, 2.0, 9), 240)
        self._paste_camera(picture, _COFFEE, self._photos["coffee"], _sway(seconds, 4.0, 5), 300)
        self._draw_voice(picture, seconds)
        left, top, _, _ = self._pixels(_CAPTION)
        picture.paste(self._caption(round(progress * len(_SPOKEN.split()))), (left, top))
        self._draw_pointer(picture, progress)
        return np.asarray(picture)

    @cached_property
    def _photos(self) -> dict[str, Image.Image]:
        names = {"astronaut": data.astronaut, "cat": data.cat, "coffee": data.coffee, "rocket": data.rocket}
        return {name: Image.fromarray(read()) for name, read in names.items()}

    @cached_property
    def _stages(self) -> tuple[Image.Image, Image.Image]:
        """Everything that stands still, with the first and with the second slide."""
        return self._draw_stage(self._draw_launch), self._draw_stage(self._draw_countdown)

    def _draw_stage(self, draw_slide: Callable[[Image.Image], None]) -> Image.Image:
        picture = Image.new("RGB", (self.width, self.height), _GROUND)
        self._card(picture, _SLIDE, _PAPER)
        draw_slide(picture)
        self._card(picture, _CHAT, _CARD)
        for index, (name, words) in enumerate(_CHATS):
            self._text(picture, 1432, 836 + 66 * index, name, 19, _GREEN)
            self._text(picture, 1432, 860 + 66 * index, words, 22, _INK)
        self._draw_controls(picture)
        return picture

    def _draw_launch(self, picture: Image.Image) -> None:
        self._text(picture, 88, 84, "Launch readiness review", 58, _TEXT, bold=True)
        self._text(picture, 88, 162, "Launch Complex 40, second attempt, 11 February", 28, _SOFT)
        for index, bullet in enumerate(_BULLETS):
            top = 262 + 96 * index
            self._disc(picture, 98, top + 16, 6, _BLUE)
            for line, words in enumerate(_wrapped(bullet, 31)):
                self._text(picture, 124, top + 38 * line, words, 29, _TEXT)
        photo = self._photos["rocket"]
        self._photo(picture, (696, 236, 640, 427), photo)
        self._text(picture, 696, 676, "The vehicle on the pad, from the north-west. Photograph: SpaceX.", 18, _SOFT)
        self._text(picture, 88, 740, "Document LR-40-118, revision C. Times are local.", 17, _SOFT)
        self._text(picture, 1288, 740, "3 / 12", 17, _SOFT)

    def _draw_countdown(self, picture: Image.Image) -> None:
        self._text(picture, 88, 84, "Countdown, minute by minute", 58, _TEXT, bold=True)
        draw = ImageDraw.Draw(picture)
        for row, cells in enumerate((("Time", "Step", "Called by", "State"), *_STEPS)):
            top = 184 + 46 * row
            for left, cell in zip((88, 252, 640, 816), cells, strict=True):
                self._text(picture, left, top, cell, 25 if row else 20, _TEXT if row else _SOFT)
            y = round((top + 38) * self._scale)
            draw.line((88 * self._scale, y, 900 * self._scale, y), (214, 216, 220), max(round(2 * self._scale), 1))
        self._draw_chart(picture)
        page = Image.fromarray(data.page()).convert("RGB")
        self._photo(picture, (944, 500, 384, 191), page)
        self._text(picture, 944, 704, "Appendix: a scanned page of the handbook.", 18, _SOFT)
        self._text(picture, 88, 610, "Hold points are T - 10:00 and T - 04:00; both can be extended twice,", 22, _TEXT)
        self._text(picture, 88, 642, "by 5 or 10 minutes. After T - 00:40 any hold ends the attempt.", 22, _TEXT)
        self._text(picture, 88, 740, "Document LR-40-118, revision C. Times are local.", 17, _SOFT)
        self._text(picture, 1288, 740, "4 / 12", 17, _SOFT)

    def _draw_chart(self, picture: Image.Image) -> None:
        """A line chart of thin strokes, drawn large and reduced for smooth edges."""
        self._text(picture, 944, 184, "Tank pressure, bar", 20, _SOFT)
        for index in range(5):
            self._text(picture, 944, 222 + 52 * index, f"{4 - index}.0", 17, _SOFT)
        left, top, width, height = self._pixels((984, 222, 344, 230))
        large, unit = Image.new("RGB", (4 * width, 4 * height), _PAPER), 4 * self._scale
        draw = ImageDraw.Draw(large)
        for index in range(5):
            draw.line((0, (10 + 52 * index) * unit, 344 * unit, (10 + 52 * index) * unit), (222, 224, 229), round(unit))
        for colour, phase in ((_BLUE, 0.0), ((204, 92, 40), 1.3)):
            heights = [178 - 30 * math.log1p(x / 30) - 12 * math.sin(x / 26 + phase) for x in range(345)]
            points = [(x * unit, y * unit) for x, y in enumerate(heights)]
            draw.line(points, colour, round(3 * unit), joint="curve")
        picture.paste(large.resize((width, height), Image.Resampling.BOX), (left, top))

    def _draw_controls(self, picture: Image.Image) -> None:
        self._text(picture, 40, 984, "10:42", 26, _INK)
        self._text(picture, 130, 986, "Launch readiness review", 22, _DIM)
        self._text(picture, 1376, 986, "4 people in the call", 22, _DIM, anchor="ra")
        for index, icon in enumerate(_ICONS):
            middle = 580 + 84 * index
            self._disc(picture, middle, 998, 32, _RED if index == len(_ICONS) - 1 else _RAISED)
            for left, top, width, height, radius in icon:
                self._card(picture, (middle + left, 998 + top, width, height), _INK, radius)

    def _draw_caption(self, words: int) -> Image.Image:
        """The last two lines of what has been said."""
        area = self._pixels(_CAPTION)
        picture = Image.new("RGB", area[2:], _GROUND)
        self._card(picture, (0, 0, *_CAPTION[2:]), _CARD)
        lines = _wrapped(" ".join(_SPOKEN.split()[:words]), 84)[-2:]
        for index, line in enumerate(lines):
            self._text(picture, 28, 18 + 42 * index, line, 30, _INK)
        return picture

    def _draw_voice(self, picture: Image.Image, seconds: float) -> None:
        """Name of the speaker, and bars that move with the voice."""
        self._card(picture, (1424, 464, 142, 34), (16, 18, 22), radius=17)
        self._text(picture, 1436, 468, "Speaker", 20, _INK)
        draw, scale = ImageDraw.Draw(picture), self._scale
        for bar in range(4):
            height = 5 + 8 * abs(math.sin(seconds * (7 + bar) + bar))
            left, middle = 1524 + 8 * bar, 481
            box = (left, middle - height, left + 4, middle + height)
            draw.rectangle([edge * scale for edge in box], _GREEN)

    def _draw_pointer(self, picture: Image.Image, progress: float) -> None:
        """The presenter's arrow wanders over the slide."""
        left = 420 + 380 * math.sin(4.4 * progress) + 60 * math.sin(17 * progress)
        top = 430 + 190 * math.sin(6.1 * progress + 1)
        outline = ((0, 0), (0, 30), (8, 23), (14, 35), (19, 33), (13, 21), (23, 21))
        points = [((left + x) * self._scale, (top + y) * self._scale) for x, y in outline]
        ImageDraw.Draw(picture).polygon(points, (20, 20, 22), (250, 250, 250))

    def _paste_camera(
        self, picture: Image.Image, area: Area, photo: Image.Image, offset: tuple[float, float], view: float
    ) -> None:
        """What a hand-held camera sees of a photograph: ``view`` of its pixels across, moved by ``offset``."""
        left, top, width, height = self._pixels(area)
        across, down = view, view * area[3] / area[2]
        x = min(max((photo.width - across) / 2 + offset[0], 0), photo.width - across)
        y = min(max((photo.height - down) / 2 + offset[1], 0), photo.height - down)
        tile = photo.resize((width, height), Image.Resampling.LANCZOS, box=(x, y, x + across, y + down))
        picture.paste(tile, (left, top), _rounded(width, height, round(14 * self._scale)))

    def _photo(self, picture: Image.Image, area: Area, photo: Image.Image) -> None:
        left, top, width, height = self._pixels(area)
        tile = photo if photo.size == (width, height) else photo.resize((width, height), Image.Resampling.LANCZOS)
        picture.paste(tile, (left, top))

    def _card(self, picture: Image.Image, area: Area, colour: Colour, radius: float = 14) -> None:
        left, top, width, height = self._pixels(area)
        picture.paste(
            colour, (left, top, left + width, top + height), _rounded(width, height, round(radius * self._scale))
        )

    def _disc(self, picture: Image.Image, x: float, y: float, radius: float, colour: Colour) -> None:
        self._card(picture, (x - radius, y - radius, 2 * radius, 2 * radius), colour, radius)

    def _text(
        self,
        picture: Image.Image,
        left: float,
        top: float,
        words: str,
        size: float,
        colour: Colour,
        *,
        bold: bool = False,
        anchor: str = "la",
    ) -> None:
        font = ImageFont.load_default(max(size * self._scale, 4))
        place = (round(left * self._scale), round(top * self._scale))
        ImageDraw.Draw(picture).text(place, words, colour, font, anchor, stroke_width=0.6 * self._scale if bold else 0)

    def _pixels(self, area: Area) -> tuple[int, int, int, int]:
        left, top, right, bottom = (
            round(edge * self._scale) for edge in (area[0], area[1], area[0] + area[2], area[1] + area[3])
        )
        return left, top, max(right - left, 1), max(bottom - top, 1)


def _sway(seconds: float, phase: float, amount: float) -> tuple[float, float]:
    """Slow, smooth movement of a hand, in pixels."""
    x = math.sin(1.7 * seconds + phase) + 0.35 * math.sin(5.3 * seconds + 2 * phase)
    y = math.sin(1.3 * seconds + phase + 1) + 0.35 * math.sin(4.1 * seconds + phase)
    return amount * x, amount * y


@lru_cache(maxsize=32)
def _rounded(width: int, height: int, radius: int) -> Image.Image:
    """Mask of a rectangle with smooth round corners."""
    large = Image.new("L", (4 * width, 4 * height), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, 4 * width - 1, 4 * height - 1), 4 * radius, 255)
    return large.resize((width, height), Image.Resampling.BOX)


def _wrapped(words: str, columns: int) -> list[str]:
    """Lines of at most ``columns`` characters."""
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > columns:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines
