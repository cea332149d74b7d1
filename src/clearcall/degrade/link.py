"""A thin link: what is sent, how it is coded, and what the viewer gets to see."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Annotated, Self

import numpy as np
from PIL import Image, ImageFilter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearcall.degrade.codec import CodecName, Traffic, round_trip
from clearcall.degrade.motion import camera_path
from clearcall.degrade.scale import Kernel, resize
from clearcall.frame import Frame

PICTURE_RATE = Fraction(30)


class Profile(BaseModel):
    """One link condition. Frozen, and checked when made.

    Attributes:
        name: As the user types it.
        side: Shorter side of the frame as sent, in pixels (the 360 of "360p"); None: given by ``scale``.
        scale: The frame is sent this many times smaller on each side, where ``side`` is None.
        codec: ``none``, ``h264``, ``vp8``, ``vp9``, ``av1`` or ``jpeg``.
        crf: Constant quality, in the codec's own unit (see ``round_trip``).
        bitrate_kbps: Constant bitrate in kbit/s, instead of ``crf``.
        max_rate: Most frames a second that are sent; None: as many as there are.
        down: Kernel of the sender.
        up: Kernel of the receiver.
        noise: Standard deviation of the sensor's noise in the frame as sent, in steps of 1/255.
        blur: Standard deviation of a Gaussian blur of the frame as sent, in its pixels.
        movement: Typical step of a still picture held before the camera, in pixels a frame.
        picture_frames: How many frames of that movement are sent, the still picture itself the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    side: Annotated[int, Field(ge=16)] | None = None
    scale: Annotated[float, Field(ge=1.0, le=8.0)] = 1.0
    codec: CodecName = "none"
    crf: Annotated[int, Field(ge=0, le=95)] | None = None
    bitrate_kbps: Annotated[int, Field(ge=10, le=50_000)] | None = None
    max_rate: Annotated[int, Field(ge=1, le=240)] | None = None
    down: Kernel = "bicubic"
    up: Kernel = "bicubic"
    noise: Annotated[float, Field(ge=0.0, le=50.0)] = 0.0
    blur: Annotated[float, Field(ge=0.0, le=5.0)] = 0.0
    movement: Annotated[float, Field(ge=0.0, le=20.0)] = 1.0
    picture_frames: Annotated[int, Field(ge=1, le=120)] = 8

    @model_validator(mode="after")
    def _one_rate_control(self) -> Self:
        wanted = 0 if self.codec == "none" else 1
        if (self.crf is not None) + (self.bitrate_kbps is not None) != wanted:
            raise ValueError(f"codec {self.codec} takes {'either a crf or a bitrate' if wanted else 'no crf'}")
        if self.codec == "jpeg" and self.crf is None:
            raise ValueError("codec jpeg takes a crf (its quality), no bitrate")
        return self

    def sent_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the frame as sent; never more than the input's.

        Example:
            >>> Profile(name="small", side=360).sent_size(1920, 1080)
            (640, 360)
        """
        scale = self.scale if self.side is None else max(1.0, min(width, height) / self.side)
        return max(1, round(width / scale)), max(1, round(height / scale))

    @property
    def views(self) -> tuple[object, ...]:
        """What decides which frames of a held picture reach the codec; profiles with the same send the same.

        Example:
            >>> slow, fast = (Profile(name="x", side=360, codec="vp8", bitrate_kbps=rate) for rate in (300, 800))
            >>> slow.views == fast.views
            True
        """
        frames = self.picture_frames if self.codec not in ("none", "jpeg") else 1
        return self.side, self.scale, self.down, self.noise, self.blur, self.movement, frames

    def sent_rate(self, rate: Fraction) -> Fraction:
        """Frames a second that are sent of a clip with ``rate`` of them.

        Example:
            >>> Profile(name="slow", max_rate=15).sent_rate(Fraction(30000, 1001))
            Fraction(15, 1)
        """
        return min(rate, Fraction(self.max_rate)) if self.max_rate else rate


def degrade_picture(
    sharp: Frame,
    profile: Profile,
    seed: int = 0,
    *,
    as_sent: bool = False,
    traffic: Traffic | None = None,
    relay: Profile | None = None,
) -> Frame:
    """What the viewer sees of a picture that is held before the camera of a call.

    The picture moves slowly, as in a hand, and comes to rest where it is: the codec sees movement, and the last
    frame, which is returned, lies exactly on the input.

    Args:
        sharp: HWC RGB uint8, any size.
        profile: The link.
        seed: The same seed gives the same result, to the bit.
        as_sent: Leave the picture at the size in which it was sent.
        traffic: Where to count what was sent.
        relay: A second link that codes once more what the first one shows, at its size; only its codec counts.

    Returns:
        HWC RGB uint8 of the input's size (unless ``as_sent``, which a relay leaves no room for).

    Example:
        >>> degrade_picture(np.zeros((7, 5, 3), np.uint8), Profile(name="half", scale=2.0)).shape
        (7, 5, 3)
    """
    height, width = sharp.shape[:2]
    if relay is not None:
        rng = np.random.default_rng(seed)
        path = _path(profile, rng, least=relay.picture_frames)
        return deque(_shown(_views(sharp, profile, rng, path), (width, height), profile, relay), maxlen=1).pop()
    received = receive_picture(picture_views(sharp, profile, seed), profile, traffic)
    return received if as_sent else resize(received, width, height, profile.up)


def picture_views(sharp: Frame, profile: Profile, seed: int = 0) -> Iterator[Frame]:
    """Make the frames of a held picture that a link's sender gives to its codec.

    Kept in a list, they serve every profile with the same ``views``: making them takes half of the time.

    Args:
        sharp: HWC RGB uint8, any size.
        profile: The link.
        seed: The same seed gives the same frames.

    Yields:
        HWC RGB uint8 of the size in which they are sent; the last one lies exactly on ``sharp``.

    Example:
        >>> half = Profile(name="half", scale=2.0, codec="h264", crf=28, picture_frames=3)
        >>> [view.shape for view in picture_views(np.zeros((8, 6, 3), np.uint8), half)]
        [(4, 3, 3), (4, 3, 3), (4, 3, 3)]
    """
    rng = np.random.default_rng(seed)
    return _views(sharp, profile, rng, _path(profile, rng))


def _path(profile: Profile, rng: np.random.Generator, least: int = 1) -> list[tuple[float, float]]:
    """Where the camera is in each frame of a held picture; a link without memory needs no more than the last one."""
    frames = profile.picture_frames if profile.codec not in ("none", "jpeg") else 1
    return [(x, y) for x, y in camera_path(max(frames, least), rng, profile.movement).tolist()]


def _views(
    sharp: Frame, profile: Profile, rng: np.random.Generator, path: Sequence[tuple[float, float]]
) -> Iterator[Frame]:
    size = profile.sent_size(sharp.shape[1], sharp.shape[0])
    return (_made_ready(sharp, size, profile, rng, offset) for offset in path)


def degrade_pair(
    sharp: Frame, profile: Profile, seed: int = 0, *, relay: Profile | None = None
) -> tuple[tuple[Frame, Frame], tuple[Frame, Frame]]:
    """What the viewer sees of a held picture, and of the frame before, each with its truth.

    Args:
        sharp: HWC RGB uint8, any size.
        profile: The link.
        seed: The same seed gives the same result, to the bit.
        relay: A second link; see :func:`degrade_picture`.

    Returns:
        Degraded and sharp frame, and degraded and sharp frame one step before, all HWC RGB uint8 of the input's size.
        Behind a video codec that gets two frames or more, the first is what :func:`degrade_picture` gives.

    Example:
        >>> last, before = degrade_pair(np.zeros((8, 6, 3), np.uint8), Profile(name="half", scale=2.0))
        >>> last[0].shape, before[1].shape
        ((8, 6, 3), (8, 6, 3))
    """
    rng = np.random.default_rng(seed)
    path = _path(profile, rng, least=relay.picture_frames if relay else 2)
    height, width = sharp.shape[:2]
    shown = deque(_shown(_views(sharp, profile, rng, path), (width, height), profile, relay), maxlen=2)
    return (shown[1], sharp), (shown[0], resize(sharp, width, height, "bicubic", path[-2]))


def _shown(
    views: Iterable[Frame], size: tuple[int, int], profile: Profile, relay: Profile | None = None
) -> Iterator[Frame]:
    """What the viewer sees of each view, behind one link or two."""
    rate = profile.sent_rate(PICTURE_RATE)
    shown = (resize(frame, *size, profile.up) for frame in _received(views, profile, rate))
    return shown if relay is None else _received(shown, relay, rate)


def receive_picture(views: Iterable[Frame], profile: Profile, traffic: Traffic | None = None) -> Frame:
    """Send the frames of a held picture and keep the last one that arrives, as it was sent.

    Args:
        views: From :func:`picture_views`.
        profile: The link.
        traffic: Where to count what was sent.

    Returns:
        HWC RGB uint8 of the views' size.

    Example:
        >>> receive_picture([np.zeros((4, 3, 3), np.uint8)], Profile(name="half", scale=2.0)).shape
        (4, 3, 3)
    """
    return deque(_received(views, profile, profile.sent_rate(PICTURE_RATE), traffic), maxlen=1).pop()


def degrade_clip(
    frames: Iterable[Frame],
    rate: Fraction,
    profile: Profile,
    seed: int = 0,
    *,
    as_sent: bool = False,
    traffic: Traffic | None = None,
) -> Iterator[Frame]:
    """What the viewer sees of a clip; frames that the link leaves out are repeats of the one before.

    Args:
        frames: HWC RGB uint8, all of one size; read as the result is consumed, so any length will do.
        rate: Frames a second of the clip.
        profile: The link.
        seed: The same seed gives the same result, to the bit.
        as_sent: Leave the frames at the size in which they were sent.
        traffic: Where to count what was sent.

    Yields:
        As many frames as went in, HWC RGB uint8, of the input's size (unless ``as_sent``). A repeat is the same
        array again: don't write into it.

    Example:
        >>> clip = [np.full((36, 64, 3), 90, np.uint8)] * 4
        >>> len(list(degrade_clip(clip, Fraction(30), Profile(name="slow", scale=2.0, max_rate=15))))
        4
    """
    sender = _Sender(frames, rate, profile, np.random.default_rng(seed))
    shown: Frame | None = None
    count = 0
    for received in _received(sender, profile, sender.rate, traffic):
        start = sender.sent_at.popleft()
        if shown is not None:
            yield from (shown for _ in range(start - count))
        shown = received if as_sent else resize(received, sender.width, sender.height, profile.up)
        yield shown
        count = start + 1
    if shown is not None:
        yield from (shown for _ in range(sender.count - count))


class _Sender:
    """Takes the frames that the profile's frame rate leaves, and makes them ready for the codec."""

    def __init__(self, frames: Iterable[Frame], rate: Fraction, profile: Profile, rng: np.random.Generator) -> None:
        self._frames, self._profile, self._rng = frames, profile, rng
        self.rate = profile.sent_rate(rate)
        self._share = self.rate / rate
        self.sent_at: deque[int] = deque()
        self.width = self.height = self.count = 0

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            number = self.count
            self.count += 1
            if number and number * self._share // 1 == (number - 1) * self._share // 1:
                continue
            self.sent_at.append(number)
            self.height, self.width = frame.shape[:2]
            size = self._profile.sent_size(self.width, self.height)
            yield _made_ready(frame, size, self._profile, self._rng)


def _made_ready(
    sharp: Frame,
    size: tuple[int, int],
    profile: Profile,
    rng: np.random.Generator,
    offset: tuple[float, float] = (0.0, 0.0),
) -> Frame:
    sent = resize(sharp, *size, profile.down, offset)
    if profile.blur:
        sent = np.asarray(Image.fromarray(sent).filter(ImageFilter.GaussianBlur(profile.blur)))
    if profile.noise:
        noisy = sent + profile.noise * rng.standard_normal(sent.shape, dtype=np.float32)
        sent = noisy.round().clip(0, 255).astype(np.uint8)
    return sent


def _received(
    sent: Iterable[Frame], profile: Profile, rate: Fraction, traffic: Traffic | None = None
) -> Iterator[Frame]:
    return round_trip(
        sent,
        profile.codec,
        crf=profile.crf,
        bitrate_kbps=profile.bitrate_kbps,
        rate=rate,
        traffic=traffic,
    )
