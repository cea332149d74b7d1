"""The single owner of a frame's layout and range: uint8 HWC RGB outside, float CHW RGB in [0, 1] inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearcall.errors import InputError

Frame = NDArray[np.uint8]
"""uint8 HWC RGB."""
DeepFrame = NDArray[np.uint16]
"""uint16 HWC RGB, full range (65535 is white)."""
Plane = NDArray[np.uint8]
"""uint8 HW: luma, or a half-size colour difference."""
Planes = tuple[Plane, Plane, Plane]
"""Luma and the two colour differences of a 4:2:0 frame."""

DEPTH_STEP = 257
"""One 8-bit step in 16 bits: 255 * 257 = 65535."""


def check_frame(frame: NDArray[Any]) -> None:
    """Refuse what isn't a frame.

    Raises:
        InputError: Not an HWC RGB array of uint8 or uint16, or without pixels.

    Example:
        >>> check_frame(np.zeros((2, 3, 3), np.uint8))
        >>> check_frame(np.zeros((2, 3), np.uint8))
        Traceback (most recent call last):
        ...
        clearcall.errors.InputError: A frame must be a uint8 or uint16 array (height, width, 3) in RGB order; \
this one is uint8 (2, 3).
    """
    if not isinstance(frame, np.ndarray):
        raise InputError(f"A frame must be a NumPy array (height, width, 3); this one is a {type(frame).__name__}.")
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype not in (np.uint8, np.uint16):
        raise InputError(
            "A frame must be a uint8 or uint16 array (height, width, 3) in RGB order; "
            f"this one is {frame.dtype} {frame.shape}."
        )
    if frame.size == 0:
        raise InputError(f"A frame must have pixels; this one is {frame.shape[1]}x{frame.shape[0]}.")


def check_planes(y: NDArray[Any], u: NDArray[Any], v: NDArray[Any]) -> None:
    """Refuse what aren't the planes of a 4:2:0 frame.

    Raises:
        InputError: Not three uint8 planes, or the colour planes aren't half the size of the luma plane (rounded up).

    Example:
        >>> check_planes(np.zeros((3, 4), np.uint8), np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
        >>> check_planes(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8))
        Traceback (most recent call last):
        ...
        clearcall.errors.InputError: The colour planes of a 4x4 frame in 4:2:0 must be 2x2; these are 4x4 and 4x4.
    """
    for plane in (y, u, v):
        if not isinstance(plane, np.ndarray) or plane.dtype != np.uint8 or plane.ndim != 2 or plane.size == 0:
            given = f"{plane.dtype} {plane.shape}" if isinstance(plane, np.ndarray) else f"a {type(plane).__name__}"
            raise InputError(f"A plane must be a uint8 array (height, width) with samples; this one is {given}.")
    height, width = y.shape
    expected = ((height + 1) // 2, (width + 1) // 2)
    if u.shape != expected or v.shape != expected:
        sizes = " and ".join(f"{plane.shape[1]}x{plane.shape[0]}" for plane in (u, v))
        raise InputError(
            f"The colour planes of a {width}x{height} frame in 4:2:0 must be {expected[1]}x{expected[0]}; "
            f"these are {sizes}."
        )


def to_frame(planes: NDArray[np.floating[Any]]) -> Frame:
    """Round float CHW RGB in [0, 1] to uint8 HWC; values outside are clamped.

    Example:
        >>> to_frame(np.full((3, 1, 1), 1.2, np.float32)).ravel().tolist()
        [255, 255, 255]
    """
    levels = np.clip(planes * 255.0, 0.0, 255.0)
    return np.ascontiguousarray(np.rint(levels).astype(np.uint8).transpose(1, 2, 0))


def to_8_bit(frame: NDArray[Any]) -> Frame:
    """Round a uint16 frame to uint8; a uint8 one is returned as it is.

    Example:
        >>> to_8_bit(np.array([65535, 128, 129], np.uint16)).tolist()
        [255, 0, 1]
    """
    if frame.dtype == np.uint8:
        return frame
    return ((frame.astype(np.uint32) + DEPTH_STEP // 2) // DEPTH_STEP).astype(np.uint8)


def pad_to_multiple(frame: Frame, multiple: int) -> Frame:
    """Grow a frame to the right and below, repeating its edge, until ``multiple`` divides both sides.

    Example:
        >>> pad_to_multiple(np.zeros((3, 4, 3), np.uint8), 4).shape
        (4, 4, 3)
    """
    after = [-length % multiple for length in frame.shape[:2]]
    return frame if not any(after) else np.pad(frame, ((0, after[0]), (0, after[1]), (0, 0)), "edge")
