"""What a training run leaves behind each epoch: a row of the curve, a panel of pictures, a line for the reader."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
from PIL import Image

from clearcall.evaluation.panels import comparison_panel
from clearcall.training.module import StudentModule
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
    """Saves Input | Student output | Ground truth of a few fixed pairs after each epoch."""

    def __init__(self, folder: Path, pairs: list[FixedPair]) -> None:
        self.folder = folder
        # The pairs stand profile by profile; one step more each time shows another picture, too.
        places = [(2 * row + 1) * len(pairs) // (2 * PANEL_ROWS) + row for row in range(PANEL_ROWS)]
        self.pairs = [pairs[place % len(pairs)] for place in places]

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``epoch-NNNN.png``."""
        if trainer.sanity_checking or not trainer.is_global_zero or not isinstance(pl_module, StudentModule):
            return
        rows = [comparison_panel(pair.degraded, pl_module.sharpen(pair), pair.sharp) for pair in self.pairs]
        width = max(row.shape[1] for row in rows)
        page = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])
        self.folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(page).save(self.folder / f"epoch-{trainer.current_epoch:04d}.png")
