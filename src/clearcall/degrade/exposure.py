"""Motion blur as a long exposure makes it: the average of what the camera sees while its shutter is open.

S. Nah, T. H. Kim, K. M. Lee, "Deep multi-scale convolutional neural network for dynamic scene deblurring", CVPR 2017,
equations 1 and 2: of ``M`` consecutive sharp frames ``F[i]`` of a high-speed camera, the blurred frame is

    B = g( 1/M * sum_i g^-1(F[i]) )        with the camera response g(x) = x^(1/gamma), x in [0, 1],

and the middle frame is its sharp truth. With ``gamma = 2.2`` the frames are averaged in linear light, as a sensor does
(GoPro's ``blur_gamma``); with ``gamma = 1`` their 8-bit values are averaged (GoPro's ``blur``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from clearcall.degrade.motion import camera_path
from clearcall.degrade.scale import resize
from clearcall.errors import InputError, RecipeError
from clearcall.frame import Frame

GAMMA = 2.2
FRAMES = (7, 15)
"""Fewest and most frames of an exposure, as in GoPro."""
HAND_SHAKE = (2.0, 24.0)
"""Shortest and longest way, in pixels, that a hand-held camera's picture moves during an exposure."""

_FEWEST_VIEWS = 9
KERNEL_REACH = 2


@dataclass(frozen=True)
class Exposure:
    """The frames that one blurred frame is the average of.

    Attributes:
        start: Number of the first frame, from 0.
        frames: Consecutive frames, uint8 HWC RGB of one size.
    """

    start: int
    frames: tuple[Frame, ...]

    @property
    def middle(self) -> int:
        """Number of the frame that is the sharp truth (of an even count the later one, as in GoPro's pairs)."""
        return self.start + len(self.frames) // 2

    @property
    def sharp(self) -> Frame:
        """The sharp truth."""
        return self.frames[len(self.frames) // 2]

    def blurred(self, gamma: float = GAMMA) -> Frame:
        """The blurred frame; see :func:`average`."""
        return average(self.frames, gamma)


def average(frames: Iterable[Frame], gamma: float = GAMMA) -> Frame:
    """Average frames as a sensor adds up light.

    Args:
        frames: At least one, uint8 HWC RGB of one size.
        gamma: Of the camera response; 1 averages the 8-bit values themselves.

    Returns:
        uint8 HWC RGB, rounded.

    Raises:
        InputError: There is no frame.
        RecipeError: ``gamma`` is not above 0.

    Example:
        >>> black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
        >>> average([black, white])[0, 0, 0].item(), average([black, white], gamma=1)[0, 0, 0].item()
        (186, 128)
    """
    table = _light(gamma)
    total: NDArray[np.float32] | None = None
    count = 0
    for count, frame in enumerate(frames, start=1):  # noqa: B007 - the count is needed after the loop
        light = table[frame]
        total = light if total is None else np.add(total, light, out=total)
    if total is None:
        raise InputError("An exposure needs at least one frame.")
    levels = 255 * np.power(total / count, 1 / gamma)
    return np.floor(levels + 0.5).astype(np.uint8)


def exposures(
    frames: Iterable[Frame],
    counts: tuple[int, int] = FRAMES,
    stride: int | None = None,
    rng: np.random.Generator | None = None,
) -> Iterator[Exposure]:
    """Cut a recording into exposures, holding no more frames than one of them needs.

    Args:
        frames: All frames of a recording, in order.
        counts: Fewest and most frames of an exposure; drawn anew for each one.
        stride: Frames from the start of one exposure to that of the next; None: they follow each other without
            sharing frames.
        rng: Source of chance for the counts; the same generator state gives the same exposures.

    Yields:
        Every whole exposure.

    Raises:
        InputError: The frames differ in size.
        RecipeError: The counts or the stride make no sense.

    Example:
        >>> frames = [np.full((1, 1, 3), number, np.uint8) for number in range(10)]
        >>> [(one.start, one.middle) for one in exposures(frames, (4, 4), stride=3)]
        [(0, 2), (3, 5), (6, 8)]
    """
    if not 1 <= counts[0] <= counts[1]:
        raise RecipeError(f"An exposure of {counts[0]} to {counts[1]} frames makes no sense; give 7-15, or one number.")
    if stride is not None and stride < 1:
        raise RecipeError(f"A stride of {stride} frames makes no sense; give 1 or more.")
    rng = rng or np.random.default_rng(0)
    source, held, start = _of_one_size(frames), deque[Frame](), 0
    while True:
        count = int(rng.integers(*counts, endpoint=True))
        held.extend(islice(source, max(count - len(held), 0)))
        if len(held) < count:
            return
        yield Exposure(start, tuple(islice(held, count)))
        step = stride or count
        for _ in range(step):
            if held:
                held.popleft()
            else:
                next(source, None)
        start += step


def expose_still(
    sharp: Frame, rng: np.random.Generator, lengths: tuple[float, float] = HAND_SHAKE, gamma: float = GAMMA
) -> tuple[Frame, Frame]:
    """Blur a still picture as if the camera had been held by hand while its shutter was open.

    The views along a random smooth path (:func:`clearcall.degrade.motion.camera_path`), at most one pixel apart, are
    averaged in linear light. The middle view is the still itself, so that both pictures show the same place.

    Args:
        sharp: uint8 HWC RGB.
        rng: Source of chance; the same generator state gives the same blur.
        lengths: Shortest and longest path in pixels; drawn evenly on a logarithmic scale.
        gamma: Of the camera response.

    Returns:
        The blurred and the sharp picture, both without the ``ceil(lengths[1]) + 2`` outermost pixels of each side:
        what the camera would see from outside the still is never made up.

    Raises:
        InputError: The still is too small for so long a path.
        RecipeError: The lengths are not two ascending numbers above 0.

    Example:
        >>> blurred, sharp = expose_still(np.zeros((40, 50, 3), np.uint8), np.random.default_rng(0), (1, 6))
        >>> blurred.shape, sharp.shape
        ((24, 34, 3), (24, 34, 3))
    """
    if not 0 < lengths[0] <= lengths[1]:
        raise RecipeError(f"Paths of {lengths[0]:g} to {lengths[1]:g} pixels make no sense; give ascending lengths.")
    margin = int(np.ceil(lengths[1])) + KERNEL_REACH
    height, width = sharp.shape[:2]
    if min(height, width) <= 2 * margin:
        raise InputError(
            f"A still of {width}x{height} is too small for movements of up to {lengths[1]:g} pixels; both sides must "
            f"be longer than {2 * margin}."
        )
    inner = np.s_[margin : height - margin, margin : width - margin]
    views = (resize(sharp, width, height, "bicubic", offset)[inner] for offset in _shake(rng, lengths))
    return average(views, gamma), sharp[inner].copy()


def _shake(rng: np.random.Generator, lengths: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Displacements (x, y) along a path whose middle is (0, 0)."""
    length = float(np.exp(rng.uniform(*np.log(lengths))))
    half = max(_FEWEST_VIEWS // 2, int(np.ceil(length / 2)))
    path = camera_path(2 * half + 1, rng, speed=length / (2 * half))
    path = path - path[half]
    return ((float(x), float(y)) for x, y in path)


@cache
def _light(gamma: float) -> NDArray[np.float32]:
    """Light in [0, 1] of each of the 256 levels: the inverse of the camera response."""
    if not gamma > 0:
        raise RecipeError(f"A gamma of {gamma:g} makes no sense; give 2.2, or 1 to average the values themselves.")
    return np.power(np.arange(256, dtype=np.float32) / 255, gamma)


def _of_one_size(frames: Iterable[Frame]) -> Iterator[Frame]:
    shape: tuple[int, ...] | None = None
    for number, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.shape != shape:
            raise InputError(
                f"Frame {number} is {frame.shape[1]}x{frame.shape[0]}, those before it {shape[1]}x{shape[0]}; frames "
                "of one recording must have one size."
            )
        yield frame
