"""The Lightning module: a network (student, or teacher in training), its losses, its optimiser, SSIM on fixed pairs."""

from __future__ import annotations

import math
from collections.abc import Callable

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from clearcall.evaluation.metrics import psnr, ssim
from clearcall.frame import Frame, to_frame
from clearcall.training import processes
from clearcall.training.budget import Budget
from clearcall.training.dataset import Squares
from clearcall.training.distillation import Distillation
from clearcall.training.recipe import Recipe, TrainingConfig
from clearcall.training.student import Student
from clearcall.training.teachers.teacher import Teacher
from clearcall.training.validation import FixedPair


class RestorationModule(pl.LightningModule):
    """Trains a network on batches of squares; validates on ``FixedPair`` items.

    Args:
        recipe: What to train and how.
        network: What is trained.
        distillation: Its loss.
        total_steps: Steps of the whole training, over which the learning rate decays.
        budget: Ends it earlier, where its time is up before.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: Student | Teacher,
        distillation: Distillation,
        total_steps: int,
        budget: Budget | None = None,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.total_steps = total_steps
        self.budget = budget or Budget(None)
        self.network = network
        self.distillation = distillation
        # Not the module itself, which would then be among this one's twice.
        forward: Callable[..., tuple[Tensor, dict[str, Tensor]]] = distillation.forward
        is_compiled = recipe.training.compiled and processes.gpu() is not None
        self._compare = torch.compile(forward) if is_compiled else forward

    def on_fit_start(self) -> None:
        """Bring the teacher and the other frozen networks to this process's device."""
        self.distillation.move_frozen(self.device)

    def training_step(self, batch: Squares, _batch_index: int) -> Tensor:
        """One step on a batch; logs every loss by its name."""
        squares = tuple(side.contiguous(memory_format=torch.channels_last) for side in batch)
        total, parts = self._compare(self.network, squares, self._seed_of_views())
        self.log("train/loss", total, prog_bar=True, batch_size=len(squares[0]))
        self.log_dict({f"train/{name}": part for name, part in parts.items()}, batch_size=len(squares[0]))
        return total

    def _seed_of_views(self) -> int:
        """Another one in each step; without other views always the same, so that nothing is compiled again."""
        return self.recipe.training.seed * 1_000_003 + self.global_step if self.recipe.losses.views else 0

    def validation_step(self, pair: FixedPair, _batch_index: int) -> None:
        """Sharpen one fixed pair and log its SSIM and PSNR, overall and per profile."""
        output = self.sharpen(pair)
        scores = {"ssim": ssim(output, pair.sharp), "psnr": psnr(output, pair.sharp)}
        gain = scores["ssim"] - pair.degraded_ssim
        self.log_dict({f"val/{name}": value for name, value in scores.items()}, batch_size=1, prog_bar=True)
        self.log_dict({f"val/ssim {pair.profile}": scores["ssim"], f"val/gain {pair.profile}": gain}, batch_size=1)

    def sharpen(self, pair: FixedPair) -> Frame:
        """The network's output for a fixed pair."""
        frame = torch.from_numpy(pair.degraded).permute(2, 0, 1)[None].float().div(255)
        with torch.no_grad():
            output = self.network(frame.to(self.device))
        return to_frame(output[0].float().cpu().numpy())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam, with a linear warm-up and a cosine decay per step."""
        config = self.recipe.training
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimiser = torch.optim.Adam(trained, lr=config.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser,
            lambda step: learning_rate_factor(step, self.budget.total_steps(step, self.total_steps), config),
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learning_rate_factor(step: int, total_steps: int, config: TrainingConfig) -> float:
    """What the learning rate is multiplied by at a step: up in a line, down in a cosine (Loshchilov, ICLR 2017).

    Example:
        >>> config = TrainingConfig(learning_rate=1e-3, final_learning_rate=1e-4, warmup_steps=10)
        >>> [round(learning_rate_factor(step, 110, config), 3) for step in (0, 9, 60, 110)]
        [0.1, 1.0, 0.55, 0.1]
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    lowest = config.final_learning_rate / config.learning_rate
    done = min((step - config.warmup_steps) / max(total_steps - config.warmup_steps, 1), 1.0)
    return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * done))
