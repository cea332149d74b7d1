"""PyTorch side of the data: windows become squares, and squares become batches of tensors in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from clearcall.errors import RecipeError
from clearcall.training.recipe import DataConfig
from clearcall.training.windows import Window, WindowSource, detail, random_place

Squares = tuple[Tensor, ...]
"""Degraded, sharp and, where a teacher's outputs are kept, taught: float32 (squares, 3, crop, crop), RGB in [0, 1]."""
EpochItem = tuple[int, int]


class SquaresDataset(Dataset[Squares]):
    """Squares cut from windows; an item holds several squares of one window.

    An item is named by (epoch, number), and its squares depend on these and the seed alone, not on the process
    that makes them.
    """

    def __init__(self, source: WindowSource, config: DataConfig, seed: int) -> None:
        self.source = source
        self.config = config
        self.seed = seed

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, item: EpochItem) -> Squares:
        rng = np.random.default_rng((self.seed, *item))
        window = self.source.window(item[1])
        squares = np.stack([self._square(window, rng) for _ in range(self.config.crops_per_window)])
        tensor = torch.from_numpy(squares).permute(1, 0, 4, 2, 3).float().div_(255)
        return tuple(tensor)

    def _square(self, window: Window, rng: np.random.Generator) -> Window:
        size = self.config.crop
        if self.config.fit == "resize":
            return _turned(_resized(window, size), rng)
        _, height, width, _ = window.shape
        part = window[:, *random_place(height, width, size, rng)]
        if rng.random() < self.config.detail:
            other = window[:, *random_place(height, width, size, rng)]
            part = max(part, other, key=lambda squares: detail(squares[1]))
        return _turned(_padded(part, size), rng)


def _resized(window: Window, size: int) -> Window:
    sides = [Image.fromarray(side).resize((size, size), Image.Resampling.BICUBIC) for side in window]
    return np.stack([np.asarray(side) for side in sides])


def _padded(part: Window, size: int) -> Window:
    """Grow a part that is smaller than a square by mirroring it."""
    missing = [(0, size - length) for length in part.shape[1:3]]
    return part if not any(after for _, after in missing) else np.pad(part, ((0, 0), *missing, (0, 0)), "symmetric")


def _turned(part: Window, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One of the eight mirrored and turned views of a square."""
    turned = np.rot90(part, int(rng.integers(4)), axes=(1, 2))
    return np.ascontiguousarray(turned[:, :, ::-1] if rng.random() < 0.5 else turned)


class EpochBatches(Sampler[list[EpochItem]]):
    """Batches of items, shuffled anew in each epoch in an order that the seed and the epoch fix.

    With several processes each takes its share of every batch, so that together they train on what one would.

    Args:
        items: How many items there are.
        size: Items per batch, over all processes; what is left over at the end of an epoch is dropped.
        seed: Seed of the order.

    Example:
        >>> batches = EpochBatches(4, 2, seed=0)
        >>> sorted(item for batch in batches for _, item in batch)
        [0, 1, 2, 3]
    """

    def __init__(self, items: int, size: int, seed: int) -> None:
        self.items = items
        self.size = min(size, items)
        self.seed = seed
        self.epoch = 0
        self._resumed = (0, 0)

    @property
    def sampler(self) -> EpochBatches:
        """Itself: here Lightning looks for the ``set_epoch`` of what makes batches."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.items // self.size

    def resume(self, epoch: int, start: int) -> None:
        """Leave out the first ``start`` batches of an epoch, which is the next."""
        self.epoch = epoch
        self._resumed = (epoch, start)

    @property
    def start(self) -> int:
        """How many batches of this epoch are left out."""
        epoch, start = self._resumed
        return start if epoch == self.epoch else 0

    def __iter__(self) -> Iterator[list[EpochItem]]:
        share = _share(self.size)
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.items)
        batches = [order[number * self.size :][: self.size][share] for number in range(self.start, len(self))]
        return iter([[(self.epoch, int(item)) for item in batch] for batch in batches])


def _share(size: int) -> slice:
    """Which items of a batch are this process's."""
    if not torch.distributed.is_initialized():
        return slice(None)
    rank, count = torch.distributed.get_rank(), torch.distributed.get_world_size()
    if size % count:
        raise RecipeError(f"training.batch_windows is {size}, which {count} processes can't share; make it a multiple.")
    return slice(rank, None, count)


class Resumable:
    """Knows how far into which epoch a loader has come, so that a resumed run goes on with the next batch."""

    batches: EpochBatches
    given: int

    def state_dict(self) -> dict[str, Any]:
        """Where to go on: the epoch and the number of its first batch that wasn't given yet."""
        if self.given >= len(self.batches):
            return {"epoch": self.batches.epoch + 1, "start": 0}
        return {"epoch": self.batches.epoch, "start": self.given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` says."""
        self.batches.resume(state["epoch"], state["start"])


class ResumableLoader(Resumable, DataLoader[Squares]):
    """Loads squares from disk, or degrades them, in processes beside the training."""

    def __init__(self, dataset: SquaresDataset, batches: EpochBatches, workers: int) -> None:
        super().__init__(
            dataset,
            batch_sampler=batches,
            collate_fn=_joined,
            num_workers=workers,
            persistent_workers=workers > 0,
            # Forking a process in which inference engines run threads is unsafe.
            multiprocessing_context="spawn" if workers else None,
        )
        self.batches = batches
        self.given = 0

    def __iter__(self) -> Iterator[Squares]:  # type: ignore[override]  # an iterator is what DataLoader gives, too
        self.given = self.batches.start
        for squares in super().__iter__():
            self.given += 1
            yield squares


def _joined(items: list[Squares]) -> Squares:
    return tuple(torch.cat(side) for side in zip(*items, strict=True))


def training_loader(source: WindowSource, config: DataConfig, *, batch_windows: int, seed: int) -> ResumableLoader:
    """A loader of batches of ``batch_windows * crops_per_window`` squares, the same for the same seed."""
    dataset = SquaresDataset(source, config, seed)
    return ResumableLoader(dataset, EpochBatches(len(dataset), batch_windows, seed), config.workers)
