"""The demonstration: draws a call, sends it over a thin link, sharpens it, and measures every frame."""

from __future__ import annotations

from clearcall.demo.demonstrate import LINK, demonstrate
from clearcall.demo.outcome import Demonstration, FrameScore
from clearcall.demo.scene import CallScene

__all__ = ["LINK", "CallScene", "Demonstration", "FrameScore", "demonstrate"]
