"""A gate learns another kind of frames, and goes on choosing as it did for all it knows."""

import pytest
import torch
from typer.testing import CliRunner

from clearcall.bundle import read_bundle
from clearcall.cli import app
from clearcall.errors import InputError
from clearcall.evaluation.filters import unsharp
from clearcall.runtime.gate import Gate, measures
from clearcall.training import gate_material
from clearcall.training.export import export_bundle
from clearcall.training.gating import Material, fit_gate, teach_gate
from clearcall.training.pairs import list_pictures
from clearcall.training.windows import DegradedWindows

CHOICES = {"general": unsharp(1.5), "blurs": unsharp(-1.0)}


def behind(folder, link, seed=1, variants=12):
    return Material(DegradedWindows(list_pictures(folder), variants, 96, link, seed))


def chosen(gate, material):
    source = material.source
    return [gate.best(measures(source.window(item)[0])) for item in range(len(source))]


@pytest.fixture(scope="module")
def gate(sharp_folder):
    """One that never saw a clean frame, and sharpens it."""
    return fit_gate(CHOICES, [behind(sharp_folder, "bicubic-x2")]).gate


def test_a_gate_learns_and_keeps_what_it_knows(gate, sharp_folder):
    state = torch.random.get_rng_state()
    known, new = [behind(sharp_folder, "bicubic-x2", 2)], [behind(sharp_folder, "clean", 3)]
    fit, again = (teach_gate(gate, CHOICES, known, new) for _ in range(2))
    assert fit.gate.written() == again.gate.written() != gate.written()
    assert torch.equal(state, torch.random.get_rng_state())
    assert fit.gain > 0.02  # on a clean picture that it never saw, against sharpening it
    fresh = {link: behind(sharp_folder, link, 9, 4) for link in ("bicubic-x2", "clean")}
    assert chosen(gate, fresh["clean"]).count("general") > 12
    assert chosen(fit.gate, fresh["clean"]).count("untouched") > 20
    was, now = (chosen(each, fresh["bicubic-x2"]) for each in (gate, fit.gate))
    assert sum(a == b for a, b in zip(was, now, strict=True)) > 20


def test_what_can_not_be_taught_is_refused(gate, sharp_folder):
    known = [behind(sharp_folder, "clean", variants=1)]
    one = Material(DegradedWindows(list_pictures(sharp_folder)[:1], 2, 96, "clean", 1))
    for choices, new, reason in (
        ({"general": CHOICES["general"]}, known, "chooses between general, blurs, untouched; give these"),
        (CHOICES, [one], "two or more"),
    ):
        with pytest.raises(InputError, match=reason):
            teach_gate(gate, choices, known, new)


def test_what_a_gate_is_taught_with(sharp_folder, monkeypatch):
    monkeypatch.setattr(gate_material, "LARGE_SIDE", 32)
    monkeypatch.setattr(gate_material, "LADDER", ("clean", "h264-180p-150k", "av1-540p-500k"))
    pictures = list_pictures(sharp_folder)
    known = gate_material.known_material(pictures, pictures[:2])
    links = [(each.source.degradation, len(each.source), each.source.mix.soft) for each in known]
    assert links[:3] == [("random", 6, 0), ("clean", 6, 0), ("clean", 3, 1)]
    assert links[-2:] == [("clean", 2, 0), ("av1-540p-500k", 2, 0)]
    new = gate_material.relayed_material(pictures)
    assert [each.source.degradation for each in new] == ["random", "clean", "h264-180p-150k", "av1-540p-500k"]
    assert all(each.source.mix.relayed == 1 for each in new)


def test_a_bundle_is_taught_by_the_command(checkpoints, sharp_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(gate_material, "LADDER", ("clean", "h264-360p-400k"))

    def export(*arguments):
        return CliRunner().invoke(app, ["export", *map(str, arguments), "--calibration", str(sharp_folder)])

    base = export_bundle(
        checkpoints["general"], tmp_path / "base", sharp_folder, experts={"resized": checkpoints["resized"]}
    )
    made = export(base.folder, "-o", tmp_path / "new", "--teach-relays", "--cameras", sharp_folder)
    assert made.exit_code == 0, made.output
    new = read_bundle(tmp_path / "new")
    assert Gate.read(new.gate()).choices == Gate.read(base.gate()).choices
    assert new.gate() != base.gate()
    assert new.graph("int8") == base.graph("int8")
    assert new.expert("resized").graph("int8") == base.expert("resized").graph("int8")
    assert set(new.card.scores) - set(base.card.scores) == {"gate relayed gain", "gate relayed regret"}
    for arguments, reason in (
        ((checkpoints["general"], "--teach-relays"), "export the checkpoint first"),
        ((base.folder, "--cameras", sharp_folder), "give --teach-relays, too"),
        ((base.folder, "--teach-relays", "--cameras", tmp_path / "none"), "none"),
    ):
        refused = export(*arguments, "-o", tmp_path / "refused")
        assert refused.exit_code != 0
        assert reason in str(refused.exception or refused.output)
        assert not (tmp_path / "refused").exists()
