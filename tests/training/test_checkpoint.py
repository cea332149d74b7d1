import json
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from clearcall.errors import InputError
from clearcall.training.checkpoint import (
    FORMAT,
    CheckpointWarning,
    SafetensorsIO,
    load_student,
    previous,
    read_checkpoint,
    write_checkpoint,
)
from clearcall.training.recipe import Recipe, parse_recipe
from clearcall.training.student import Student


@pytest.fixture
def content():
    recipe = parse_recipe({"name": "tiny", "student": {"width": 8, "depth": 3}}, "tiny")
    torch.manual_seed(0)
    weights = {f"network.{name}": weight for name, weight in Student(recipe.student).state_dict().items()}
    return {"recipe": recipe.model_dump_json(), "state_dict": weights, "scores": {"val/ssim": 0.9}, "global_step": 7}


leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers()), inner, max_size=3),
    ),
)


@settings(deadline=None, max_examples=50)
@given(state=st.dictionaries(st.text(), values, max_size=4))
def test_any_state_comes_back_as_it_was(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    write_checkpoint(path, state)
    assert read_checkpoint(path) == state


def test_tensors_come_back_with_their_types_and_shapes(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    state = {"a": shared, "b": [shared.T, torch.tensor(3)], 4: torch.ones(2, dtype=torch.bfloat16), "c": torch.empty(0)}
    write_checkpoint(tmp_path / "x.safetensors", state)
    found = read_checkpoint(tmp_path / "x.safetensors")
    assert torch.equal(found["a"], shared)
    assert torch.equal(found["b"][0], shared.T)
    assert found["b"][1].item() == 3
    assert found[4].dtype == torch.bfloat16
    assert found["c"].shape == (0,)


def test_what_a_checkpoint_cannot_hold_leaves_the_one_before_it(tmp_path, content):
    path = tmp_path / "last.safetensors"
    write_checkpoint(path, content)
    with pytest.raises(TypeError, match="can't hold a object"):
        write_checkpoint(path, content | {"wrong": object()})
    assert read_checkpoint(path)["global_step"] == 7
    assert [file.name for file in tmp_path.iterdir()] == ["last.safetensors"]


def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(tmp_path, content):
    path = tmp_path / "last.safetensors"
    for step in (1, 2):
        write_checkpoint(path, content | {"global_step": step})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert SafetensorsIO().load_checkpoint(path)["global_step"] == 2
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-5], b"garbage" * 100):
        path.write_bytes(damaged)
        with pytest.warns(CheckpointWarning, match=r"The one before it is taken: .*previous-last"):
            assert SafetensorsIO().load_checkpoint(path)["global_step"] == 1
    path.unlink()
    with pytest.warns(CheckpointWarning):
        assert SafetensorsIO().load_checkpoint(path)["global_step"] == 1
    previous(path).write_bytes(b"also damaged")
    with pytest.warns(CheckpointWarning), pytest.raises(InputError, match="not a checkpoint"):
        SafetensorsIO().load_checkpoint(path)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="There is no checkpoint"):
        load_student(tmp_path / "none.safetensors")
    for suffix in ("ckpt", "safetensors"):
        path = tmp_path / f"wrong.{suffix}"
        for content in (b"", b"garbage", b"PK\x03\x04"):
            path.write_bytes(content)
            with pytest.raises(InputError, match="not a checkpoint"):
                load_student(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=f"'{FORMAT}' is expected"):
        load_student(path)


class Exploit:
    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return (open, (str(self.proof), "w"))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    torch.save({"recipe": Exploit(tmp_path / "proof"), "state_dict": {}}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match="not a checkpoint"):
        load_student(tmp_path / "evil.ckpt")
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    ("damage", "expected"), [("nan", "not finite"), ("missing", "don't fit"), ("extra", "don't fit"), ("shape", "fit")]
)
def test_damaged_weights_are_refused(content, tmp_path, damage, expected):
    weights = content["state_dict"]
    name = next(iter(weights))
    if damage == "nan":
        weights[name].flatten()[0] = float("nan")
    elif damage == "missing":
        del weights[name]
    elif damage == "extra":
        weights["network.more"] = torch.zeros(1)
    else:
        weights[name] = torch.zeros(1)
    write_checkpoint(tmp_path / "damaged.safetensors", content)
    with pytest.raises(InputError, match=expected):
        load_student(tmp_path / "damaged.safetensors")


def test_a_teacher_is_no_student(content, tmp_path):
    recipe = Recipe(name="t", trains="teacher")
    write_checkpoint(tmp_path / "t.safetensors", content | {"recipe": recipe.model_dump_json()})
    with pytest.raises(InputError, match="holds a teacher"):
        load_student(tmp_path / "t.safetensors")


def test_a_recipe_of_a_later_version_is_refused(content, tmp_path):
    recipe = json.loads(content["recipe"]) | {"colour": "green"}
    write_checkpoint(tmp_path / "later.safetensors", content | {"recipe": json.dumps(recipe)})
    with pytest.raises(InputError, match="no recipe that this version"):
        load_student(tmp_path / "later.safetensors")


def test_checkpoints_of_format_1_are_still_read(content, tmp_path):
    old = {name.replace("network.", "student."): weight for name, weight in content["state_dict"].items()}
    torch.save(content | {"state_dict": old}, tmp_path / "old.ckpt")
    student, recipe = load_student(tmp_path / "old.ckpt")
    assert recipe.name == "tiny"
    assert torch.equal(student.layers[0].weight, content["state_dict"]["network.layers.0.weight"])
