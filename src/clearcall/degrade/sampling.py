"""Links drawn by chance, for training: wider than the named ladder, at constant quality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearcall.degrade.codec import CodecName
from clearcall.degrade.link import Profile
from clearcall.degrade.scale import Kernel
from clearcall.degrade.softness import soften
from clearcall.frame import Frame

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Weight = Annotated[float, Field(gt=0.0)]
Choice = TypeVar("Choice")


class TrainingMix(BaseModel):
    """What training sees, as shares and ranges. Frozen, and checked when made.

    Attributes:
        clean: Share of frames that arrive untouched: the student learns to leave them alone.
        resized: Share of frames that are resized only. The rest goes through a codec.
        resize_scales: Weights of the scales of resized frames.
        resize_down: Weights of the sender's kernels of resized frames.
        resize_up: Weights of the receiver's kernels of resized frames.
        codecs: Weights of the codecs.
        qualities: For each codec the lowest and highest ``crf``, both included (JPEG: its quality).
        coded_scales: Weights of the scales of coded frames.
        coded_up: Weights of the receiver's kernels of coded frames.
        frames: Least and most frames of movement that a coded frame ends.
        movement: Slowest and fastest movement, in pixels a frame.
        spoilt: Share of coded frames with sensor noise or a light blur, as often the one as the other.
        noise: Weakest and strongest noise, standard deviation in steps of 1/255.
        blur: Weakest and strongest blur, standard deviation in pixels of the sent frame.
        soft: Share of frames whose truth itself is soft, as cameras give it (see ``degrade.softness``): the student
            learns to bring back what the link took, and no more.
        focus: Of soft truths: least and largest blur, standard deviation in pixels.
        shake: Of soft truths: shortest and longest way of the camera during an exposure, in pixels.
        relayed: Share of frames that were shown and coded once more before they arrive, at the size in which they were
            shown: through a service that mixes or records calls, a virtual camera, a shared screen.
        relay_codecs: Weights of the codecs of such a second link.
        relay_qualities: As ``qualities``; nearly without loss, as a call to a server on the same machine comes to be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clean: Share = 0.2
    resized: Share = 0.3
    resize_scales: dict[float, Weight] = {2.0: 0.84, 1.5: 0.08, 3.0: 0.08}
    resize_down: dict[Kernel, Weight] = {"bicubic": 0.85, "lanczos": 0.05, "area": 0.05, "bilinear": 0.05}
    resize_up: dict[Kernel, Weight] = {"bilinear": 0.8, "bicubic": 0.2}
    codecs: dict[CodecName, Weight] = {"h264": 0.36, "vp8": 0.16, "vp9": 0.22, "av1": 0.2, "jpeg": 0.06}
    qualities: dict[CodecName, tuple[int, int]] = {
        "h264": (18, 38),
        "vp8": (6, 50),
        "vp9": (14, 52),
        "av1": (18, 52),
        "jpeg": (30, 90),
    }
    coded_scales: dict[float, Weight] = {1.0: 0.15, 4 / 3: 0.15, 1.5: 0.15, 2.0: 0.4, 3.0: 0.15}
    coded_up: dict[Kernel, Weight] = {"bicubic": 0.75, "bilinear": 0.25}
    frames: tuple[int, int] = (4, 6)
    movement: tuple[float, float] = (0.0, 3.0)
    spoilt: Share = 0.15
    noise: tuple[float, float] = (1.0, 4.0)
    blur: tuple[float, float] = (0.3, 0.8)
    soft: Share = 0.0
    focus: tuple[float, float] = (0.5, 1.5)
    shake: tuple[float, float] = (1.5, 8.0)
    relayed: Share = 0.0
    relay_codecs: dict[CodecName, Weight] = {"h264": 0.3, "vp8": 0.7}
    relay_qualities: dict[CodecName, tuple[int, int]] = {"h264": (8, 20), "vp8": (4, 14)}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.clean + self.resized > 1.0:
            raise ValueError("the shares clean and resized come to more than 1")
        weights = (self.resize_scales, self.resize_down, self.resize_up, self.codecs, self.coded_scales, self.coded_up)
        if not all((*weights, self.relay_codecs)):
            raise ValueError("a table of weights is empty")
        missing = set(self.codecs) - set(self.qualities) | set(self.relay_codecs) - set(self.relay_qualities)
        if missing:
            raise ValueError(f"no range of qualities for {', '.join(sorted(missing))}")
        ranges = (self.frames, self.movement, self.noise, self.blur, self.focus, self.shake)
        if any(low > high for low, high in (*ranges, *self.qualities.values(), *self.relay_qualities.values())):
            raise ValueError("a range runs from high to low")
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Without softness or relays nothing is said of them: windows kept before these came keep their names."""
        hidden: tuple[str, ...] = () if self.soft else ("soft", "focus", "shake")
        hidden += () if self.relayed else ("relayed", "relay_codecs", "relay_qualities")
        return ((name, value) for name, value in super().__repr_args__() if name not in hidden)


DEFAULT_MIX = TrainingMix()


def random_profile(rng: np.random.Generator, mix: TrainingMix = DEFAULT_MIX) -> Profile:
    """Draw a link for one training window.

    Args:
        rng: Source of chance; the same generator state gives the same profile.
        mix: Shares and ranges to draw from.

    Returns:
        A profile named ``random-clean``, ``random-resized`` or ``random-`` and its codec.

    Example:
        >>> random_profile(np.random.default_rng(3)) == random_profile(np.random.default_rng(3))
        True
    """
    share = rng.random()
    if share < mix.clean:
        return Profile(name="random-clean")
    if share < mix.clean + mix.resized:
        return _resized(rng, mix)
    return _coded(rng, mix)


def random_truth(sharp: Frame, rng: np.random.Generator, mix: TrainingMix = DEFAULT_MIX) -> Frame:
    """Draw the truth of one training window: the picture as it is, or soft as cameras give it.

    Args:
        sharp: HWC RGB uint8.
        rng: Source of chance; the same generator state gives the same truth.
        mix: Shares and ranges to draw from.

    Example:
        >>> sharp = np.zeros((8, 8, 3), np.uint8)
        >>> random_truth(sharp, np.random.default_rng(0)) is sharp
        True
    """
    return soften(sharp, rng, mix.focus, mix.shake) if mix.soft and rng.random() < mix.soft else sharp


def random_relay(rng: np.random.Generator, mix: TrainingMix = DEFAULT_MIX) -> Profile | None:
    """Draw the link that one training window takes after its own, if it takes another.

    Args:
        rng: Source of chance; the same generator state gives the same link.
        mix: Shares and ranges to draw from.

    Example:
        >>> random_relay(np.random.default_rng(0)) is None
        True
        >>> random_relay(np.random.default_rng(0), TrainingMix(relayed=1.0)).name
        'relay-h264'
    """
    if not mix.relayed or rng.random() >= mix.relayed:
        return None
    codec = _draw(rng, mix.relay_codecs)
    return Profile(
        name=f"relay-{codec}", codec=codec, crf=int(rng.integers(*mix.relay_qualities[codec], endpoint=True))
    )


def _resized(rng: np.random.Generator, mix: TrainingMix) -> Profile:
    return Profile(
        name="random-resized",
        scale=_draw(rng, mix.resize_scales),
        down=_draw(rng, mix.resize_down),
        up=_draw(rng, mix.resize_up),
    )


def _coded(rng: np.random.Generator, mix: TrainingMix) -> Profile:
    codec = _draw(rng, mix.codecs)
    spoilt, noisy = rng.random() < mix.spoilt, rng.random() < 0.5
    return Profile(
        name=f"random-{codec}",
        codec=codec,
        crf=int(rng.integers(*mix.qualities[codec], endpoint=True)),
        scale=_draw(rng, mix.coded_scales),
        up=_draw(rng, mix.coded_up),
        noise=float(rng.uniform(*mix.noise)) if spoilt and noisy else 0.0,
        blur=float(rng.uniform(*mix.blur)) if spoilt and not noisy else 0.0,
        movement=float(rng.uniform(*mix.movement)),
        picture_frames=int(rng.integers(*mix.frames, endpoint=True)),
    )


def _draw(rng: np.random.Generator, weights: Mapping[Choice, float]) -> Choice:
    choices = list(weights)
    shares = np.array(list(weights.values()))
    return choices[int(rng.choice(len(choices), p=shares / shares.sum()))]
