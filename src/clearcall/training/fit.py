"""Train a network by its recipe: from folders of pictures to checkpoints, a curve and panels."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EMAWeightAveraging, LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from clearcall.bundle import CARD, bundle_path, read_bundle
from clearcall.errors import InputError, OutputError, RecipeError
from clearcall.training import processes
from clearcall.training.budget import Budget
from clearcall.training.callbacks import Checkpoints, Curve, Panels, TimeIsUp
from clearcall.training.checkpoint import (
    BEST,
    LAST,
    CheckpointWarning,
    SafetensorsIO,
    checkpoint_recipe,
    load_student,
    load_weights,
    previous,
    read_checkpoint,
)
from clearcall.training.dataset import ResumableLoader, SquaresDataset, training_loader
from clearcall.training.distillation import Distillation
from clearcall.training.graph import student_of
from clearcall.training.hints import take_hints
from clearcall.training.module import RestorationModule
from clearcall.training.pairs import check_no_overlap, list_pictures, split_pairs
from clearcall.training.recipe import DataConfig, HintsConfig, Recipe
from clearcall.training.resident import ResidentLoader, resident_loader
from clearcall.training.student import Student
from clearcall.training.taught import TaughtWindows
from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.teacher import Teacher, build_teacher, save_teacher
from clearcall.training.validation import FixedPair, degraded_pairs, held_out, stored_pairs
from clearcall.training.windows import DegradedWindows, PairedWindows, WindowSource


@dataclass(frozen=True)
class RunPaths:
    """Where a training run keeps what."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        """``best.safetensors`` by SSIM, ``last.safetensors``, and the last one's predecessor."""
        return self.folder / "checkpoints"

    @property
    def curve(self) -> Path:
        """One row per epoch."""
        return self.folder / "curve.csv"

    @property
    def teacher(self) -> Path:
        """The weights of a teacher, in half precision, as a student's recipe names them."""
        return self.folder / "teacher.safetensors"

    @property
    def panels(self) -> Path:
        """One picture per epoch."""
        return self.folder / "panels"


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; none of it changes what an unbroken run on one process computes.

    Attributes:
        resume: Continue from the run's last checkpoint.
        start: A checkpoint, a bundle or the name of a shipped model, or an expert in one of these (``small/far``),
            whose weights are started from, instead of random ones; wide blocks are collapsed if the recipe has none.
        seconds: Stop cleanly after the step in which this time is up (None: train to the end).
        budget: Seconds that the whole training may take (None: as long as its epochs do): the learning rate follows the
            clock, and the run ends, complete, when they are up.
        devices: Processes or GPUs per machine: a number, or ``auto``.
        nodes: Machines; 0: what ``torchrun`` or SLURM says.
        bar: Draw Lightning's progress bar.
    """

    resume: bool = False
    start: Path | None = None
    seconds: float | None = None
    budget: float | None = None
    devices: str = "auto"
    nodes: int = 0
    bar: bool = True


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        checkpoint: The best checkpoint so far, or the last one if nothing was validated yet.
        step: Steps done, earlier runs included.
        is_finished: Whether the recipe's training is complete; else the time was up.
    """

    checkpoint: Path
    step: int
    is_finished: bool


def train(
    recipe: Recipe, data: Path, run: Path, *, validation: Path | None = None, options: RunOptions | None = None
) -> RunOutcome:
    """Train by a recipe.

    Args:
        recipe: What to train and how.
        data: A folder of sharp pictures, or one in a GoPro layout.
        run: Folder for checkpoints, curve, panels and TensorBoard logs.
        validation: Folder of sharp pictures to track SSIM on; without it some of ``data`` are held out.
        options: How to carry it out.

    Raises:
        InputError: The data, the teacher's file or the checkpoint can't be used.
        OutputError: The run's folder already holds a run and ``resume`` is off, or has nothing to resume.
        RecipeError: The recipe doesn't fit the data or the machine.
    """
    options = options or RunOptions()
    paths = RunPaths(run)
    _silence_lightning()
    pl.seed_everything(recipe.training.seed, verbose=False)
    last = _prepare_folder(recipe, paths, options.resume)
    source, pairs = _open_data(recipe, data, validation)
    network, teacher = _networks(recipe, options.start)
    if recipe.hints is not None and isinstance(network, Student) and not (options.start or options.resume):
        take_hints(network, _student_in(Path(recipe.hints.wide)).collapsed(), _squares(recipe, recipe.hints, source))
    if recipe.distillation.cache and teacher is not None and recipe.losses.output:
        # A copy that stays on the CPU: the loader's processes can't share a teacher that is on a GPU.
        source = _taught(source, deepcopy(teacher), recipe)
    loader = _loader(source, recipe, options.bar)
    student = network if isinstance(network, Student) else Student(recipe.student)
    distillation = Distillation(recipe, student, teacher)
    budget = Budget(options.budget)
    module = RestorationModule(recipe, network, distillation, len(loader) * recipe.training.epochs, budget)
    trainer = _trainer(recipe, paths, pairs, options, budget)
    with processes.leaving_group():
        is_finished = _fit(trainer, module, loader, pairs, last)
    if recipe.trains == "teacher" and processes.is_first():
        _write_teacher(paths)
    best = paths.checkpoints / BEST
    return RunOutcome(best if best.exists() else paths.checkpoints / LAST, trainer.global_step, is_finished)


def _loader(source: WindowSource, recipe: Recipe, bar: bool) -> ResumableLoader | ResidentLoader:
    batch_windows, seed, gpu = recipe.training.batch_windows, recipe.training.seed, processes.gpu()
    if not recipe.data.resident or gpu is None:
        return training_loader(source, recipe.data, batch_windows=batch_windows, seed=seed)
    return resident_loader(source, recipe.data, batch_windows=batch_windows, seed=seed, device=gpu, bar=bar)


def _write_teacher(paths: RunPaths) -> None:
    """Put the best weights so far into a file that a student's recipe can name."""
    best = paths.checkpoints / BEST
    if best.exists():
        content = read_checkpoint(best)
        recipe = checkpoint_recipe(content, best)
        teacher = build_teacher(recipe.teacher or TeacherConfig())
        load_weights(teacher, content, best)
        save_teacher(teacher, paths.teacher, extra={"recipe": recipe.model_dump_json()})


def _fit(
    trainer: pl.Trainer, module: RestorationModule, loader: object, pairs: list[FixedPair], last: Path | None
) -> bool:
    watched: DataLoader[FixedPair] = DataLoader(pairs, batch_size=None, collate_fn=_as_is)  # type: ignore[arg-type]  # a list
    with _plain_interrupt():
        try:
            trainer.fit(module, loader, watched, ckpt_path=str(last) if last else None, weights_only=True)
        except TimeIsUp:
            return False
    return True


def _silence_lightning() -> None:
    """Leave out what Lightning says about hardware and services nobody asked for."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.simplefilter("always", CheckpointWarning)


def _prepare_folder(recipe: Recipe, paths: RunPaths, resume: bool) -> Path | None:
    """Make the run's folder; give the checkpoint to resume from, if that is wanted."""
    last = paths.checkpoints / LAST
    if resume:
        if not last.exists() and not previous(last).exists():
            raise OutputError(f"There is nothing to resume: {last} doesn't exist; start without --resume.")
        _check_same_network(recipe, last)
        return last
    if paths.checkpoints.exists() and processes.is_first():
        raise OutputError(f"{paths.folder} already holds a run; continue it with --resume or name another --output.")
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {paths.folder} can't be made: {error.strerror}.") from error
    return None


def _check_same_network(recipe: Recipe, last: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)  # it is given when the run is resumed
        before = checkpoint_recipe(SafetensorsIO().load_checkpoint(last), last)
    for part in ("trains", "student", "teacher"):
        if getattr(before, part) != getattr(recipe, part):
            raise InputError(f"{last} was trained with another [{part}] than the recipe's; name another --output.")


def _networks(recipe: Recipe, start: Path | None) -> tuple[Student | Teacher, Teacher | None]:
    """What is trained, and who teaches it."""
    if recipe.trains == "teacher":
        if recipe.teacher is None:
            raise RecipeError(f"{recipe.name}: a recipe that trains a teacher needs a section [teacher].")
        network = build_teacher(recipe.teacher, trainable=True)
        if start is not None:
            load_weights(network, read_checkpoint(start), start)
        return network, None
    student = Student(recipe.student)
    student.rounds = recipe.training.quantisation_aware
    if start is not None:
        _load_start(student, start)
    teacher = build_teacher(recipe.teacher) if recipe.teacher is not None else None
    return student, teacher


def _load_start(student: Student, start: Path) -> None:
    before = _student_in(start)
    if not student.config.expansion:
        before = before.collapsed()
    if before.config != student.config:
        raise InputError(f"{start} holds a student of {before.config}; the recipe wants {student.config}.")
    student.load_state_dict(before.state_dict())


def _student_in(start: Path) -> Student:
    """The student of a checkpoint, a bundle, a model that ships with clearcall, or an expert in one of these."""
    folder = bundle_path(start)
    if folder.is_dir():
        return student_of(read_bundle(folder).graph("float32"))
    whole = bundle_path(start.parent)
    if (whole / CARD).exists() and not start.exists():
        return student_of(read_bundle(whole).expert(start.name).graph("float32"))
    return load_student(start)[0]


def _squares(recipe: Recipe, hints: HintsConfig, source: WindowSource) -> list[Tensor]:
    """Degraded squares from all over the training data."""
    squares = SquaresDataset(source, recipe.data.model_copy(update={"crops_per_window": 1}), recipe.training.seed)
    return [squares[0, place * len(source) // hints.squares][0] for place in range(hints.squares)]


def _taught(source: WindowSource, teacher: Teacher, recipe: Recipe) -> TaughtWindows:
    config = recipe.distillation
    limit = int(config.cache_gigabytes * 1e9)
    return TaughtWindows(source, teacher.restore, teacher.fingerprint, Path(config.cache), limit)


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
    cache = _cache(config)
    source = DegradedWindows(
        pictures,
        config.variants,
        config.window,
        config.degradation,
        config.seed,
        cache,
        config.mix,
        before=recipe.losses.flicker > 0,
    )
    return source, degraded_pairs(watched, recipe.training.validation_profiles, config.seed)


def _open_pairs(recipe: Recipe, data: Path) -> tuple[WindowSource, list[FixedPair]]:
    pairs, watched = split_pairs(data, recipe.data.held_out, recipe.data.blur)
    return PairedWindows(pairs, recipe.data.variants, _cache(recipe.data)), stored_pairs(watched)


def _cache(config: DataConfig) -> Path | None:
    return Path(config.cache) if config.cache else None


def _as_is(pair: FixedPair) -> FixedPair:
    return pair


def _trainer(
    recipe: Recipe, paths: RunPaths, pairs: list[FixedPair], options: RunOptions, budget: Budget
) -> pl.Trainer:
    config = recipe.training
    callbacks: list[pl.Callback] = [
        budget,
        Curve(paths.curve),
        Panels(paths.panels, pairs, f"{recipe.trains.capitalize()} output"),
        LearningRateMonitor("epoch"),
        Checkpoints(paths.checkpoints, recipe, config.checkpoint_steps, options.seconds),
    ]
    if config.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=config.ema_decay))
    return pl.Trainer(
        max_epochs=config.epochs,
        check_val_every_n_epoch=config.validation_epochs,
        precision=config.precision,
        gradient_clip_val=config.gradient_clip,
        callbacks=callbacks,
        plugins=[SafetensorsIO()],
        devices=processes.devices(options.devices),
        num_nodes=processes.nodes(options.nodes),
        logger=TensorBoardLogger(paths.folder, name="tensorboard", version=""),
        enable_progress_bar=options.bar,
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
