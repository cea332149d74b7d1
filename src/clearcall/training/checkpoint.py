"""Checkpoints of students: what they hold beside Lightning's state, and how they are read safely."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from clearcall.errors import InputError
from clearcall.training.recipe import Recipe
from clearcall.training.student import Student

LAST = "last.ckpt"
PREFIX = "student."


class CheckpointRecipe(pl.Callback):
    """Writes the recipe into every checkpoint, so that one file is enough to rebuild the student."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the recipe and the scores of the validation just done."""
        checkpoint["recipe"] = self.recipe.model_dump_json()
        checkpoint["scores"] = {name: float(value) for name, value in trainer.callback_metrics.items()}


def load_student(path: Path) -> tuple[Student, Recipe]:
    """Read a checkpoint without running any code that it may hold.

    Returns:
        The student in eval mode with the averaged weights, and its recipe.

    Raises:
        InputError: No such file, not a checkpoint of clearcall, weights that don't fit or aren't finite.
    """
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path}; train one first with: clearcall train RECIPE --data DIR")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        recipe = Recipe.model_validate_json(content["recipe"])
        weights = {name.removeprefix(PREFIX): w for name, w in content["state_dict"].items() if name.startswith(PREFIX)}
        student = Student(recipe.student)
        student.load_state_dict(weights)
    except (pickle.UnpicklingError, KeyError, RuntimeError, ValueError, EOFError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not a checkpoint that clearcall can read ({reason}).") from error
    if not all(torch.isfinite(weight).all() for weight in weights.values()):
        raise InputError(f"{path} holds weights that are not finite; export an earlier checkpoint.")
    return student.eval(), recipe
