"""The camera's path: ends at the picture, smooth, seeded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcall.degrade.motion import camera_path


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 60), seed=st.integers(0, 2**31), speed=st.floats(0.0, 5.0))
def test_every_path_ends_at_zero_at_the_speed_asked_for(count: int, seed: int, speed: float):
    path = camera_path(count, np.random.default_rng(seed), speed)
    assert path.shape == (count, 2)
    assert (path[-1] == 0.0).all()
    if count > 1:
        steps = np.diff(path, axis=0)
        assert np.sqrt((steps**2).sum(axis=1).mean()) == pytest.approx(speed, abs=1e-9)


def test_the_path_is_smooth():
    steps = np.diff(camera_path(120, np.random.default_rng(1), speed=1.0), axis=0)
    assert np.abs(np.diff(steps, axis=0)).max() < 0.7


def test_the_same_seed_gives_the_same_path_and_another_seed_another():
    first, again, other = (camera_path(8, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert (first == again).all()
    assert (first != other).any()
