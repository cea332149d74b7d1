"""A bundle gets new weights for one expert, and keeps the rest to the byte."""

import pytest

from clearcall.bundle import read_bundle
from clearcall.errors import BundleError, InputError
from clearcall.training.exchange import exchange_experts
from clearcall.training.export import export_bundle
from clearcall.training.graph import student_of


@pytest.fixture(scope="module")
def base(checkpoints, sharp_folder, tmp_path_factory):
    experts = {"resized": checkpoints["resized"], "other": checkpoints["general"]}
    return export_bundle(checkpoints["general"], tmp_path_factory.mktemp("made") / "b", sharp_folder, experts=experts)


def test_one_expert_is_new_and_all_else_stays(base, checkpoints, sharp_folder, tmp_path):
    exchange_experts(base, tmp_path / "new", sharp_folder, {"other": checkpoints["resized"]})
    new = read_bundle(tmp_path / "new")
    assert new.gate() == base.gate()
    assert new.files == base.files
    for precision in ("int8", "float32"):
        assert new.graph(precision) == base.graph(precision)
        assert new.expert("resized").graph(precision) == base.expert("resized").graph(precision)
        assert new.expert("other").graph(precision) == base.expert("resized").graph(precision)
        assert new.expert("other").graph(precision) != base.expert("other").graph(precision)
    assert student_of(new.expert("other").graph("float32")).config == student_of(base.graph("float32")).config


def test_the_card_tells_what_the_new_expert_learnt_from_and_nothing_of_the_former_gate(
    base, checkpoints, sharp_folder, tmp_path
):
    new = exchange_experts(base, tmp_path / "new", sharp_folder, {"other": checkpoints["resized"]})
    assert new.card.training == base.card.training | {"expert other": base.card.training["expert resized"]}
    gone = {"gate gain", "gate regret"}
    assert set(base.card.scores) - set(new.card.scores) == gone
    assert all(new.card.scores[name] >= score for name, score in base.card.scores.items() if name not in gone)


def test_what_can_not_be_exchanged_is_refused(base, checkpoints, sharp_folder, tmp_path):
    for experts, error, reason in (
        ({}, InputError, "a bundle already"),
        ({"far": checkpoints["resized"]}, BundleError, "no expert far; it has: resized, other"),
        ({"other": checkpoints["wide"]}, InputError, "same .student."),
        ({"other": tmp_path / "none"}, InputError, "no checkpoint"),
    ):
        with pytest.raises(error, match=reason):
            exchange_experts(base, tmp_path / "new", sharp_folder, experts)
        assert not (tmp_path / "new").exists()
