"""``check_data``: every kind of damage is found, named, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from clearcall.data import check as kinds
from clearcall.data.check import check_data
from clearcall.data.overlap import find_twins
from clearcall.errors import InputError


@pytest.fixture
def official(tmp_path: Path, make_pairs) -> Path:
    root = tmp_path / "GOPRO_Large"
    make_pairs(root, "train/GOPR0372_07_00", 3)
    make_pairs(root, "train/GOPR0374_11_01", 2)
    return make_pairs(root, "test/GOPR0384_11_00", 2)


def test_a_sound_data_set_is_counted(official: Path):
    seen: list[tuple[int, int | None]] = []
    health = check_data(official, on_progress=lambda done, total: seen.append((done, total)))
    assert health.kind == "official"
    assert health.counts == {
        "train": {"GOPR0372_07_00": 3, "GOPR0374_11_01": 2},
        "test": {"GOPR0384_11_00": 2},
    }
    assert health.findings == {}
    assert seen == [(number, 14) for number in range(1, 15)]


def test_every_damage_is_named(official: Path):
    train, test = official / "train", official / "test"
    (train / "GOPR0372_07_00" / "blur" / "000001.png").unlink()
    (train / "GOPR0372_07_00" / "sharp" / "000002.png").unlink()
    (train / "GOPR0372_07_00" / "sharp" / "notes.txt").write_text("x")
    cut = train / "GOPR0372_07_00" / "blur" / "000003.png"
    cut.write_bytes(cut.read_bytes()[:-200])
    Image.new("RGB", (9, 7)).save(train / "GOPR0374_11_01" / "sharp" / "000002.png")
    shutil.copy(train / "GOPR0374_11_01" / "sharp" / "000001.png", test / "GOPR0384_11_00" / "sharp" / "000001.png")
    shutil.copytree(train / "GOPR0374_11_01", test / "GOPR0374_11_01")
    found = check_data(official).findings
    assert list(found) == [kind for kind in kinds.FINDINGS if kind != kinds.NOTHING]
    assert found[kinds.NO_BLUR] == (str(train / "GOPR0372_07_00/sharp/000001.png"),)
    assert found[kinds.NO_SHARP] == (str(train / "GOPR0372_07_00/blur/000002.png"),)
    assert found[kinds.STRAY] == (str(train / "GOPR0372_07_00/sharp/notes.txt"),)
    assert len(found[kinds.UNREADABLE]) == 1
    assert found[kinds.UNREADABLE][0].startswith(f"{cut}: ")
    assert [entry.endswith("32x24 and 9x7") for entry in found[kinds.OTHER_SIZE]] == [True, True]
    one = train / "GOPR0374_11_01" / "sharp" / "000001.png"
    assert f"{one} and {test / 'GOPR0384_11_00' / 'sharp' / '000001.png'}" in found[kinds.TWIN]
    assert f"{one} and {test / 'GOPR0374_11_01' / 'sharp' / '000001.png'}" in found[kinds.TWIN]
    assert found[kinds.TORN] == (f"GOPR0374_11_01 in {train} and {test}",)


def test_flat_pairs_of_one_sequence_in_two_splits_are_named(tmp_path: Path, make_pairs):
    make_pairs(tmp_path, "train/GOPR0477_11_00", 2, official=False)
    make_pairs(tmp_path, "val/GOPR0477_11_00", 2, official=False)
    health = check_data(tmp_path)
    assert health.counts == {"train": {"GOPR0477_11_00": 2}, "val": {"GOPR0477_11_00": 2}}
    assert list(health.findings) == [kinds.TORN]


def test_a_missing_kind_of_blur_is_said_for_every_pair(official: Path, make_pairs):
    make_pairs(official, "test/GOPR0384_11_00", 2, blur="blur_gamma")
    assert len(check_data(official, "blur_gamma").findings[kinds.NO_BLUR]) == 5
    assert check_data(official / "test", "blur_gamma").findings == {}


def test_sharp_pictures_are_read_too(tmp_path: Path):
    for name in ("train/people_001.png", "val/people_002.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)
    (tmp_path / "val" / "text_001.jpg").write_bytes(b"x")
    health = check_data(tmp_path)
    assert health.kind == "sharp"
    assert health.counts == {"train": {"people": 1}, "val": {"people": 1, "text": 1}}
    assert set(health.findings) == {kinds.UNREADABLE, kinds.TWIN}


def test_an_empty_folder_is_a_finding_and_a_missing_one_an_error(tmp_path: Path):
    assert check_data(tmp_path).findings == {kinds.NOTHING: (str(tmp_path),)}
    (tmp_path / "train" / "blur").mkdir(parents=True)
    assert check_data(tmp_path).findings == {kinds.NOTHING: (str(tmp_path / "train"),)}
    with pytest.raises(InputError, match="no folder"):
        check_data(tmp_path / "none")


def test_twins_are_told_by_content_not_by_length(tmp_path: Path):
    for name, text in (("a", "one"), ("b", "two"), ("c", "one"), ("d", "longer")):
        (tmp_path / name).write_text(text)
    a, b, c, d = (tmp_path / name for name in "abcd")
    assert find_twins([a, b], [c, d]) == [(a, c)]
    assert find_twins([b], [c, d]) == []
