"""A loaded model: sharpens frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from clearcall.bundle import Bundle
from clearcall.errors import InputError
from clearcall.frame import (
    DEPTH_STEP,
    DeepFrame,
    Frame,
    Plane,
    Planes,
    check_frame,
    check_planes,
    pad_to_multiple,
    to_8_bit,
)
from clearcall.runtime.engine import Engine
from clearcall.runtime.gate import Image
from clearcall.runtime.yuv import PlaneSharpener

if TYPE_CHECKING:
    from clearcall.media.colour import Colours

STRONGEST = 2.0
_COLOUR_REACH = 8
"""What taking colours from half size to full and back adds, in pixels."""

AnyFrame = TypeVar("AnyFrame", Frame, DeepFrame)


class Sharpener:
    """A loaded model that sharpens frames of any size, from any number of threads at once.

    Example:
        >>> import clearcall, numpy as np
        >>> sharpener = clearcall.load("small")
        >>> frame = np.full((48, 65, 3), 128, np.uint8)
        >>> sharpener.sharpen(frame).shape
        (48, 65, 3)
    """

    def __init__(self, bundle: Bundle, engine: Engine, planes: PlaneSharpener | None = None) -> None:
        self._bundle = bundle
        self._engine = engine
        self._planes = planes

    @property
    def name(self) -> str:
        """The model's name."""
        return self._bundle.card.name

    @property
    def device(self) -> str:
        """The hardware that the model runs on, in words."""
        return self._engine.device

    @property
    def multiple_of(self) -> int:
        """A crop gives the same result as the whole frame if it begins at a multiple of this."""
        return self._bundle.card.multiple_of

    @property
    def reach(self) -> int:
        """How many pixels away from a changed one the result can change, at most."""
        student = self._bundle.card.student
        return student["stride"] * student["depth"] + _COLOUR_REACH

    def chosen(self, image: Image) -> Sharpener:
        """What sharpens a given frame: of a model with experts one of them, else this model.

        Args:
            image: The whole frame: RGB, or its luma.
        """
        return self

    def following(self) -> Sharpener:
        """The same model for the frames of one stream, given in their order by one thread at a time.

        A model with experts then keeps to one of them until another has proved the better one over some frames.

        Example:
            >>> import clearcall
            >>> clearcall.load("nano").following().name
            'nano'
        """
        return self

    def sharpen(self, frame: AnyFrame, strength: float = 1.0) -> AnyFrame:
        """Sharpen one frame.

        Args:
            frame: uint8 (or uint16, full range) HWC RGB, of any height and width. It isn't changed.
            strength: From 0 (the frame itself) over 1 (the model's output) to 2 (exaggerated).

        Returns:
            A new frame of the same shape and type. Of a uint16 frame all bits are kept: the model's correction is
            computed on 8 bits and added.

        Raises:
            InputError: Not a frame, or a strength out of range.
        """
        check_frame(frame)
        check_strength(strength)
        if strength == 0:
            return frame.copy()
        return self.chosen(frame)._sharpened(frame, strength)

    def is_ready(self, width: int, height: int, strength: float = 1.0, *, colours: Colours | None = None) -> bool:
        """Whether frames of a size are sharpened at once; if not, the first has to wait until the model is compiled.

        Args:
            width: Of the frames, in pixels.
            height: Of the frames, in pixels.
            strength: As for ``sharpen``.
            colours: Of planes that are to go to ``sharpen_yuv``; None for RGB.

        Example:
            >>> import clearcall
            >>> sharpener = clearcall.load("small")
            >>> before = sharpener.is_ready(64, 36)
            >>> sharpener.prepare(64, 36)
            >>> before, sharpener.is_ready(64, 36)
            (False, True)
        """
        if strength and colours is not None and self._planes is not None and self._planes.is_possible:
            return self._planes.is_ready(width, height, colours, strength)
        multiple = self._bundle.card.multiple_of
        rows, columns = (-(-side // multiple) * multiple for side in (height, width))
        return strength == 0 or self._engine.is_ready(rows, columns, strength)

    def prepare(self, width: int, height: int, strength: float = 1.0, *, colours: Colours | None = None) -> None:
        """Compile the model for frames of a size; frames of other sizes are sharpened meanwhile by other threads.

        Args:
            width: Of the frames, in pixels.
            height: Of the frames, in pixels.
            strength: As for ``sharpen``.
            colours: Of planes that are to go to ``sharpen_yuv``; None for RGB.

        Raises:
            InputError: A strength out of range.
        """
        if colours is None:
            self.sharpen(np.zeros((height, width, 3), np.uint8), strength)
        else:
            half = np.zeros(((height + 1) // 2, (width + 1) // 2), np.uint8)
            self.sharpen_yuv(np.zeros((height, width), np.uint8), half, half, colours=colours, strength=strength)

    def sharpen_yuv(
        self,
        y: Plane,
        u: Plane,
        v: Plane,
        *,
        colours: Colours,
        strength: float = 1.0,
        out: Planes | None = None,
    ) -> Planes:
        """Sharpen one frame of 4:2:0 planes as decoders give them, without making RGB.

        Args:
            y: Luma, uint8 (height, width). Lines may be farther apart than they are long.
            u: Blue difference, uint8 (height / 2, width / 2), rounded up.
            v: Red difference, likewise.
            colours: Matrix, range and siting of the planes; what isn't specified counts as players have it.
            strength: From 0 (the frame itself) over 1 (the model's output) to 2 (exaggerated).
            out: Planes of the same shapes to write the result into; new ones are made without it. They must not
                share memory with the input.

        Returns:
            The sharpened planes; ``out`` if it was given.

        Raises:
            InputError: Planes of the wrong kind or of sizes that don't belong together, or a strength out of range.
        """
        check_planes(y, u, v)
        check_strength(strength)
        if out is not None and [plane.shape for plane in out] != [y.shape, u.shape, v.shape]:
            raise InputError("The planes to write to must have the sizes of the planes to sharpen.")
        result = (np.empty_like(y), np.empty_like(u), np.empty_like(v)) if out is None else out
        if strength == 0:
            copy_planes((y, u, v), result)
        else:
            self.chosen(y)._sharpen_planes((y, u, v), colours, strength, result)
        return result

    def _sharpened(self, frame: AnyFrame, strength: float) -> AnyFrame:
        """By this model's own weights."""
        if frame.dtype == np.uint16:
            return self._sharpen_deep(frame, strength)  # type: ignore[arg-type,return-value]  # told by dtype
        return self._sharpen_8_bit(frame, strength)  # type: ignore[arg-type,return-value]

    def _sharpen_planes(self, planes: Planes, colours: Colours, strength: float, out: Planes) -> None:
        """By this model's own weights."""
        if self._planes is not None and self._planes.is_possible:
            self._planes.sharpen(planes, colours, strength, out)
        else:
            from clearcall.media.colour import from_planes, from_rgb, to_planes, to_rgb

            sharp = self._sharpened(to_rgb(from_planes(*planes, colours)), strength)
            copy_planes(to_planes(from_rgb(sharp, "yuv420p", colours)), out)

    def _sharpen_8_bit(self, frame: Frame, strength: float) -> Frame:
        height, width = frame.shape[:2]
        padded = pad_to_multiple(np.ascontiguousarray(frame), self._bundle.card.multiple_of)
        sharp = self._engine.infer(padded, strength)
        return sharp if padded.shape == frame.shape else np.ascontiguousarray(sharp[:height, :width])

    def _sharpen_deep(self, frame: DeepFrame, strength: float) -> DeepFrame:
        shallow = to_8_bit(frame)
        correction = self._sharpen_8_bit(shallow, strength).astype(np.int32) - shallow
        return np.clip(frame + DEPTH_STEP * correction, 0, np.iinfo(np.uint16).max).astype(np.uint16)


def copy_planes(planes: Planes, targets: Planes) -> None:
    """Copy planes into others of the same shapes."""
    for plane, target in zip(planes, targets, strict=True):
        target[:] = plane


def check_strength(strength: float) -> None:
    """Refuse a strength out of range.

    Raises:
        InputError: Not between 0 and 2.
    """
    if not 0 <= strength <= STRONGEST:
        raise InputError(f"The strength must lie between 0 (original) and 2 (exaggerated); {strength} does not.")
