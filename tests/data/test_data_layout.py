"""Where pairs lie: both layouts, their splits, and what doesn't match."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from clearcall.data.layout import check_sizes, find_layout
from clearcall.errors import InputError


@pytest.fixture
def official(tmp_path: Path, make_pairs) -> Path:
    root = tmp_path / "GOPRO_Large"
    make_pairs(root, "train/GOPR0372_07_00", 3)
    make_pairs(root, "train/GOPR0374_11_01", 2)
    make_pairs(root, "test/GOPR0384_11_00", 2)
    return root


def names(split) -> list[str]:
    return [pair.name for pair in split.pairs()]


@pytest.mark.parametrize("given", [".", ".."])
def test_the_official_layout_is_recognised_also_from_above(official: Path, given: str):
    layout = find_layout(official / given)
    assert layout.kind == "official"
    assert [split.name for split in layout.splits] == ["train", "test"]
    train = layout.first("train")
    assert names(train) == [f"GOPR0372_07_00/00000{n}.png" for n in (1, 2, 3)] + [
        f"GOPR0374_11_01/00000{n}.png" for n in (1, 2)
    ]
    assert {pair.sequence for pair in train.pairs()} == {"GOPR0372_07_00", "GOPR0374_11_01"}
    assert train.pairs()[0].degraded.parent.name == "blur"


def test_one_split_of_the_official_layout_is_read_by_itself(official: Path):
    layout = find_layout(official / "test")
    assert layout.kind == "official"
    assert names(layout.first("")) == ["GOPR0384_11_00/000001.png", "GOPR0384_11_00/000002.png"]


def test_the_other_blurred_picture_can_be_chosen(official: Path, make_pairs):
    make_pairs(official, "test/GOPR0384_11_00", 2, blur="blur_gamma")
    pairs = find_layout(official / "test", "blur_gamma").first("").pairs()
    assert {pair.degraded.parent.name for pair in pairs} == {"blur_gamma"}
    with pytest.raises(InputError, match=r"GOPR0372_07_00/000001\.png, .* and 2 more stand without a partner"):
        find_layout(official, "blur_gamma").first("train").pairs()


def test_the_flat_layout_takes_sequences_from_names_and_folders(tmp_path: Path, make_pairs):
    make_pairs(tmp_path, "train/GOPR0477_11_00", 2, official=False)
    make_pairs(tmp_path, "val/000", 2, official=False)
    for side in ("blur", "sharp"):
        (tmp_path / "val" / side / "001").mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / "val" / side / "001" / "00000000.png")
    layout = find_layout(tmp_path)
    assert (layout.kind, [split.name for split in layout.splits]) == ("flat", ["train", "val"])
    assert {pair.sequence for pair in layout.first("train").pairs()} == {"GOPR0477_11_00"}
    assert [pair.sequence for pair in layout.first("val").pairs()] == ["000", "000", "001"]


def test_hidden_files_are_never_pairs(official: Path):
    for hidden in ("._000001.png", ".DS_Store"):
        (official / "test" / "GOPR0384_11_00" / "blur" / hidden).write_bytes(b"x")
    (official / "test" / ".cache" / "blur").mkdir(parents=True)
    split = find_layout(official).first("test")
    assert len(split.pairs()) == 2
    assert split.strays == ()


def test_a_split_that_has_lost_its_blurred_pictures_is_not_overlooked(tmp_path: Path, make_pairs):
    make_pairs(tmp_path, "train/GOPR0477_11_00", 2, official=False)
    (tmp_path / "val" / "sharp").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "val" / "sharp" / "a.png")
    with pytest.raises(InputError, match=r"a\.png stands without a partner"):
        find_layout(tmp_path).first("val").pairs()


def test_plain_pictures_are_no_pairs(tmp_path: Path):
    for name in ("people/a.png", "sharp/b.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    layout = find_layout(tmp_path)
    assert layout.kind == "sharp"
    assert list(layout.first("").sharp) == ["people/a.png", "sharp/b.png"]
    for split in ("train", "val"):
        (tmp_path / "both" / split).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "both" / split / "a.png")
    assert [split.name for split in find_layout(tmp_path / "both").splits] == ["train", "val"]


def test_sizes_are_compared_and_every_difference_is_counted(official: Path):
    folder = official / "train" / "GOPR0372_07_00" / "sharp"
    for name in ("000001.png", "000003.png"):
        Image.new("RGB", (10, 12)).save(folder / name)
    pairs = find_layout(official).first("train").pairs()
    with pytest.raises(InputError, match=r"000001\.png .*32x24 and 10x12.*\(1 more pairs differ, too\)"):
        check_sizes(pairs)
    check_sizes(pairs[3:])
    (folder / "000001.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"000001\.png is not a PNG"):
        check_sizes(pairs)


def test_a_missing_folder_is_one_sentence(tmp_path: Path):
    with pytest.raises(InputError, match="no folder"):
        find_layout(tmp_path / "none")
