import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import clearcall
from clearcall.bundle import read_bundle, write_bundle
from clearcall.errors import BundleError, InputError
from clearcall.media.colour import Colours
from clearcall.runtime.changes import ChangesOnly
from clearcall.runtime.experts import ExpertSharpener
from clearcall.runtime.pixels import Shape
from clearcall.runtime.shelf import Shelf

LEFT = Colours(matrix=1, range=1, siting="left")
SOFT = np.repeat(np.repeat(np.random.default_rng(1).integers(100, 130, (24, 32, 3), np.uint8), 4, 0), 4, 1)
EDGES = np.random.default_rng(2).integers(0, 256, (96, 128, 3), np.uint8)
FLAT = np.full((96, 128, 3), 90, np.uint8)


@pytest.fixture
def model(experts_folder: Path) -> ExpertSharpener:
    found = clearcall.load(experts_folder)
    assert isinstance(found, ExpertSharpener)
    return found


def planes(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    half = np.full((48, 64), 128, np.uint8)
    return np.ascontiguousarray(luma[..., 1]), half, half.copy()


def test_each_frame_is_sharpened_by_the_expert_that_it_needs(model: ExpertSharpener):
    assert np.array_equal(model.sharpen(SOFT), model.expert("general").sharpen(SOFT))
    assert np.array_equal(model.sharpen(EDGES), clearcall.load("large").sharpen(EDGES))
    assert np.array_equal(model.sharpen(FLAT), FLAT)
    assert not np.array_equal(model.expert("general").sharpen(EDGES), model.expert("other").sharpen(EDGES))


def test_planes_are_too(model: ExpertSharpener):
    for picture, name in ((SOFT, "general"), (EDGES, "other"), (FLAT, "untouched")):
        found = model.sharpen_yuv(*planes(picture), colours=LEFT)
        expected = model.expert(name).sharpen_yuv(*planes(picture), colours=LEFT)
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert all(np.array_equal(one, other) for one, other in zip(found, planes(FLAT), strict=True))


def test_deep_frames_are_too(model: ExpertSharpener):
    deep = EDGES.astype(np.uint16) * 257
    assert np.array_equal(model.sharpen(deep), model.expert("other").sharpen(deep))


def test_a_tiny_frame_says_too_little_and_gets_the_weights_for_all_links(model: ExpertSharpener):
    tiny = np.ascontiguousarray(EDGES[:47, :64])
    assert np.array_equal(model.sharpen(tiny), model.expert("general").sharpen(tiny))
    assert np.array_equal(model.following().sharpen(tiny), model.expert("general").sharpen(tiny))
    enough = np.ascontiguousarray(EDGES[:48, :64])
    assert np.array_equal(model.sharpen(enough), model.expert("other").sharpen(enough))


def test_strength_goes_to_the_expert(model: ExpertSharpener):
    assert np.array_equal(model.sharpen(EDGES, 0.5), model.expert("other").sharpen(EDGES, 0.5))
    assert np.array_equal(model.sharpen(EDGES, 0), EDGES)
    for picture in (EDGES, FLAT):
        with pytest.raises(InputError, match="strength"):
            model.sharpen(picture, 3)
        with pytest.raises(InputError, match="strength"):
            model.sharpen_yuv(*planes(picture), colours=LEFT, strength=-1)


def test_what_is_no_frame_is_refused(model: ExpertSharpener):
    with pytest.raises(InputError):
        model.sharpen(np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError):
        model.sharpen_yuv(*(np.zeros((4, 4), np.uint8),) * 3, colours=LEFT)


def test_experts_are_loaded_when_they_are_needed(model: ExpertSharpener):
    assert model.opened("other") is None
    model.prepare(64, 48)
    assert model.is_ready(64, 48)
    assert model.opened("other") is None
    model.sharpen(EDGES)
    assert model.opened("other") is model.expert("other")


def test_an_expert_that_was_not_needed_for_long_makes_room_for_another():
    model = clearcall.load("small")
    assert isinstance(model, ExpertSharpener)
    mild, far = model.expert("mild"), model.expert("far")
    for _ in range(101):
        assert model.expert("far") is far
    fine = model.expert("fine")
    assert model.opened("mild") is None
    assert (model.opened("far"), model.opened("fine")) == (far, fine)
    assert model.expert("mild") is not mild


def test_many_threads_get_one_and_the_same_expert(model: ExpertSharpener):
    found = []
    threads = [threading.Thread(target=lambda: found.append(model.expert("other"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_a_stream_does_not_go_to_and_fro(model: ExpertSharpener):
    stream = model.following()
    names = {"general": model.expert("general"), "other": model.expert("other")}

    def chosen(picture: np.ndarray) -> str:
        found = stream.chosen(picture)
        [name] = [name for name, expert in names.items() if found is expert]
        return name

    assert [chosen(picture) for picture in (SOFT, EDGES, SOFT, EDGES, SOFT)] == ["general"] * 5
    assert [chosen(EDGES) for _ in range(24)][-1] == "other"
    smaller = np.ascontiguousarray(SOFT[:48, :64])
    assert chosen(smaller) == "general"
    assert np.array_equal(model.sharpen(EDGES), names["other"].sharpen(EDGES))


def test_only_what_changed_is_sharpened_by_the_expert_of_the_whole_frame(model: ExpertSharpener):
    changes = ChangesOnly(model)
    y = planes(np.tile(SOFT, (3, 3, 1)))[0]
    edges = planes(np.tile(EDGES, (3, 3, 1)))[0]
    half = np.full((144, 192), 128, np.uint8)
    frames = [(y, half, half), (changed := y.copy(), half, half), (edges, half, half)]
    changed[5:9, 7:12] = 255
    for frame in frames:
        found = changes.sharpen_yuv(*frame, colours=LEFT)
        expected = model.chosen(frame[0]).sharpen_yuv(*frame, colours=LEFT)
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert changes.counts["whole"] == 2
    assert changes.counts["part"] == 1


def test_a_live_stream_waits_for_no_expert(experts_folder: Path):
    shelf = Shelf(clearcall.load)
    name, shape = str(experts_folder), Shape.of(EDGES)
    general = shelf.find(name, shape, 1.0, wait=True)
    assert isinstance(general, ExpertSharpener)
    first = shelf.find_for(name, EDGES, 1.0)
    assert first is not None
    assert np.array_equal(first.sharpen(EDGES), general.expert("general").sharpen(EDGES))
    shelf._join()
    assert shelf.find_for(name, EDGES, 1.0) is general.expert("other")
    later = [shelf.find_for(name, SOFT, 1.0) for _ in range(24)]
    assert later[0] is general.expert("other")
    assert later[-1] is general.expert("general")


def test_a_gate_that_chooses_what_is_not_there_is_refused(experts_folder: Path, tmp_path: Path):
    bundle = read_bundle(experts_folder)
    graphs = {"int8": bundle.graph("int8")}
    wrong = bundle.gate().replace(b'"other"', b'"nobody"')
    write_bundle(tmp_path / "wrong", bundle.card, graphs, experts={"other": graphs}, gate=wrong)
    with pytest.raises(BundleError, match="chooses nobody"):
        clearcall.load(tmp_path / "wrong")


def test_a_damaged_expert_is_refused_when_it_is_needed(experts_folder: Path, tmp_path: Path):
    folder = shutil.copytree(experts_folder, tmp_path / "damaged")
    path = folder / "experts-other.int8.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    model = clearcall.load(folder)
    assert np.array_equal(model.sharpen(FLAT), FLAT)
    with pytest.raises(BundleError, match="damaged"):
        model.sharpen(EDGES)
