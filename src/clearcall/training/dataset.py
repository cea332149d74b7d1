"""PyTorch side of the data: windows become squares, and squares become batches of tensors in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from clearcall.training.recipe import DataConfig
from clearcall.training.windows import Window, WindowSource, detail, random_place

Squares = tuple[Tensor, Tensor]
"""Degraded and sharp: two float32 tensors (squares, 3, crop, crop), RGB in [0, 1]."""
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
        return tensor[0], tensor[1]

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


class EpochSampler(Sampler[EpochItem]):
    """Shuffles the items anew in each epoch, in an order that the seed and the epoch fix."""

    def __init__(self, items: Sized, seed: int) -> None:
        self.items = items
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[EpochItem]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self))
        return iter([(self.epoch, int(item)) for item in order])


def _joined(items: list[Squares]) -> Squares:
    return torch.cat([degraded for degraded, _ in items]), torch.cat([sharp for _, sharp in items])


def training_loader(source: WindowSource, config: DataConfig, *, batch_windows: int, seed: int) -> DataLoader[Squares]:
    """A loader of batches of ``batch_windows * crops_per_window`` squares, the same for the same seed."""
    dataset = SquaresDataset(source, config, seed)
    return DataLoader(
        dataset,
        batch_size=min(batch_windows, len(dataset)),
        sampler=EpochSampler(dataset, seed),
        collate_fn=_joined,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        drop_last=True,
    )
