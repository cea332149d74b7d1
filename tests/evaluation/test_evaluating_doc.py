"""What docs/evaluating.md states is what the code does."""

from __future__ import annotations

from pathlib import Path

from clearcall.evaluation.cases import DEFAULT_PROFILE
from clearcall.evaluation.evaluate import GOOD_SSIM, WORST_SHARE
from clearcall.evaluation.filters import BEST_UNSHARP

DOC = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text("utf-8")


def test_the_figures_in_the_text_are_those_in_the_code() -> None:
    assert f"amount {BEST_UNSHARP:g}" in DOC
    assert f"Above {GOOD_SSIM:.2f}" in DOC
    assert f"Worst {WORST_SHARE * 100:.0f} %" in DOC
    assert f"`{DEFAULT_PROFILE}` if" in DOC
