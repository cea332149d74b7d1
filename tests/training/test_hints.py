"""What a narrow student takes over from a wide one, against NumPy's least squares, and in a real training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from test_fit_export import QUIET, rows_of, tiny

from clearcall.errors import InputError, RecipeError
from clearcall.training.checkpoint import load_student
from clearcall.training.fit import RunOptions, train
from clearcall.training.hints import take_hints
from clearcall.training.recipe import parse_recipe
from clearcall.training.student import Student, StudentConfig


def student(width, seed=0, **more):
    torch.manual_seed(seed)
    made = Student(StudentConfig(width=width, **more))
    for layer in made.layers[1:]:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=0.1)
            torch.nn.init.normal_(layer.bias, std=0.1)
    return made


def squares(count=4, size=32):
    return [torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(n)) for n in range(count)]


def error(one, other, seen):
    with torch.no_grad():
        return float(torch.stack([(one(each) - other(each)).square().mean() for each in seen]).mean())


@pytest.mark.parametrize("colour", ["rgb", "luma"])
def test_a_student_as_wide_does_the_same(colour):
    wide, same = student(8, colour=colour), student(8, seed=1, colour=colour)
    unseen = squares(8)[4:]
    before = error(same, wide, unseen)
    take_hints(same, wide, squares())
    assert error(same, wide, unseen) < 1e-4 * before


def test_a_wider_first_kernel_is_no_hindrance():
    wide, narrow = student(16, margin=2), student(8, seed=1)
    before = error(narrow, wide, squares())
    take_hints(narrow, wide, squares())
    assert error(narrow, wide, squares()) < 0.7 * before


def test_the_last_layer_is_that_of_least_squares():
    wide, narrow = student(12, depth=3), student(6, seed=1, depth=3)
    frames = squares()
    take_hints(narrow, wide, frames)
    with torch.no_grad():
        maps = np.concatenate([narrow.hidden(each)[-1].numpy() for each in frames])
        aims = np.concatenate([wide.correction(each).numpy() for each in frames])
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    patches = sliding_window_view(padded, (3, 3), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5).reshape(-1, 6 * 9)
    design = np.concatenate([patches, np.ones_like(patches[:, :1])], 1).astype(np.float64)
    best = np.linalg.lstsq(design, aims.transpose(0, 2, 3, 1).reshape(len(design), -1), rcond=None)[0]
    found = narrow.layers[-1].weight.detach().numpy().reshape(len(best[0]), -1).T
    left = [np.square(design[:, :-1] @ w + b - aims.transpose(0, 2, 3, 1).reshape(len(design), -1)).mean()
            for w, b in ((best[:-1], best[-1]), (found, narrow.layers[-1].bias.detach().numpy()))]  # fmt: skip
    assert left[0] <= left[1] <= left[0] * 1.001


@pytest.mark.parametrize(
    ("own", "other"),
    [({"width": 16}, {"width": 8}), ({"depth": 3}, {}), ({"stride": 4}, {}), ({"colour": "luma"}, {})],
)
def test_those_that_don_t_fit_together_are_refused(own, other):
    with pytest.raises(RecipeError, match=r"hints\.wide must be at least as wide, and alike in stride"):
        take_hints(student(**{"width": 8} | own), student(**{"width": 12} | other), squares(1))


def test_wide_blocks_are_refused():
    with pytest.raises(RecipeError, match=r"set student\.expansion to 0"):
        take_hints(student(8, expansion=8), student(12), squares(1))


def hinted(**changes):
    plain = tiny(student={"width": 8, "expansion": 0, "depth": 4}, data={"degradation": "bicubic-x2"}, **changes)
    return parse_recipe(plain.model_dump() | {"hints": {"wide": "large", "squares": 8}}, "tiny")


@pytest.fixture(scope="module")
def run(sharp_folder, tmp_path_factory):
    """One epoch in which next to nothing is learnt, so that the start is what is measured."""
    folder = tmp_path_factory.mktemp("hints") / "run"
    train(hinted(training={"epochs": 1, "learning_rate": 1e-8}), sharp_folder, folder, options=QUIET)
    return folder


def test_a_training_starts_from_hints(run):
    assert float(rows_of(run)[0]["val/gain bicubic-x2"]) > 0.002


def test_a_training_that_goes_on_takes_no_hints_again(run, sharp_folder, tmp_path):
    last = run / "checkpoints" / "last.safetensors"
    other = hinted(training={"epochs": 1, "learning_rate": 1e-8, "seed": 5})  # whose hints would come of other squares
    train(other, sharp_folder, tmp_path / "from", options=RunOptions(start=last, bar=False))
    before, after = load_student(last)[0], load_student(tmp_path / "from/checkpoints/last.safetensors")[0]
    for was, now in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.allclose(was, now, atol=1e-5)


def test_nobody_to_take_hints_from_is_one_sentence(sharp_folder, tmp_path):
    recipe = parse_recipe(hinted().model_dump() | {"hints": {"wide": str(Path("nowhere"))}}, "tiny")
    with pytest.raises(InputError, match="nowhere"):
        train(recipe, sharp_folder, tmp_path / "run", options=QUIET)


def test_teachers_take_no_hints():
    with pytest.raises(RecipeError, match="hints are for students"):
        parse_recipe({"name": "t", "trains": "teacher", "teacher": {}, "hints": {"wide": "large"}}, "here")
