"""The gate learns from what choices are worth, and export makes bundles of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

import clearcall
from clearcall.bundle import read_bundle
from clearcall.errors import InputError
from clearcall.evaluation.filters import unsharp
from clearcall.runtime.gate import Gate, measures
from clearcall.training import export, gate_material, gating
from clearcall.training.export import export_bundle
from clearcall.training.gating import Material, fit_gate
from clearcall.training.pairs import list_pictures
from clearcall.training.windows import DegradedWindows, detail


def windows(folder: Path, profile: str, seed: int, variants: int = 12) -> DegradedWindows:
    return DegradedWindows(list_pictures(folder), variants, 96, profile, seed)


def test_a_gate_learns_which_choice_is_worth_most(sharp_folder):
    blurs = unsharp(-1.0)
    choices = {"general": unsharp(1.5), "blurs": lambda frame: blurs(frame)}
    links = ("bicubic-x2", "clean")
    fit = fit_gate(choices, [Material(windows(sharp_folder, link, seed)) for seed, link in enumerate(links)])
    assert fit.gate.choices == ("general", "blurs", "untouched")
    assert fit.gain > 0.005  # clean windows are harmed by the first choice
    assert fit.regret < fit.gain / 10  # on a picture that it never saw
    for link, expected in (("bicubic-x2", "general"), ("clean", "untouched")):
        fresh = windows(sharp_folder, link, seed=9, variants=4)
        chosen = [fit.gate.best(measures(fresh.window(item)[0])) for item in range(len(fresh))]
        assert chosen.count(expected) > 0.8 * len(chosen)
        assert "blurs" not in chosen


def test_what_a_gate_gains_is_told_on_pictures_it_never_saw(sharp_folder, monkeypatch):
    source = windows(sharp_folder, "bicubic-x2", 1, 2)
    fits = []
    fitted = gating._fitted
    monkeypatch.setattr(
        gating,
        "_fitted",
        lambda choices, trials: (fits.append({t.picture for t in trials}), fitted(choices, trials))[1],
    )
    fit_gate({"general": unsharp(1.0)}, [Material(source)])
    first, shipped = fits
    assert shipped == set(source.pictures)
    assert first == shipped - set(sorted(shipped)[:: gating.TESTED])


def test_one_picture_is_too_little_for_a_gate(sharp_folder):
    source = DegradedWindows(list_pictures(sharp_folder)[:1], 12, 96, "bicubic-x2", 1)
    with pytest.raises(InputError, match="two or more"):
        fit_gate({"general": unsharp(1.0)}, [Material(source)])


def test_the_same_windows_give_the_same_gate(sharp_folder):
    state = torch.random.get_rng_state()
    made = [
        fit_gate({"general": unsharp(1.0)}, [Material(windows(sharp_folder, "bicubic-x2", 1, 2))]) for _ in range(2)
    ]
    assert made[0].gate.written() == made[1].gate.written()
    assert torch.equal(state, torch.random.get_rng_state())


def test_export_makes_a_bundle_of_experts(checkpoints, sharp_folder, tmp_path, capsys):
    experts = {"resized": checkpoints["resized"]}
    export_bundle(checkpoints["general"], tmp_path / "made", sharp_folder, experts=experts)
    bundle = read_bundle(tmp_path / "made")
    assert Gate.read(bundle.gate()).choices == ("general", "resized", "untouched")
    assert {"gate gain", "gate regret", "int8 ssim lost"} <= bundle.card.scores.keys()
    for alone in (bundle.without_experts(), bundle.expert("resized")):
        assert set(alone.card.graphs) == {"int8", "float32"}
    frame = np.zeros((40, 60, 3), np.uint8)
    assert clearcall.load(tmp_path / "made").sharpen(frame).shape == frame.shape
    assert (
        clearcall.load(tmp_path / "made", precision="float32", device="onnxruntime").sharpen(frame).shape == frame.shape
    )
    assert not capsys.readouterr().err


def test_large_frames_are_tried_sharp_and_some_of_them_soft(checkpoints, sharp_folder, tmp_path, monkeypatch):
    seen = []
    fitted = export.fit_gate
    monkeypatch.setattr(
        export, "fit_gate", lambda choices, material, bar: (seen.extend(material), fitted(choices, material))[1]
    )
    monkeypatch.setattr(gate_material, "LARGE_SIDE", 32)
    monkeypatch.setattr(gate_material, "LADDER", ("bicubic-x2",))
    export_bundle(checkpoints["general"], tmp_path / "made", sharp_folder, experts={"resized": checkpoints["resized"]})
    assert [each.weight for each in seen] == [1, 1, gate_material.LARGE_WEIGHT, gate_material.SOFT_WEIGHT]
    sharp, soft = (each.source for each in seen[-2:])
    assert (sharp.mix.soft, soft.mix.soft) == (0, 1)
    assert list(soft.pictures) == list(sharp.pictures)[::2]
    assert detail(soft.window(0)[1]) < detail(sharp.window(0)[1])


@pytest.mark.parametrize(
    ("name", "expert", "reason"),
    [
        ("untouched", "resized", "can't be named untouched"),
        ("general", "resized", "can't be named general"),
        ("two words", "resized", "can't be named two words"),
        ("wide", "wide", "with the same .student."),
    ],
)
def test_experts_that_do_not_fit_are_refused(checkpoints, sharp_folder, tmp_path, name, expert, reason):
    with pytest.raises(InputError, match=reason):
        export_bundle(checkpoints["general"], tmp_path / "made", sharp_folder, experts={name: checkpoints[expert]})
    assert not (tmp_path / "made").exists()
