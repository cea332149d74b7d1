import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clearcall.degrade import degrade_picture, get_profile
from clearcall.degrade.sampling import TrainingMix
from clearcall.training.dataset import EpochBatches, SquaresDataset, training_loader
from clearcall.training.pairs import list_pairs, list_pictures, read_frame
from clearcall.training.recipe import DataConfig
from clearcall.training.validation import degraded_pairs, held_out
from clearcall.training.windows import DegradedWindows, PairedWindows, detail

CONFIG = DataConfig(window=64, crop=32, crops_per_window=3, variants=2, workers=0)


def windows(folder, **changes):
    settings = {"variants": 2, "size": 64, "degradation": "bicubic-x2", "seed": 1} | changes
    return DegradedWindows(list_pictures(folder), **settings)


def test_a_window_is_the_degradation_of_its_sharp_half(sharp_folder):
    degraded, sharp = windows(sharp_folder).window(0)
    assert np.array_equal(degraded, degrade_picture(sharp, get_profile("bicubic-x2")))


def test_windows_are_the_same_for_the_same_seed_and_differ_otherwise(sharp_folder):
    one, again = windows(sharp_folder, degradation="random"), windows(sharp_folder, degradation="random")
    assert np.array_equal(one.window(3), again.window(3))
    assert not np.array_equal(one.window(3), windows(sharp_folder, degradation="random", seed=2).window(3))


def test_a_mix_says_what_random_windows_are(sharp_folder, tmp_path):
    clean = windows(sharp_folder, degradation="random", mix=TrainingMix(clean=1.0, resized=0.0), cache=tmp_path)
    for item in range(4):
        degraded, sharp = clean.window(item)
        assert np.array_equal(degraded, sharp)
    windows(sharp_folder, degradation="random", cache=tmp_path).window(0)  # another mix: not the same entry
    assert len(list(tmp_path.iterdir())) == 5


def test_soft_truths_lie_in_the_same_places_behind_the_same_links(sharp_folder, tmp_path):
    mix = TrainingMix(clean=1.0, resized=0.0)
    plain = windows(sharp_folder, degradation="random", mix=mix, cache=tmp_path)
    softened = windows(sharp_folder, degradation="random", mix=mix.model_copy(update={"soft": 1.0}), cache=tmp_path)
    for item in range(3):
        (degraded, truth), (_, sharp) = softened.window(item), plain.window(item)
        assert np.array_equal(degraded, truth)  # the soft picture is what was sent, and what is to come back
        assert detail(truth) < detail(sharp)
        assert np.abs(truth.astype(float) - sharp).mean() < 20
    assert len(list(tmp_path.iterdir())) == 6


def test_named_links_have_soft_truths_where_the_mix_has(sharp_folder, tmp_path):
    sharp = windows(sharp_folder, degradation="clean", cache=tmp_path)
    softened = windows(sharp_folder, degradation="clean", cache=tmp_path, mix=TrainingMix(soft=1.0))
    degraded, truth = softened.window(0)
    assert np.array_equal(degraded, truth)
    assert detail(truth) < detail(sharp.window(0)[1])
    windows(sharp_folder, degradation="clean", cache=tmp_path, mix=TrainingMix(clean=0.5)).window(0)  # as without
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("degradation", ["bicubic-x2", "random"])
def test_relayed_windows_lie_in_the_same_places_and_are_coded_once_more(sharp_folder, tmp_path, degradation):
    plain = windows(sharp_folder, degradation=degradation, cache=tmp_path)
    relayed = windows(sharp_folder, degradation=degradation, cache=tmp_path, mix=TrainingMix(relayed=1.0))
    for item in range(3):
        (twice, sharp), (once, truth) = relayed.window(item), plain.window(item)
        assert np.array_equal(sharp, truth)
        assert not np.array_equal(twice, once)
    assert len(list(tmp_path.iterdir())) == 6


def test_the_cache_gives_what_making_gives(sharp_folder, tmp_path):
    cached = windows(sharp_folder, cache=tmp_path / "cache")
    made = cached.window(1)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert np.array_equal(cached.window(1), made)
    assert np.array_equal(windows(sharp_folder).window(1), made)


def test_another_degradation_or_size_never_reads_the_same_cache_entry(sharp_folder, tmp_path):
    for changes in ({}, {"degradation": "clean"}, {"size": 48}, {"seed": 9}):
        windows(sharp_folder, cache=tmp_path, **changes).window(1)
    assert len(list(tmp_path.iterdir())) == 4


def test_squares_are_tensors_in_the_unit_range(sharp_folder):
    degraded, sharp = SquaresDataset(windows(sharp_folder), CONFIG, seed=0)[(0, 1)]
    assert degraded.shape == sharp.shape == (3, 3, 32, 32)
    assert degraded.dtype == torch.float32
    assert 0 <= float(sharp.min()) < float(sharp.max()) <= 1
    assert (degraded - sharp).abs().mean() < 0.2


@pytest.mark.parametrize("fit", ["crop", "resize"])
@pytest.mark.parametrize("size", [64, 128, 256])
def test_pairs_from_disk_become_squares_of_any_size(gopro_folder, fit, size):
    config = DataConfig(source="paired", fit=fit, crop=size, crops_per_window=2)
    source = PairedWindows(list_pairs(gopro_folder / "train"))
    degraded, sharp = SquaresDataset(source, config, seed=0)[(0, 0)]
    assert degraded.shape == sharp.shape == (2, 3, size, size)


def test_both_halves_of_a_square_are_cut_and_turned_alike(sharp_folder):
    dataset = SquaresDataset(windows(sharp_folder, degradation="clean"), CONFIG, seed=0)
    for item in range(4):
        degraded, sharp = dataset[(0, item)]
        assert torch.equal(degraded, sharp)


def test_loader_repeats_itself_and_epochs_differ(sharp_folder):
    source = windows(sharp_folder)
    loaders = [training_loader(source, CONFIG, batch_windows=2, seed=5) for _ in range(2)]
    first, again = (torch.cat([sharp for _, sharp in loader]) for loader in loaders)
    assert torch.equal(first, again)
    assert len(first) == len(source) * CONFIG.crops_per_window
    loaders[0].batches.set_epoch(1)
    assert not torch.equal(first, torch.cat([sharp for _, sharp in loaders[0]]))


def test_worker_processes_change_nothing(sharp_folder):
    """In an interpreter of its own: one with two thousand tests behind it has crashed at PyTorch's worker processes."""
    command = [sys.executable, Path(__file__).with_name("loader_workers.py"), sharp_folder]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["same", "goes", "on"]


def test_an_epoch_shows_every_item_once():
    batches = EpochBatches(10, 4, seed=0)
    batches.set_epoch(3)
    shown = [item for batch in batches for item in batch]
    assert len(batches) == 2
    assert len(set(shown)) == 8
    assert {epoch for epoch, _ in shown} == {3}


def test_a_loader_goes_on_where_another_stopped(sharp_folder):
    first, second, whole = (training_loader(windows(sharp_folder), CONFIG, batch_windows=2, seed=5) for _ in range(3))
    for loader in (first, whole):
        loader.batches.set_epoch(4)
    given = iter(first)
    shown = [next(given)[1] for _ in range(2)]
    second.load_state_dict(first.state_dict())
    second.batches.set_epoch(4)
    rest = [sharp for _, sharp in second]
    for expected, found in zip([sharp for _, sharp in whole], shown + rest, strict=True):
        assert torch.equal(expected, found)
    assert second.state_dict() == {"epoch": 5, "start": 0}


def test_detail_ranks_an_edge_above_a_flat_part():
    flat = np.full((16, 16, 3), 90, np.uint8)
    edge = flat.copy()
    edge[:, 8:] = 200
    assert detail(edge) > detail(flat) == 0


def test_fixed_pairs_cover_every_profile_and_score_the_input(sharp_folder):
    _, watched = held_out(list_pictures(sharp_folder), 2)
    pairs = degraded_pairs(watched, ("bicubic-x2", "clean"), seed=0)
    assert [(pair.name, pair.profile) for pair in pairs] == [
        (path.stem, profile) for profile in ("bicubic-x2", "clean") for path in watched
    ]
    assert all(pair.degraded_ssim == 1 for pair in pairs if pair.profile == "clean")
    assert all(pair.degraded_ssim < 1 for pair in pairs if pair.profile == "bicubic-x2")
    assert all(np.array_equal(pair.sharp, read_frame(path)) for pair, path in zip(pairs, watched, strict=False))


def test_pairs_are_decoded_once_and_kept(gopro_folder, tmp_path):
    pairs = list_pairs(gopro_folder / "train")
    plain, kept = PairedWindows(pairs, repeats=2), PairedWindows(pairs, repeats=2, cache=tmp_path / "cache")
    for number in (0, 1, len(pairs)):
        assert np.array_equal(kept.window(number), plain.window(number))
    files = sorted((tmp_path / "cache").iterdir())
    assert len(files) == 2
    before = [file.stat().st_mtime_ns for file in files]
    assert np.array_equal(kept.window(0), plain.window(0))
    assert [file.stat().st_mtime_ns for file in files] == before


def test_a_pair_that_changed_is_decoded_anew(gopro_folder, tmp_path):
    shutil.copytree(gopro_folder / "train", tmp_path / "train")
    pair = list_pairs(tmp_path / "train")[0]
    source = PairedWindows([pair], cache=tmp_path / "cache")
    before = np.array(source.window(0))
    Image.fromarray(255 - before[1]).save(pair.sharp)
    assert np.array_equal(source.window(0)[1], 255 - before[1])


def test_a_window_with_the_frame_before_begins_with_the_one_without(sharp_folder, tmp_path):
    plain, both = (
        windows(sharp_folder, degradation="h264-half-crf28", cache=tmp_path, before=it) for it in (False, True)
    )
    assert both.window(1).shape == (4, 64, 64, 3)
    assert np.array_equal(both.window(1)[:2], plain.window(1))
    assert np.array_equal(both.window(1), both.window(1))
    assert len(list(tmp_path.iterdir())) == 2
    squares = SquaresDataset(both, CONFIG, seed=0)[0, 1]
    assert [tuple(side.shape) for side in squares] == [(3, 3, 32, 32)] * 4
