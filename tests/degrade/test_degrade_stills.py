"""A folder of pictures becomes pairs of blurred and sharp squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearcall.data.check import check_data
from clearcall.degrade.stills import Shake, shake_stills
from clearcall.errors import InputError, OutputError, RecipeError
from clearcall.media.picture import read_frame

SHAKE = Shake(copies=2, size=48, lengths=(2.0, 6.0))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "people").mkdir(parents=True)
    for number, name in enumerate(("cat", "people/ann")):
        pixels = np.random.default_rng(number).integers(0, 256, (80, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def test_each_picture_becomes_pairs_of_other_places(pictures: Path, tmp_path: Path):
    seen: list[tuple[int, int | None]] = []
    done = shake_stills(pictures, tmp_path / "out", SHAKE, on_progress=lambda at, total: seen.append((at, total)))
    assert (done.made, done.kept, done.small, seen) == (4, 0, 0, [(2, 4), (4, 4)])
    health = check_data(tmp_path / "out")
    assert (health.kind, health.findings) == ("flat", {})
    assert health.counts == {"": {"cat_shake": 2, "people-ann_shake": 2}}
    cat = read_frame(pictures / "cat.png")
    places = set()
    for copy in range(2):
        blurred, sharp = (read_frame(tmp_path / "out" / side / f"cat_shake{copy:03}.png") for side in ("blur", "sharp"))
        assert blurred.shape == sharp.shape == (48, 48, 3)
        assert blurred.astype(float).std() < 0.8 * sharp.astype(float).std()
        found = [
            (top, left)
            for top in range(80 - 48 + 1)
            for left in range(90 - 48 + 1)
            if (cat[top : top + 48, left : left + 48] == sharp).all()
        ]
        assert len(found) == 1
        places.update(found)
    assert len(places) == 2


def test_what_is_there_is_kept_and_more_copies_are_added(pictures: Path, tmp_path: Path):
    out = tmp_path / "out"
    shake_stills(pictures, out, SHAKE)
    kept = (out / "blur" / "cat_shake000.png").read_bytes()
    (out / "sharp" / "cat_shake001.png").unlink()
    done = shake_stills(pictures, out, Shake(copies=3, size=48, lengths=(2.0, 6.0)))
    assert (done.made, done.kept) == (3, 3)
    assert (out / "blur" / "cat_shake000.png").read_bytes() == kept


def test_other_options_are_refused_unless_forced(pictures: Path, tmp_path: Path):
    out, other = tmp_path / "out", Shake(copies=2, size=40, lengths=(2.0, 6.0))
    shake_stills(pictures, out, SHAKE)
    with pytest.raises(OutputError, match="other options; add --force"):
        shake_stills(pictures, out, other)
    assert read_frame(out / "blur" / "cat_shake000.png").shape == (48, 48, 3)
    assert shake_stills(pictures, out, other, force=True).made == 4
    assert read_frame(out / "blur" / "cat_shake000.png").shape == (40, 40, 3)


def test_small_pictures_are_counted_and_bad_input_is_told(pictures: Path, tmp_path: Path):
    Image.new("RGB", (12, 200)).save(pictures / "thin.png")
    assert shake_stills(pictures, tmp_path / "out", SHAKE).small == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        shake_stills(tmp_path / "empty", tmp_path / "out", SHAKE)
    with pytest.raises(RecipeError, match="ascending lengths"):
        shake_stills(pictures, tmp_path / "more", Shake(copies=1, size=16, lengths=(6.0, 2.0)))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be made"):
        shake_stills(pictures, tmp_path / "file", SHAKE)
