import numpy as np
import pytest
import torch

from clearcall.errors import RecipeError
from clearcall.training.dataset import SquaresDataset
from clearcall.training.pairs import list_pictures
from clearcall.training.recipe import DataConfig, parse_recipe
from clearcall.training.resident import SHARES, Places, ResidentWindows, make_windows, resident_loader
from clearcall.training.windows import DegradedWindows, detail

CPU = torch.device("cpu")
CONFIG = DataConfig(window=64, crop=32, crops_per_window=3, variants=2, workers=0, resident=True)


def random_windows(*sizes, sides=2):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (sides, *size, 3), np.uint8) for size in sizes]


def source(folder):
    return DegradedWindows(list_pictures(folder), 2, 64, "bicubic-x2", 1)


def loader(folder, **changes):
    settings = {"batch_windows": 4, "seed": 5, "device": CPU} | changes
    return resident_loader(source(folder), CONFIG, **settings)


def places(window, top, left, view):
    return Places(*(torch.tensor([value]) for value in (window, top, left, view)))


@pytest.mark.parametrize("view", range(8))
def test_a_square_is_a_part_of_its_window_seen_from_one_of_eight_sides(view):
    windows = random_windows((10, 14), (20, 16))
    square = ResidentWindows.of(windows, CPU).cut(places(1, SHARES // 2, SHARES - 1, view), 12)[0].numpy()
    top, left = (20 - 12 + 1) // 2, 16 - 12
    part = windows[1][:, top : top + 12, left : left + 12]
    if view & 4:
        part = part[:, :, ::-1]
    if view & 2:
        part = part[:, ::-1]
    assert np.array_equal(square, part.swapaxes(1, 2) if view & 1 else part)


def test_all_eight_views_differ():
    resident = ResidentWindows.of(random_windows((12, 12)), CPU)
    assert len({resident.cut(places(0, 0, 0, view), 12).numpy().tobytes() for view in range(8)}) == 8


@pytest.mark.parametrize("size", [8, 20, 50])
def test_a_small_window_is_mirrored_as_numpy_pads(size):
    windows = random_windows((8, 20), sides=3)
    square = ResidentWindows.of(windows, CPU).cut(places(0, SHARES - 1, 0, 0), size)[0].numpy()
    missing = [(0, max(size - length, 0)) for length in (8, 20)]
    assert np.array_equal(square, np.pad(windows[0], ((0, 0), *missing, (0, 0)), "symmetric")[:, :size, :size])


def test_batches_look_like_those_of_the_loader_from_disk(sharp_folder):
    degraded, sharp = next(iter(loader(sharp_folder)))
    other = SquaresDataset(source(sharp_folder), CONFIG, seed=0)[(0, 0)][0]
    assert degraded.shape == sharp.shape == (12, 3, 32, 32)
    assert degraded.dtype == other.dtype
    assert 0 <= float(sharp.min()) < float(sharp.max()) <= 1
    assert 0 < (degraded - sharp).abs().mean() < 0.2


def test_epochs_and_seeds_give_other_squares_and_the_same_ones_again(sharp_folder):
    def first(epoch, **changes):
        made = loader(sharp_folder, **changes)
        made.batches.set_epoch(epoch)
        return next(iter(made))[0]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))
    assert not torch.equal(first(1), first(1, seed=6))


def test_a_resumed_epoch_goes_on_with_the_squares_of_an_unbroken_one(sharp_folder):
    unbroken = list(loader(sharp_folder))
    stopped = loader(sharp_folder)
    batches = iter(stopped)
    next(batches)
    resumed = loader(sharp_folder)
    resumed.load_state_dict(stopped.state_dict())
    rest = list(resumed)
    assert len(rest) == len(unbroken) - 1
    assert all(torch.equal(a[0], b[0]) for a, b in zip(rest, unbroken[1:], strict=True))


def test_squares_with_detail_are_preferred(sharp_folder):
    def mean_detail(share):
        made = resident_loader(
            source(sharp_folder), CONFIG.model_copy(update={"detail": share}), batch_windows=12, seed=0, device=CPU
        )
        squares = torch.cat([sharp for _ in range(20) for _, sharp in made]).mul(255).round().byte()
        return np.mean([detail(square.permute(1, 2, 0).numpy()) for square in squares])

    assert mean_detail(1.0) > mean_detail(0.0)


def test_several_processes_make_what_one_makes(sharp_folder):
    alone, together = (make_windows(source(sharp_folder), workers) for workers in (0, 2))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_resizing_whole_pairs_is_refused():
    with pytest.raises(RecipeError, match=r"here: data.resident cuts squares .* set data.fit to crop"):
        parse_recipe({"name": "tiny", "data": {"resident": True, "fit": "resize", "source": "paired"}}, "here")
