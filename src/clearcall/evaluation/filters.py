"""What a user would pick instead: FFmpeg's sharpening filters as functions of an RGB frame.

The filters run on the red, green and blue planes as they are. FFmpeg would convert to YUV and back, which alone
costs 0.003 of SSIM; leaving that out favours the filters.
"""

from __future__ import annotations

import threading

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from clearcall.errors import InputError, RecipeError

Frame = NDArray[np.uint8]

BEST_UNSHARP = 1.75
"""The amount of ``unsharp`` that serves pictures reduced by two best (found in steps of 0.25)."""


class FFmpegFilter:
    """One FFmpeg filter as a callable: uint8 ``(height, width, 3)`` RGB in and out; thread-safe.

    Args:
        name: The filter, as in ``"unsharp"``.
        options: Its options in FFmpeg's syntax, as in ``"5:5:1.5"``.

    Example:
        >>> import numpy as np
        >>> edge = np.full((16, 16, 3), 100, np.uint8)
        >>> edge[:, 8:] = 150
        >>> FFmpegFilter("unsharp", "5:5:1:5:5:1")(edge)[8, 6:10, 0].tolist()
        [97, 84, 166, 153]
    """

    def __init__(self, name: str, options: str) -> None:
        self.name = name
        self.options = options
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"{self.name}={self.options}"

    def __call__(self, frame: Frame) -> Frame:
        """Filter one frame.

        Args:
            frame: uint8, ``(height, width, 3)``, RGB.

        Returns:
            The filtered frame, same shape and type.

        Raises:
            InputError: The frame is not 8-bit RGB.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise InputError(
                f"{self.name} takes 8-bit RGB frames of shape (height, width, 3), but got {frame.dtype} of shape "
                f"{frame.shape}; convert it first"
            )
        graph = self._graph(frame.shape[1], frame.shape[0])
        planes = np.ascontiguousarray(frame.transpose(2, 0, 1))
        graph.vpush(av.VideoFrame.from_ndarray(planes, format="yuv444p"))
        filtered = graph.vpull().to_ndarray()
        return np.ascontiguousarray(filtered.transpose(1, 2, 0), dtype=np.uint8)

    def _graph(self, width: int, height: int) -> Graph:
        """The calling thread's graph, built anew when the frame size changes."""
        if getattr(self._local, "size", None) != (width, height):
            self._local.graph = self._build(width, height)
            self._local.size = (width, height)
        graph: Graph = self._local.graph
        return graph

    def _build(self, width: int, height: int) -> Graph:
        graph = Graph()
        source = graph.add("buffer", f"video_size={width}x{height}:pix_fmt=yuv444p:time_base=1/30:pixel_aspect=1/1")
        sharpen = graph.add(self.name, self.options)
        source.link_to(sharpen)
        sharpen.link_to(graph.add("buffersink"))
        graph.configure()
        return graph


def unsharp(amount: float = BEST_UNSHARP, size: int = 5) -> FFmpegFilter:
    """FFmpeg's ``unsharp`` (a classical unsharp mask) on all three channels.

    Args:
        amount: Strength, -1.5 to 5; 0 changes nothing.
        size: Side of the square window, odd, 3 to 23.

    Returns:
        A function of a frame.

    Raises:
        RecipeError: A value FFmpeg doesn't take.

    Example:
        >>> unsharp(0.5)
        unsharp=5:5:0.5:5:5:0.5
    """
    if not -1.5 <= amount <= 5:
        raise RecipeError(f"unsharp has no amount {amount:g}; choose one from -1.5 to 5")
    if size % 2 == 0 or not 3 <= size <= 23:
        raise RecipeError(f"unsharp has no window of {size}; choose an odd size from 3 to 23")
    plane = f"{size}:{size}:{amount:g}"
    return FFmpegFilter("unsharp", f"{plane}:{plane}")


def cas(strength: float = 0.5) -> FFmpegFilter:
    """FFmpeg's ``cas`` (contrast adaptive sharpening, after AMD FidelityFX) on all three channels.

    Args:
        strength: 0 to 1. Above 0.95 or so FFmpeg's version breaks up in noise.

    Returns:
        A function of a frame.

    Raises:
        RecipeError: A value FFmpeg doesn't take.

    Example:
        >>> cas(0.8)
        cas=strength=0.8:planes=7
    """
    if not 0 <= strength <= 1:
        raise RecipeError(f"cas has no strength {strength:g}; choose one from 0 to 1")
    return FFmpegFilter("cas", f"strength={strength:g}:planes=7")
