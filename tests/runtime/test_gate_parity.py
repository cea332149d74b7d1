"""The gate in Python and in the browser: both must give what ``gate-parity.json`` says (see web/test/gate.test.ts).

After a change that is meant, ``python tests/runtime/test_gate_parity.py`` writes the figures anew.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clearcall.runtime.gate import MEASURES, Gate, Steady, measures

FIXTURE = Path(__file__).with_name("gate-parity.json")
PICTURES = [
    *((640, 360, 1), (640, 360, 3), (1920, 1080, 2), (321, 241, 4)),
    *((33, 20, 1), (47, 2, 2), (1, 1, 1), (5000, 9, 8)),
]
"""Width, height, and the factor by which it is enlarged."""
STREAM = [
    picture
    for picture in (3, 3, 5, 5, 5, 5, 5, 5, 3, 5, 3, 5, 7, 7, 7, 7, 7, 7, 7, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3)
    for _ in range(12)
]
CHOICES = ("general", "untouched", "fine", "far")


def picture(width: int, height: int, factor: int) -> NDArray[np.uint8]:
    """RGB by whole numbers alone, the same in each language; never grey, where rounding decides on thresholds."""
    y, x, colour = np.ogrid[:height, :width, :3]
    wave = np.abs((3 * x + 5 * y + 40 * colour) % 360 - 180)
    column, row = x // factor, y // factor
    disorder = (7 * column * row + 31 * column * column + 13 * colour * column) % (67 + 6 * colour)
    return (wave + disorder).astype(np.uint8)


def fixture() -> dict[str, Any]:
    """What the file should hold."""
    measured = [measures(picture(*sizes)) for sizes in PICTURES]
    gate = made_gate(np.array(measured))
    steady = Steady(gate)
    return {
        "pictures": [
            {"sizes": sizes, "measures": values.astype(float).round(6).tolist()}
            for sizes, values in zip(PICTURES, measured, strict=True)
        ],
        "gate": json.loads(gate.written()),
        "scores": [gate.scores(values).astype(float).round(5).tolist() for values in measured],
        "stream": STREAM,
        "choices": [steady.choose(partial(measured.__getitem__, index)) for index in STREAM],
    }


def made_gate(measured: NDArray[np.float32]) -> Gate:
    rng = np.random.default_rng(17)
    mean, scale = measured.mean(0), measured.std(0) + np.float32(0.1)
    hidden = rng.normal(0, 0.4, (8, MEASURES)), rng.normal(0, 0.2, 8)
    last = rng.normal(0, 1.2, (len(CHOICES), 8)), np.zeros(len(CHOICES))
    layers = tuple((weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in (hidden, last))
    return Gate.read(Gate(CHOICES, mean, scale, layers).written())


KEPT = json.loads(FIXTURE.read_text()) if FIXTURE.exists() else {"pictures": [], "scores": []}


@pytest.mark.parametrize("kept", KEPT["pictures"], ids=lambda kept: "x".join(map(str, kept["sizes"])))
def test_measures_are_the_kept_ones(kept: dict[str, Any]) -> None:
    assert measures(picture(*kept["sizes"])) == pytest.approx(kept["measures"], abs=1e-4)


def test_scores_and_choices_are_the_kept_ones() -> None:
    gate = Gate.read(json.dumps(KEPT["gate"]).encode())
    measured = [np.array(one["measures"], np.float32) for one in KEPT["pictures"]]
    for values, scores in zip(measured, KEPT["scores"], strict=True):
        assert gate.scores(values) == pytest.approx(scores, abs=1e-4)
    steady = Steady(gate)
    assert [steady.choose(partial(measured.__getitem__, index)) for index in KEPT["stream"]] == KEPT["choices"]
    assert len(set(KEPT["choices"])) > 2, "a stream that asks for nothing tests nothing"


if __name__ == "__main__":
    FIXTURE.write_text(json.dumps(fixture()) + "\n")
