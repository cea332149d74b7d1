"""What docs/evaluating.md states is what the code does."""

from __future__ import annotations

from pathlib import Path

from clearcall.evaluation.cases import DEFAULT_PROFILE
from clearcall.evaluation.evaluate import GOOD_SSIM, WORST_SHARE
from clearcall.evaluation.filters import BEST_UNSHARP
from clearcall.evaluation.multiscale import SMALLEST_SIDE, WEIGHTS
from clearcall.evaluation.quality.methods import GRID
from clearcall.evaluation.quality.run import TUNING_SOURCES
from clearcall.evaluation.quality.sources import MEASURED_FRAMES, SENT_SECONDS
from clearcall.evaluation.quality.summary import RESAMPLES

DOC = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text("utf-8")


def test_the_figures_in_the_text_are_those_in_the_code() -> None:
    assert f"amount {BEST_UNSHARP:g}" in DOC
    assert f"Above {GOOD_SSIM:.2f}" in DOC
    assert f"Worst {WORST_SHARE * 100:.0f} %" in DOC
    assert f"`{DEFAULT_PROFILE}` if" in DOC


def test_so_are_those_of_the_benchmark() -> None:
    assert f"on {TUNING_SOURCES} of the files" in DOC
    assert f"first {float(SENT_SECONDS)} seconds" in DOC
    assert f"last {MEASURED_FRAMES} frames" in DOC
    assert f"weights {', '.join(map(str, WEIGHTS))}" in DOC
    assert f"both sides must have {SMALLEST_SIDE} pixels" in DOC
    assert f"drawn again {RESAMPLES} times" in DOC
    assert {"unsharp": tuple(step / 4 for step in range(1, 9)), "cas": (0.1, 0.3, 0.5, 0.7, 0.9)} == GRID
