"""A bundle of experts, some of them exchanged for newly trained ones, or its gate taught more; all else stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from clearcall.bundle import Bundle, Graphs, write_bundle
from clearcall.errors import InputError
from clearcall.runtime.gate import GENERAL, Gate
from clearcall.training.export import Exported, about_experts, choices_of, exported
from clearcall.training.gate_material import known_material, relayed_material
from clearcall.training.gating import Material, teach_gate
from clearcall.training.pairs import list_pictures

OF_THE_GATE = "gate "
"""How the names of figures begin that were measured with all experts, so not with the new ones."""


def exchange_experts(
    base: Bundle,
    folder: Path,
    calibration: Path,
    experts: Mapping[str, Path],
    *,
    relays: bool = False,
    cameras: Path | None = None,
    force: bool = False,
    bar: bool = False,
) -> Bundle:
    """Write a bundle like another, with new weights for some of its experts.

    The gate is the other bundle's: it suits experts that were trained on from the ones they take the place of. Where it
    is taught relays, it learns which of the experts is best for frames that were coded twice.

    Args:
        base: A bundle with experts.
        folder: Folder of the new bundle.
        calibration: Folder of sharp pictures, which set the ranges of 8 bits and serve to check the graphs.
        experts: Checkpoints by the name of the expert whose place they take.
        relays: Teach the gate frames that were coded twice, on the pictures of ``calibration``.
        cameras: Folder of frames that cameras took, for which it keeps its choices as well.
        force: Replace a bundle that is there already.
        bar: Whether to show progress.

    Raises:
        ParityError: A graph differs from its checkpoint by more than its tolerance; no bundle is written.
        InputError: There is nothing to do, the bundle has none of such a name or of another shape, or a checkpoint or
            the pictures can't be used.
        OutputError: The bundle can't be written.
    """
    if not experts and not relays:
        raise InputError(
            f"{base.folder} is a bundle already; name experts to exchange, such as --expert far=FAR, or --teach-relays."
        )
    for name in experts:
        base.expert(name)
    new = {name: exported(path, calibration) for name, path in experts.items()}
    for name, each in new.items():
        _check_shape(base, name, each)
    scores = _scores(base, new) if new else dict(base.card.scores)
    graphs = {name: _graphs(base.expert(name)) for name in base.card.experts}
    graphs |= {name: each.graphs for name, each in new.items()}
    general = _graphs(base.without_experts())
    gate = base.gate()
    if relays:
        int8 = {GENERAL: general["int8"], **{name: each["int8"] for name, each in graphs.items()}}
        fit = teach_gate(
            Gate.read(gate), choices_of(int8, base.card.multiple_of), *_lessons(calibration, cameras), bar=bar
        )
        gate = fit.gate.written()
        scores |= {"gate relayed gain": round(fit.gain, 6), "gate relayed regret": round(fit.regret, 6)}
    card = replace(base.card, training={**base.card.training, **about_experts(experts)}, scores=scores)
    return write_bundle(folder, card, general, experts=graphs, gate=gate, force=force)


def _lessons(folder: Path, cameras: Path | None) -> tuple[list[Material], list[Material]]:
    """What a gate knows, and what it is to learn."""
    pictures = list_pictures(folder)
    return known_material(pictures, list_pictures(cameras) if cameras else ()), relayed_material(pictures)


def _check_shape(base: Bundle, name: str, new: Exported) -> None:
    if any(getattr(new.student.config, key) != value for key, value in base.card.student.items()):
        raise InputError(
            f"The expert {name} is a student of {new.student.config}, those of {base.folder} are of "
            f"{base.card.student}; train it with the same [student]."
        )


def _graphs(alone: Bundle) -> Graphs:
    return {precision: alone.graph(precision) for precision in alone.card.graphs}


def _scores(base: Bundle, new: Mapping[str, Exported]) -> dict[str, float]:
    """The worst of what 8 bits and the graphs cost; figures of the gate were measured with other experts."""
    kept = {name: score for name, score in base.card.scores.items() if not name.startswith(OF_THE_GATE)}
    for each in new.values():
        kept |= {name: round(max(score, kept.get(name, score)), 6) for name, score in each.scores.items()}
    return kept
