"""Which pairs a folder holds, and what they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from clearcall.errors import InputError, RecipeError
from clearcall.evaluation.cases import Case, find_cases

SHARP = data.coffee()[:48, :64]


def save(path: Path, pixels: np.ndarray = SHARP) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_sharp_pictures_are_degraded_by_each_profile(tmp_path: Path) -> None:
    save(tmp_path / "people_001.png")
    save(tmp_path / "text_001.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    cases = find_cases(tmp_path, ["bicubic-x2", "clean"])
    assert [(c.name, c.category, c.profile) for c in cases] == [
        ("people_001.png", "people", "bicubic-x2"),
        ("text_001.jpg", "text", "bicubic-x2"),
        ("people_001.png", "people", "clean"),
        ("text_001.jpg", "text", "clean"),
    ]
    degraded, sharp = cases[0].load()
    assert (sharp == SHARP).all()
    assert degraded.shape == sharp.shape
    assert (degraded != sharp).any()
    clean, sharp = cases[2].load()
    assert (clean == sharp).all()


def test_the_same_case_gives_the_same_frames(tmp_path: Path) -> None:
    save(tmp_path / "a_001.png")
    case = find_cases(tmp_path, ["h264-half-crf28"])[0]
    assert (case.load()[0] == case.load()[0]).all()


@pytest.mark.parametrize("inside", [".", "val"])
def test_pairs_on_disk_are_matched_by_name(tmp_path: Path, inside: str) -> None:
    for name in ("GOPR0384_11_00_0203.png", "GOPR0384_11_00_0386.png"):
        save(tmp_path / inside / "blur" / name, SHARP // 2)
        save(tmp_path / inside / "sharp" / name)
    save(tmp_path / "train" / "sharp" / "other_001.png")
    cases = find_cases(tmp_path)
    assert [(c.category, c.profile) for c in cases] == [("GOPR0384_11_00", "pairs on disk")] * 2
    degraded, sharp = cases[0].load()
    assert (degraded == SHARP // 2).all()
    assert (sharp == SHARP).all()


def test_categories_come_from_the_manifest_then_the_folder_then_the_name(tmp_path: Path) -> None:
    for name in ("a_001.png", "animals/b.png", "c.png"):
        save(tmp_path / "val" / name)
    (tmp_path / "MANIFEST.csv").write_text("path,category,credit\nval/a_001.png,games,x\nval/gone.png,text,\n")
    found = {case.name: case.category for case in find_cases(tmp_path / "val")}
    assert found == {"a_001.png": "games", "animals/b.png": "animals", "c.png": "pictures"}


def test_sixteen_bit_and_grey_pictures_are_measured_as_8_bit_rgb(tmp_path: Path) -> None:
    deep = (np.arange(48 * 64, dtype=np.uint16) * 21).reshape(48, 64)
    Image.fromarray(deep).save(tmp_path / "deep_001.png")
    degraded, sharp = Case("deep_001.png", "deep", tmp_path / "deep_001.png").load()
    assert sharp.shape == (48, 64, 3)
    assert sharp.dtype == degraded.dtype == np.uint8


def test_unknown_profile_names_the_nearest(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(RecipeError, match="bicubic-x2"):
        find_cases(tmp_path, ["bicubic-2x"])


def test_bad_folders_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        find_cases(tmp_path / "missing")
    with pytest.raises(InputError, match="holds no picture"):
        find_cases(tmp_path)
    save(tmp_path / "pairs" / "blur" / "a.png")
    with pytest.raises(InputError, match=r"a\.png stands without a partner"):
        find_cases(tmp_path / "pairs")
    with pytest.raises(InputError, match="no profile degrades"):
        find_cases(tmp_path / "pairs", ["clean"])
    (tmp_path / "pairs" / "blur" / "a.png").unlink()
    with pytest.raises(InputError, match="both are empty"):
        find_cases(tmp_path / "pairs")


def test_a_manifest_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "MANIFEST.csv").write_bytes(b"path,category\n\xff\xfe")
    with pytest.raises(InputError, match="mend or remove it"):
        find_cases(tmp_path)


def test_the_official_layout_gives_its_test_split_by_sequence(tmp_path: Path, make_pairs) -> None:
    make_pairs(tmp_path / "GOPRO_Large", "train/GOPR0372_07_00", 2)
    with pytest.raises(InputError, match="only pairs to train on"):
        find_cases(tmp_path)
    make_pairs(tmp_path / "GOPRO_Large", "test/GOPR0384_11_00", 2)
    make_pairs(tmp_path / "GOPRO_Large", "test/GOPR0410_11_00", 1, blur="blur")
    make_pairs(tmp_path / "GOPRO_Large", "test/GOPR0384_11_00", 2, blur="blur_gamma")
    cases = find_cases(tmp_path)
    assert [(case.name, case.category) for case in cases] == [
        ("GOPR0384_11_00/000001.png", "GOPR0384_11_00"),
        ("GOPR0384_11_00/000002.png", "GOPR0384_11_00"),
        ("GOPR0410_11_00/000001.png", "GOPR0410_11_00"),
    ]
    gamma = find_cases(tmp_path / "GOPRO_Large" / "test" / "GOPR0384_11_00", blur="blur_gamma")
    assert [case.degraded.parent.name for case in gamma] == ["blur_gamma"] * 2
