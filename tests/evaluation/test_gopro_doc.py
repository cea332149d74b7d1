"""What docs/gopro.md states is what the code does."""

from __future__ import annotations

from pathlib import Path

from clearcall.degrade.exposure import FRAMES, GAMMA, HAND_SHAKE
from clearcall.degrade.recording import SLOWEST_RATE
from clearcall.evaluation.gopro import COLUMNS

DOC = " ".join((Path(__file__).parents[2] / "docs" / "gopro.md").read_text("utf-8").split())


def test_the_figures_in_the_text_are_those_in_the_code() -> None:
    assert f"[--frames {FRAMES[0]}-{FRAMES[1]}]" in DOC
    assert f"[--gamma {GAMMA:g}]" in DOC
    assert f"{HAND_SHAKE[0]:g} to {HAND_SHAKE[1]:g} pixels long" in DOC
    assert f"slower than {SLOWEST_RATE} frames/s" in DOC
    for column in COLUMNS[2:]:
        assert f"| {column.removesuffix(', dB')} |" in DOC
