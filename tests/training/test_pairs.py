import shutil

import numpy as np
import pytest
from PIL import Image

from clearcall.errors import InputError
from clearcall.training.pairs import (
    check_no_overlap,
    list_pairs,
    list_pictures,
    read_frame,
    read_pair,
    split_pairs,
)
from clearcall.training.validation import stored_pairs
from clearcall.training.windows import PairedWindows


def test_pairs_are_matched_by_name(gopro_folder):
    pairs = list_pairs(gopro_folder / "train")
    assert len(pairs) == 4
    assert all(pair.degraded.name == pair.sharp.name for pair in pairs)
    window = read_pair(pairs[0])
    assert window.shape == (2, 96, 192, 3)
    assert window.dtype == np.uint8


def test_a_file_without_partner_is_named(gopro_folder, tmp_path):
    shutil.copytree(gopro_folder / "train", tmp_path / "train")
    (tmp_path / "train" / "blur" / "coffee_0.png").unlink()
    with pytest.raises(InputError, match=r"coffee_0\.png"):
        list_pairs(tmp_path / "train")


def test_pairs_of_different_sizes_are_refused(gopro_folder, tmp_path):
    shutil.copytree(gopro_folder / "train", tmp_path / "train")
    Image.new("RGB", (10, 12)).save(tmp_path / "train" / "sharp" / "coffee_0.png")
    with pytest.raises(InputError, match="192x96 and 10x12"):
        list_pairs(tmp_path / "train")


def test_a_pair_changed_since_it_was_listed_is_refused(gopro_folder, tmp_path):
    shutil.copytree(gopro_folder / "train", tmp_path / "train")
    pair = list_pairs(tmp_path / "train")[0]
    Image.new("RGB", (10, 12)).save(pair.sharp)
    with pytest.raises(InputError, match="192x96 and 10x12"):
        read_pair(pair)


@pytest.fixture
def official(tmp_path, make_pairs):
    root = tmp_path / "GOPRO_Large"
    for number in range(4):
        make_pairs(root, f"train/GOPR0372_07_0{number}", 3)
    return make_pairs(root, "test/GOPR0384_11_00", 2)


def test_whole_sequences_are_held_out_of_the_official_layout(official):
    train, watched = split_pairs(official, held_out=4)
    assert len(train) == 6
    assert len(watched) == 4
    sequences = {pair.sequence for pair in train}, {pair.sequence for pair in watched}
    assert [len(names) for names in sequences] == [2, 2]
    assert not sequences[0] & sequences[1]
    assert all("test" not in pair.sharp.parts for pair in train + watched)
    assert split_pairs(official, held_out=4) == (train, watched)


def test_at_most_half_of_the_sequences_are_held_out(official):
    train, watched = split_pairs(official, held_out=100)
    assert (len(train), len(watched)) == (6, 6)


def test_a_val_folder_is_taken_as_it_is(gopro_folder):
    train, watched = split_pairs(gopro_folder, held_out=1)
    assert (len(train), len(watched)) == (4, 2)


def test_one_sequence_alone_cannot_be_split(tmp_path, make_pairs):
    make_pairs(tmp_path, "train/GOPR0372_07_00", 3)
    with pytest.raises(InputError, match=r"one sequence \(GOPR0372_07_00\)"):
        split_pairs(tmp_path, held_out=1)


def test_pairs_of_the_official_layout_become_windows_and_fixed_pairs(official):
    train, watched = split_pairs(official, held_out=2)
    assert PairedWindows(train).window(0).shape == (2, 24, 32, 3)
    names = [pair.name for pair in stored_pairs(watched)]
    assert len(set(names)) == len(names) == 2
    assert all("/" not in name for name in names)


def test_bad_official_layouts_are_refused_before_training(official, tmp_path, make_pairs):
    place = official / "train" / "GOPR0372_07_01"
    shutil.copy(place / "sharp" / "000001.png", tmp_path / "kept.png")
    Image.new("RGB", (9, 9)).save(place / "sharp" / "000001.png")
    with pytest.raises(InputError, match="32x24 and 9x9"):
        split_pairs(official, held_out=3)
    (place / "sharp" / "000001.png").unlink()
    with pytest.raises(InputError, match=r"GOPR0372_07_01/000001\.png stands without a partner"):
        split_pairs(official, held_out=3)
    shutil.copy(tmp_path / "kept.png", place / "sharp" / "000001.png")
    shutil.copytree(place, official / "val" / "GOPR0999_11_00")
    with pytest.raises(InputError, match="also in the training set"):
        split_pairs(official, held_out=3)
    shutil.rmtree(official / "train")
    with pytest.raises(InputError, match="holds no pairs to train on"):
        split_pairs(official, held_out=3)


@pytest.mark.parametrize(("count", "sentence"), [(0, "holds no pairs"), (1, "holds 1 pair;")])
def test_too_few_pairs(tmp_path, make_pairs, count, sentence):
    make_pairs(tmp_path, "train/GOPR0372_07_00", count)
    with pytest.raises(InputError, match=sentence):
        split_pairs(tmp_path, held_out=1)
    (tmp_path / "train").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=sentence):
        list_pairs(tmp_path / "train")


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures(tmp_path, count):
    for index in range(count):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{index}.png")
    with pytest.raises(InputError, match=f"holds {count} pictures"):
        list_pictures(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match="There is no folder"):
        list_pictures(tmp_path / "none")


def test_validation_must_not_hold_training_pictures(sharp_folder, tmp_path):
    pictures = list_pictures(sharp_folder)
    copy = tmp_path / "another-name.png"
    shutil.copy(pictures[2], copy)
    check_no_overlap(pictures[:2], pictures[2:])
    with pytest.raises(InputError, match="also in the training set"):
        check_no_overlap(pictures, [copy])


def test_deep_pictures_are_read_in_8_bits(tmp_path):
    levels = np.array([[0, 257, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "deep.png")
    assert read_frame(tmp_path / "deep.png")[0, :, 1].tolist() == [0, 1, 255]
