import shutil

import numpy as np
import pytest
from PIL import Image

from clearcall.errors import InputError
from clearcall.training.pairs import check_no_overlap, list_pairs, list_pictures, read_frame, read_pair


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
    pair = next(p for p in list_pairs(tmp_path / "train") if p.sharp.stem == "coffee_0")
    with pytest.raises(InputError, match="192x96 and 10x12"):
        read_pair(pair)


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
