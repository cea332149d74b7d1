import pytest
import torch

from clearcall.training.views import other_views

SQUARES = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ["zoomed", "shrunk", "degraded", "noisy"])
def test_every_view_has_the_shape_and_range_of_the_input_and_differs(kind):
    view = other_views(SQUARES, {kind: 1.0}, seed=4)
    assert view.shape == SQUARES.shape
    assert view.dtype == SQUARES.dtype
    assert view.min() >= 0
    assert view.max() <= 1
    assert not torch.allclose(view, SQUARES, atol=1e-3)


@pytest.mark.parametrize("size", [16, 17, 96])
def test_no_factor_that_is_drawn_is_too_much(size):
    squares = torch.rand(1, 3, size, size)
    for seed in range(60):
        for kind in ("zoomed", "shrunk", "degraded"):
            assert other_views(squares, {kind: 1.0}, seed).shape == squares.shape


def test_the_same_seed_gives_the_same_view_and_the_drawn_kind_follows_the_weights():
    kinds = {"zoomed": 1.0, "noisy": 3.0}
    assert torch.equal(other_views(SQUARES, kinds, seed=7), other_views(SQUARES, kinds, seed=7))
    # Noise is the only view that leaves a grey square's mean alone and gives it a spread.
    grey = torch.full((1, 3, 32, 32), 0.5)
    noisy = sum(float(other_views(grey, kinds, seed=seed).std()) > 1e-4 for seed in range(200))
    assert 120 < noisy < 180


def test_a_zoom_shows_a_part_enlarged():
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 48, 64)
    zoomed = other_views(ramp, {"zoomed": 1.0}, seed=2)
    assert float(zoomed.max() - zoomed.min()) < 0.9
    assert float(zoomed.diff(dim=3).abs().mean()) < float(ramp.diff(dim=3).abs().mean())


def test_degrading_again_takes_detail_away():
    degraded = other_views(SQUARES, {"degraded": 1.0}, seed=2)
    assert float(degraded.diff(dim=3).abs().mean()) < 0.8 * float(SQUARES.diff(dim=3).abs().mean())
