"""Models as the benchmarks take them: by name, loaded where and when they are needed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearcall.errors import InputError, RecipeError, require

if TYPE_CHECKING:
    from clearcall import Sharpener
    from clearcall.bundle import Precision
    from clearcall.evaluation.quality.methods import Candidate
    from clearcall.frame import Frame

ALEXNET = "alexnet-owt-7be5be79.pth"


def bundle_candidates(models: Sequence[str]) -> list[Candidate]:
    """Bundles by name or folder.

    Raises:
        BundleError: There is no such bundle, or it is damaged.
        RecipeError: One is given twice.

    Example:
        >>> [candidate.name for candidate in bundle_candidates(["small"])]
        ['small']
    """
    from clearcall.evaluation.quality.bars import TEACHER, TEACHER_IN_VIEWS
    from clearcall.evaluation.quality.methods import BASELINES, Candidate

    names = [Path(model).name if Path(model).is_dir() else model for model in models]
    names = [name if names.count(name) == 1 else model for name, model in zip(names, models, strict=True)]
    taken = (*BASELINES, TEACHER, TEACHER_IN_VIEWS)
    for index, name in enumerate(names):
        if name in names[:index] or name in taken:
            raise RecipeError(f"{name} is taken twice; give each --model once, in a folder of a name of its own.")
    return [
        Candidate(name, partial(_load_bundle, model), _identity(model))
        for name, model in zip(names, models, strict=True)
    ]


def float_candidates(models: Sequence[str]) -> list[Candidate]:
    """The float32 graphs of bundles, behind the few links that tell what 8 bits cost.

    Raises:
        BundleError: As :func:`bundle_candidates`.
    """
    from clearcall.evaluation.quality.bars import FLOAT_LINKS, FLOAT_SUFFIX

    return [
        replace(
            each,
            name=each.name + FLOAT_SUFFIX,
            make=partial(_load_bundle, model, "float32"),
            identity=_identity(model, "float32"),
            ships=False,
            only=FLOAT_LINKS,
        )
        for each, model in zip(bundle_candidates(models), models, strict=True)
    ]


def teacher_candidates(weights: Path, only: frozenset[str] = frozenset(), *, in_views: bool = False) -> list[Candidate]:
    """A teacher from its checkpoint (needs the train extra where it runs), behind these links only (empty: all).

    Args:
        weights: The checkpoint.
        only: Names of links.
        in_views: Also as the mean over eight views of each frame (its self-ensemble), computed in bfloat16, which
            changes outputs by fractions of a level.

    Raises:
        InputError: There is no such file.
    """
    from clearcall.evaluation.quality.bars import TEACHER, TEACHER_IN_VIEWS
    from clearcall.evaluation.quality.methods import Candidate

    if not weights.is_file():
        raise InputError(f"There is no file {weights} with a teacher's weights; give the one that was trained.")
    with weights.open("rb") as file:
        identity = hashlib.file_digest(file, "sha256").hexdigest()
    plain = Candidate(TEACHER, partial(_load_teacher, str(weights)), identity, ships=False, only=only)
    if not in_views:
        return [plain]
    make = partial(_load_teacher, str(weights), self_ensemble=True, precision="bf16-mixed")
    return [plain, replace(plain, name=TEACHER_IN_VIEWS, make=make, identity=f"{identity} x8")]


def _identity(model: str, precision: Precision = "int8") -> str:
    """Checksum of what a bundle computes with."""
    from clearcall.runtime.loading import find_bundle

    bundle = find_bundle(model)
    experts = [bundle.expert(name).graph(precision) for name in bundle.card.experts]
    contents = [bundle.graph(precision), *experts, *([bundle.gate()] if experts else [])]
    return hashlib.sha256(b"".join(contents)).hexdigest()


def _load_bundle(model: str, precision: Precision = "int8") -> Sharpener:
    from clearcall import load

    return load(model, threads=1, precision=precision)


def _load_teacher(weights: str, **use: Any) -> Callable[[Frame], Frame]:
    require("torch", extra="train").set_num_threads(1)
    from clearcall.training.teachers.config import TeacherConfig
    from clearcall.training.teachers.teacher import build_teacher

    return build_teacher(TeacherConfig(weights=weights, **use)).restore


def lpips_or_why_not() -> Callable[[], Callable[[Frame, Frame], float]] | str:
    """What loads LPIPS in a process that measures, or why it can't be measured here; nothing is downloaded."""
    missing = [name for name in ("torch", "torchvision", "torchmetrics") if find_spec(name) is None]
    if missing:
        return f"{missing[0]} is not installed; pip install 'clearcall[train]' brings it"
    alexnet = _torch_home() / "hub" / "checkpoints" / ALEXNET
    if not alexnet.is_file():
        return f"its network's weights, torchvision's {ALEXNET}, are not among PyTorch's files"
    return partial(_load_lpips, alexnet)


def _torch_home() -> Path:
    """Where PyTorch keeps files, told without loading it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("TORCH_HOME", cache / "torch"))


def _load_lpips(alexnet: Path) -> Callable[[Frame, Frame], float]:
    from clearcall.training.lpips import load_lpips

    return load_lpips(alexnet)
