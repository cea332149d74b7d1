"""How long a training may take by the clock, for machines that are rented by the minute."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl


class Budget(pl.Callback):
    """Ends a training when its time is up, complete and validated, and tells how far it will get until then.

    Args:
        seconds: Time for all of it, earlier parts of a resumed run included; None: no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.spent = 0.0
        self._since: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the training began, without the time between a stop and its resuming."""
        return self.spent + (time.monotonic() - self._since if self._since is not None else 0.0)

    def total_steps(self, step: int, planned: int) -> int:
        """Steps that the whole training will have, at the pace so far; never more than planned.

        Example:
            >>> budget = Budget(100.0)
            >>> budget.spent = 25.0
            >>> budget.total_steps(10, 1000), Budget(None).total_steps(10, 1000)
            (40, 1000)
        """
        if self.seconds is None or not step:
            return planned
        return max(1, min(planned, round(step * self.seconds / max(self.elapsed, 1e-9))))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Stop after this step where the time is up; what Lightning does at an epoch's end, it does then."""
        if self.seconds is not None:
            is_over = trainer.strategy.reduce_boolean_decision(self.elapsed > self.seconds, all=False)
            if is_over:
                trainer.should_stop = True
                trainer.check_val_every_n_epoch = 1

    def state_dict(self) -> dict[str, Any]:
        """The time spent so far."""
        return {"spent": self.elapsed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the time spent."""
        self.spent = state_dict["spent"]
