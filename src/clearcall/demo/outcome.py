"""What a demonstration showed, as plain records."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median


@dataclass(frozen=True)
class FrameScore:
    """SSIM and PSNR of one frame of the received and of the sharpened clip (protocol: ``evaluation.metrics``)."""

    ssim_before: float
    ssim_after: float
    psnr_before: float
    psnr_after: float

    @property
    def gain(self) -> float:
        """SSIM after less SSIM before."""
        return self.ssim_after - self.ssim_before


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration showed.

    Attributes:
        width: Of the clips, in pixels.
        height: Of the clips, in pixels.
        link: What the link was, in words.
        kbps: What it really carried, in kbit/s.
        model: Name of the model.
        device: Hardware it ran on.
        scores: One per frame; every frame is measured.
        sharpen_fps: Frames a second of ``sharpen`` alone: median of many calls, nothing else running.
        file_fps: Frames a second from ``received.mp4`` to ``sharpened.mp4``, decoding and encoding included.
    """

    width: int
    height: int
    link: str
    kbps: float
    model: str
    device: str
    scores: tuple[FrameScore, ...]
    sharpen_fps: float
    file_fps: float

    def mean(self, name: str) -> float:
        """Mean of one score over all frames, as in ``mean("ssim_after")``."""
        return fmean(getattr(score, name) for score in self.scores)

    @property
    def worst_gain(self) -> float:
        """The lowest gain in SSIM of any frame."""
        return min(score.gain for score in self.scores)

    @property
    def typical_frame(self) -> int:
        """Number of the frame whose gain in SSIM is the median one (the first of them)."""
        middle = median(score.gain for score in self.scores)
        return min(range(len(self.scores)), key=lambda number: abs(self.scores[number].gain - middle))
