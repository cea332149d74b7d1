"""What a training run leaves behind: checkpoints, a row of the curve and a panel of pictures for each epoch."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Checkpoint
from PIL import Image

from clearcall.evaluation.panels import LABELS, comparison_panel
from clearcall.training.checkpoint import BEST, LAST
from clearcall.training.module import RestorationModule
from clearcall.training.recipe import Recipe
from clearcall.training.validation import FixedPair

PANEL_ROWS = 3


class Curve(pl.Callback):
    """Appends each epoch's metrics to a CSV, which a resumed run continues."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the row of the epoch that has just been validated."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, "learning_rate": rate, **values}
        rows = [old for old in self._read() if int(old["epoch"]) < trainer.current_epoch]
        self._write([*rows, {name: f"{value:.6g}" for name, value in row.items()}])
        if not trainer.progress_bar_callback:
            line = f"epoch {trainer.current_epoch}: step {trainer.global_step}, SSIM {values['val/ssim']:.4f}"
            sys.stderr.write(line + "\n")

    def _read(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _write(self, rows: list[dict[str, str]]) -> None:
        names = list(dict.fromkeys(name for row in rows for name in row))
        unfinished = self.path.with_suffix(".tmp")
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
        unfinished.replace(self.path)


class Panels(pl.Callback):
    """Saves input, output and ground truth of a few fixed pairs after each epoch; ``label`` is the output's head."""

    def __init__(self, folder: Path, pairs: list[FixedPair], label: str = LABELS[1]) -> None:
        self.folder = folder
        self.labels = (LABELS[0], label, LABELS[2])
        # The pairs stand profile by profile; one step more each time shows another picture, too.
        places = [(2 * row + 1) * len(pairs) // (2 * PANEL_ROWS) + row for row in range(PANEL_ROWS)]
        self.pairs = [pairs[place % len(pairs)] for place in places]

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``epoch-NNNN.png``."""
        if trainer.sanity_checking or not trainer.is_global_zero or not isinstance(pl_module, RestorationModule):
            return
        rows = [
            comparison_panel(pair.degraded, pl_module.sharpen(pair), pair.sharp, labels=self.labels)
            for pair in self.pairs
        ]
        width = max(row.shape[1] for row in rows)
        page = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])
        self.folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(page).save(self.folder / f"epoch-{trainer.current_epoch:04d}.png")


class TimeIsUp(Exception):  # noqa: N818 - ends a run that has been saved; no error
    """The time given to a run is up, and its last checkpoint is written."""


class Checkpoints(Checkpoint):
    """Writes ``last`` every so many steps and after each validation, and ``best`` when SSIM has risen.

    Args:
        folder: Where to.
        recipe: Goes into every checkpoint, so that one file is enough to rebuild the network.
        every: Steps between two checkpoints within an epoch.
        seconds: Stop after the step in which this time since the making of this object is up (None: never).
    """

    def __init__(self, folder: Path, recipe: Recipe, every: int, seconds: float | None) -> None:
        self.folder = folder
        self.recipe = recipe
        self.every = every
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.best = -1.0
        self.steps = 0

    def state_dict(self) -> dict[str, Any]:
        """The best SSIM so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the best SSIM so far."""
        self.best = state_dict["best"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the recipe and the scores of the last validation."""
        checkpoint["recipe"] = self.recipe.model_dump_json()
        checkpoint["scores"] = {name: float(value) for name, value in trainer.callback_metrics.items()}

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Write ``last`` where it is due, and stop where the time is up; an epoch's end is left to the validation."""
        self.steps += 1
        if trainer.is_last_batch:
            return
        is_over = self._time_is_up(trainer)
        if is_over or trainer.global_step % self.every == 0:
            trainer.save_checkpoint(self.folder / LAST)
        if is_over:
            raise TimeIsUp

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write both."""
        if trainer.sanity_checking:
            return
        score = float(trainer.callback_metrics["val/ssim"])
        if score > self.best:
            self.best = score
            trainer.save_checkpoint(self.folder / BEST)
        trainer.save_checkpoint(self.folder / LAST)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where the validation has used up the time; a run that was given any time makes at least one step."""
        if self.steps and self._time_is_up(trainer):
            raise TimeIsUp

    def _time_is_up(self, trainer: pl.Trainer) -> bool:
        """What the first process finds, on all of them."""
        if self.deadline is None:
            return False
        return trainer.strategy.reduce_boolean_decision(time.monotonic() > self.deadline, all=False)
