"""Train a student by its recipe: from folders of pictures to checkpoints, a curve and panels."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint, Timer
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from clearcall.errors import OutputError
from clearcall.training.callbacks import Curve, Panels
from clearcall.training.checkpoint import LAST, CheckpointRecipe
from clearcall.training.dataset import training_loader
from clearcall.training.module import StudentModule
from clearcall.training.pairs import check_no_overlap, list_pairs, list_pictures
from clearcall.training.recipe import Recipe
from clearcall.training.validation import FixedPair, degraded_pairs, held_out, stored_pairs
from clearcall.training.windows import DegradedWindows, PairedWindows, WindowSource


@dataclass(frozen=True)
class RunPaths:
    """Where a training run keeps what."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        """``best.ckpt`` by SSIM, and ``last.ckpt``."""
        return self.folder / "checkpoints"

    @property
    def curve(self) -> Path:
        """One row per epoch."""
        return self.folder / "curve.csv"

    @property
    def panels(self) -> Path:
        """One picture per epoch."""
        return self.folder / "panels"


def train_student(
    recipe: Recipe,
    data: Path,
    run: Path,
    *,
    validation: Path | None = None,
    resume: bool = False,
    max_time: str | None = None,
    bar: bool = True,
) -> Path:
    """Train by a recipe and return the best checkpoint.

    Args:
        recipe: What to train and how.
        data: A folder of sharp pictures, or one in the GoPro layout (``train/blur``, ``train/sharp``, ``val/...``).
        run: Folder for checkpoints, curve, panels and TensorBoard logs.
        validation: Folder of sharp pictures to track SSIM on; without it some of ``data`` are held out.
        resume: Continue from the run's last checkpoint.
        max_time: Stop cleanly after the epoch in which this much time is up, as ``DD:HH:MM:SS``.
        bar: Draw Lightning's progress bar.

    Raises:
        InputError: The data can't be trained on; see ``pairs``.
        OutputError: The run's folder already holds a run and ``resume`` is off, or has nothing to resume.
        RecipeError: The recipe doesn't fit the data.
    """
    paths = RunPaths(run)
    last = paths.checkpoints / LAST
    _silence_lightning()
    _check_run(paths, last, resume)
    pl.seed_everything(recipe.training.seed, verbose=False)
    source, pairs = _open_data(recipe, data, validation)
    config = recipe.training
    loader = training_loader(source, recipe.data, batch_windows=config.batch_windows, seed=config.seed)
    module = StudentModule(recipe, total_steps=len(loader) * config.epochs)
    trainer = _trainer(recipe, paths, pairs, max_time, bar)
    with _plain_interrupt():
        trainer.fit(
            module,
            loader,
            DataLoader(pairs, batch_size=None, collate_fn=_as_is),  # type: ignore[arg-type]  # a list is a dataset
            ckpt_path=str(last) if resume else None,
            weights_only=True,
        )
    return paths.checkpoints / "best.ckpt"


def _silence_lightning() -> None:
    """Leave out what Lightning says about hardware and services nobody asked for."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")


def _check_run(paths: RunPaths, last: Path, resume: bool) -> None:
    if resume and not last.exists():
        raise OutputError(f"There is nothing to resume: {last} doesn't exist; start without --resume.")
    if not resume and paths.checkpoints.exists():
        raise OutputError(f"{paths.folder} already holds a run; continue it with --resume or name another --output.")
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {paths.folder} can't be made: {error.strerror}.") from error


def _open_data(recipe: Recipe, data: Path, validation: Path | None) -> tuple[WindowSource, list[FixedPair]]:
    config = recipe.data
    if config.source == "paired":
        return _open_pairs(recipe, data)
    pictures = list_pictures(data)
    if validation is None:
        pictures, watched = held_out(pictures, config.held_out)
    else:
        watched = list_pictures(validation)
    check_no_overlap(pictures, watched)
    cache = Path(config.cache) if config.cache else None
    source = DegradedWindows(pictures, config.variants, config.window, config.degradation, recipe.training.seed, cache)
    return source, degraded_pairs(watched, recipe.training.validation_profiles, recipe.training.seed)


def _open_pairs(recipe: Recipe, data: Path) -> tuple[WindowSource, list[FixedPair]]:
    pairs, watched = list_pairs(data / "train"), list_pairs(data / "val")
    check_no_overlap([pair.sharp for pair in pairs], [pair.sharp for pair in watched])
    return PairedWindows(pairs, recipe.data.variants), stored_pairs(watched)


def _as_is(pair: FixedPair) -> FixedPair:
    return pair


def _trainer(recipe: Recipe, paths: RunPaths, pairs: list[FixedPair], max_time: str | None, bar: bool) -> pl.Trainer:
    config = recipe.training
    callbacks: list[pl.Callback] = [
        Curve(paths.curve),
        Panels(paths.panels, pairs),
        CheckpointRecipe(recipe),
        LearningRateMonitor("epoch"),
        ModelCheckpoint(
            paths.checkpoints,
            filename="best",
            monitor="val/ssim",
            mode="max",
            save_last=True,
            enable_version_counter=False,
        ),
    ]
    if max_time is not None:
        # At the end of an epoch, where resuming gives what an unbroken run gives.
        callbacks.append(Timer(max_time, interval="epoch"))
    if config.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=config.ema_decay))
    return pl.Trainer(
        max_epochs=config.epochs,
        precision=config.precision,
        gradient_clip_val=config.gradient_clip,
        callbacks=callbacks,
        logger=TensorBoardLogger(paths.folder, name="tensorboard", version=""),
        enable_progress_bar=bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=20,
        default_root_dir=paths.folder,
    )


@contextmanager
def _plain_interrupt() -> Iterator[None]:
    """Let Ctrl-C end a training as a KeyboardInterrupt, whatever Lightning turns it into."""
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
