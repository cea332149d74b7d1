"""The demonstration's ``report.html``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clearcall import __version__
from clearcall.demo.outcome import Demonstration
from clearcall.evaluation.metrics import PROTOCOL
from clearcall.evaluation.report import Fact, Report

Frame = NDArray[np.uint8]


def page(shown: Demonstration, degraded: Frame, output: Frame, sharp: Frame, clips: Sequence[str]) -> str:
    """One self-contained HTML page.

    Args:
        shown: What was measured.
        degraded: The typical frame (``shown.typical_frame``) as received, uint8 RGB.
        output: The same, sharpened.
        sharp: The same, as it was drawn.
        clips: Names of the files beside the page.

    Returns:
        The page.
    """
    typical = shown.scores[shown.typical_frame]
    size = f"{shown.width}x{shown.height}"
    report = Report(
        "A call over a thin link, sharpened",
        f"{len(shown.scores)} frames of {size}, sent as {shown.link}, shown again at {size}, and sharpened by the "
        f"student “{shown.model}”.",
    )
    report.facts(_facts(shown))
    report.heading("Before and after", "Drag the line. The details show where the output gains most in this frame.")
    report.comparison(
        degraded,
        output,
        sharp,
        caption=f"Frame {shown.typical_frame + 1}, the one with the median gain.",
        notes=(f"SSIM {typical.ssim_before:.4f}", f"SSIM {typical.ssim_after:.4f}", ""),
    )
    report.links("The clips lie beside this page:", clips)
    report.heading("SSIM, frame by frame", f"Every frame was measured. {PROTOCOL}.")
    report.curve(
        {
            "received": [score.ssim_before for score in shown.scores],
            "sharpened": [score.ssim_after for score in shown.scores],
        },
        across="frame",
        caption="The slide changes half-way.",
    )
    report.table(
        ("", "Received", "Sharpened", "Gain"),
        [
            _row("SSIM, mean", shown.mean("ssim_before"), shown.mean("ssim_after"), 4),
            _row("PSNR, mean, dB", shown.mean("psnr_before"), shown.mean("psnr_after"), 2),
        ],
        best={0: 2, 1: 2},
    )
    return report.html(
        f"Made by clearcall {__version__}. Speed on {shown.device}. Photographs: NASA and SpaceX (public domain), "
        "Stefan van der Walt and Rachel Michetti (CC0), as shipped with scikit-image."
    )


def _facts(shown: Demonstration) -> list[Fact]:
    return [
        Fact("SSIM", f"{shown.mean('ssim_before'):.3f} → {shown.mean('ssim_after'):.3f}", "mean of all frames"),
        Fact("PSNR", f"{shown.mean('psnr_before'):.1f} → {shown.mean('psnr_after'):.1f}", "dB, mean of all frames"),
        Fact("Lowest gain", f"{shown.worst_gain:+.4f}", "SSIM, of any frame"),
        Fact("Speed", f"{shown.sharpen_fps:.0f} frames/s", f"sharpening alone; {shown.file_fps:.0f} file to file"),
        Fact("Link", f"{shown.kbps:.0f} kbit/s", "really sent"),
    ]


def _row(name: str, before: float, after: float, digits: int) -> list[str]:
    return [name, f"{before:.{digits}f}", f"{after:.{digits}f}", f"{after - before:+.{digits}f}"]
