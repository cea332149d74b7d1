from pathlib import Path

import pytest

from clearcall.degrade.sampling import DEFAULT_MIX
from clearcall.errors import RecipeError
from clearcall.training.recipe import parse_recipe, read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


def test_there_is_a_recipe_for_every_bundled_model():
    from clearcall.bundle import bundled_models

    assert set(bundled_models()) <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_in_the_repository_are_valid_and_named_like_their_file(path):
    assert read_recipe(path).name == path.stem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nmae = 'x'", "nearest is name"),
        ("name = 'x'\n[student]\nwitdh = 8", "student.witdh is not a known key; the nearest is student.width"),
        ("name = 'x'\n[losses]\nl2 = 1.0", "nearest is losses.l1"),
        ("name = 'x'\n[trainning]\nepochs = 1", "nearest is training"),
        ("name = 'x'\n[student]\nstride = 3", "stride must be 1, 2 or 4"),
        ("name = 'x'\n[training]\nlearning_rate = -1.0", "training.learning_rate"),
        ("name = 'x'\n[losses]\nl1 = 0.0", "every loss has weight 0"),
        ("name = 'x'\n[data]\ncrop = 512", "data.crop is larger"),
        ("name = 'x'\n[data]\ncrop = 97", "multiple of student.stride"),
        ("name = 'x'\n[data.mix]\nclaen = 1.0", "nearest is data.mix.clean"),
        ("name = 'x'\n[data.mix]\nclean = 0.9", "shares clean and resized come to more than 1"),
        ("name = 'x'\n[data]\ndegradation = 'clean'\n[data.mix]\nclean = 0.5", "data.mix is for random links"),
        ("name = ", "not valid TOML"),
        ("description = 'x'", "name is missing"),
        ("like = 3", "give the name of one recipe"),
        ("like = 'smal'", "nearest is small"),
        ("like = 'wrong.toml'", "let one of them stand for itself"),
        ("like = 'small'\n[student]\nwitdh = 8", "nearest is student.width"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, expected):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"wrong\.toml") as error:
        read_recipe(path)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_recipe_gives_only_what_differs_from_another(tmp_path):
    (tmp_path / "far.toml").write_text(
        "like = 'near.toml'\nname = 'far'\n[student]\nwidth = 8\n[data.mix]\nclean = 0.5"
    )
    (tmp_path / "near.toml").write_text(
        "like = 'small'\nname = 'near'\n[data]\nvariants = 3\n[data.mix]\nclean = 0.1\nresized = 0.4"
    )
    near, far, small = (read_recipe(name) for name in (tmp_path / "near.toml", tmp_path / "far.toml", "small"))
    assert near.name == "near" and near.data.variants == far.data.variants == 3
    assert (near.student, near.training, near.losses) == (small.student, small.training, small.losses)
    assert far.student == small.student.model_copy(update={"width": 8})
    assert (near.data.mix.clean, near.data.mix.resized) == (0.1, 0.4)
    assert (far.data.mix.clean, far.data.mix.resized) == (0.5, DEFAULT_MIX.resized)  # replaced whole


def test_missing_recipe(tmp_path):
    with pytest.raises(RecipeError, match="can't be read"):
        read_recipe(tmp_path / "none.toml")


def test_a_whole_recipe_survives_json():
    values = {"name": "x", "losses": {"ssim": 0.2}, "training": {"validation_profiles": ["clean"]}}
    recipe = parse_recipe(values | {"data": {"mix": {"coded_scales": {"1.5": 0.5, "4.0": 0.5}}}}, "x")
    assert recipe.data.mix.coded_scales == {1.5: 0.5, 4.0: 0.5}
    assert type(recipe).model_validate_json(recipe.model_dump_json()) == recipe
