"""Comparison panels: the right detail, the right place, any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from clearcall.errors import InputError
from clearcall.evaluation.panels import Box, comparison_panel, find_detail

SHARP = data.coffee()


def test_detail_lies_where_the_gain_is_and_not_where_the_error_is() -> None:
    degraded, output = SHARP.copy(), SHARP.copy()
    degraded[100:140, 300:350] //= 2  # mended in the output
    degraded[10:90, 10:90] //= 2  # a larger error, but not mended
    output[10:90, 10:90] //= 2
    box = find_detail(degraded, output, SHARP, 50, 40)
    assert box == Box(300, 100, 50, 40)


def test_detail_avoids_what_the_output_spoils() -> None:
    output = SHARP.copy()
    output[:, :300] //= 2
    box = find_detail(SHARP, output, SHARP, 80, 60)
    assert box.left >= 300


@given(height=st.integers(1, 60), width=st.integers(1, 60), across=st.integers(1, 80), down=st.integers(1, 80))
@settings(max_examples=40, deadline=None)
def test_detail_is_the_best_window_of_all(height: int, width: int, across: int, down: int) -> None:
    rng = np.random.default_rng(height * 61 + width)
    degraded, output, sharp = rng.integers(0, 256, (3, height, width, 3)).astype(np.uint8)
    box = find_detail(degraded, output, sharp, across, down)
    gain = ((degraded.astype(int) - sharp) ** 2 - (output.astype(int) - sharp) ** 2).sum(axis=2)
    windows = np.lib.stride_tricks.sliding_window_view(gain, (min(down, height), min(across, width)))
    assert gain[box.rows, box.columns].sum() == windows.sum(axis=(2, 3)).max()


def test_panel_shows_the_three_frames_in_order() -> None:
    red, green, blue = (np.zeros((90, 160, 3), np.uint8) for _ in range(3))
    red[..., 0], green[..., 1], blue[..., 2] = 200, 200, 200
    panel = comparison_panel(red, green, blue, width=900)
    middle = panel[panel.shape[0] // 2 - 60]
    assert [middle[150].argmax(), middle[450].argmax(), middle[750].argmax()] == [0, 1, 2]


def test_labels_and_notes_are_drawn() -> None:
    plain = comparison_panel(SHARP, SHARP, SHARP, labels=(), width=900)
    labelled = comparison_panel(SHARP, SHARP, SHARP, width=900)
    noted = comparison_panel(SHARP, SHARP, SHARP, notes=("SSIM 0.9",), width=900)
    head = slice(0, 30)
    changed = (labelled[head] != noted[head]).any(axis=(0, 2)).nonzero()[0]
    assert (plain[head] != labelled[head]).any()
    assert 0 < changed.min() < changed.max() < 300


@pytest.mark.parametrize("shape", [(1, 1, 3), (11, 300, 3), (300, 11, 3), (97, 131, 3)])
def test_any_shape_gives_a_panel(shape: tuple[int, int, int]) -> None:
    frame = np.full(shape, 128, np.uint8)
    assert comparison_panel(frame, frame, frame, width=360).shape[1:] == (360, 3)


def test_frames_that_differ_are_one_sentence() -> None:
    with pytest.raises(InputError, match="differ in shape"):
        comparison_panel(SHARP, SHARP[1:], SHARP)
