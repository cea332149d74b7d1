"""Windows that all lie in the memory of the device that trains, where squares are cut out of them.

A small student takes a GPU less time than the loading of its squares takes a CPU; here a step loads nothing but places.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from clearcall.training.dataset import EpochBatches, EpochItem, Resumable, Squares
from clearcall.training.recipe import DataConfig
from clearcall.training.windows import Window, WindowSource

CHUNK = 16
"""Windows that a process makes at a time."""


@dataclass(frozen=True)
class Places:
    """Where squares are cut: a window, an upper left corner and one of eight views each, all int64 (squares,).

    Attributes:
        window: Number of the window.
        top: Row of the corner, as a share of the rows where it may be, in [0, 2^20).
        left: Column of the corner, likewise.
        view: Bit 0: mirrored along the diagonal; bit 1: upside down; bit 2: left to right.
    """

    window: Tensor
    top: Tensor
    left: Tensor
    view: Tensor


SHARES = 2**20
"""Into so many parts the range of a corner is divided, so that places are drawn without knowing the windows' sizes."""


@dataclass(frozen=True)
class ResidentWindows:
    """Windows of any sizes, one after the other.

    Attributes:
        pixels: All pixels of all windows, uint8 (pixels, 3), RGB.
        starts: Number of each window's first pixel, int64 (windows,).
        sizes: Height and width of each window, int64 (windows, 2).
        sides: Pictures in a window: degraded, sharp and, where a teacher's outputs are kept, taught.
    """

    pixels: Tensor
    starts: Tensor
    sizes: Tensor
    sides: int

    @classmethod
    def of(cls, windows: Sequence[Window], device: torch.device) -> ResidentWindows:
        """Put windows into a device's memory.

        Example:
            >>> resident = ResidentWindows.of([np.zeros((2, 4, 6, 3), np.uint8)] * 2, torch.device("cpu"))
            >>> resident.pixels.shape, resident.starts.tolist(), resident.sizes[1].tolist()
            (torch.Size([96, 3]), [0, 48], [4, 6])
        """
        counts = [window.size // 3 for window in windows]
        pixels = torch.empty((sum(counts), 3), dtype=torch.uint8, device=device)
        starts = np.cumsum([0, *counts[:-1]])
        for start, count, window in zip(starts, counts, windows, strict=True):
            pixels[start : start + count] = torch.from_numpy(np.array(window).reshape(-1, 3)).to(device)
        sizes = torch.tensor([window.shape[1:3] for window in windows], device=device)
        return cls(pixels, torch.from_numpy(starts).to(device), sizes, len(windows[0]))

    def cut(self, places: Places, size: int) -> Tensor:
        """Squares, uint8 (squares, sides, size, size, 3); what is missing of a small window is mirrored."""
        down, right = _views(places.view, size)
        heights, widths = self.sizes[places.window].unbind(1)
        rows = _mirrored(_corner(places.top, heights, size)[:, None, None] + down, heights)
        columns = _mirrored(_corner(places.left, widths, size)[:, None, None] + right, widths)
        first = self.starts[places.window][:, None, None] + rows * widths[:, None, None] + columns
        steps = torch.arange(self.sides, device=first.device)[:, None, None] * (heights * widths)[:, None, None, None]
        return self.pixels[first[:, None] + steps]


def _corner(share: Tensor, lengths: Tensor, size: int) -> Tensor:
    return share * ((lengths - size).clamp(min=0) + 1) // SHARES


def _views(view: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """For each square the rows and columns, (squares, size, size), that its pixels are taken from."""
    line = torch.arange(size, device=view.device)
    down, right = line[None, :, None], line[None, None, :]
    bits = [(view >> bit & 1).bool()[:, None, None] for bit in range(3)]
    rows, columns = torch.where(bits[0], right, down), torch.where(bits[0], down, right)
    return torch.where(bits[1], size - 1 - rows, rows), torch.where(bits[2], size - 1 - columns, columns)


def _mirrored(positions: Tensor, lengths: Tensor) -> Tensor:
    """Positions beyond a side's end, sent back as numpy's ``symmetric`` padding does."""
    lengths = lengths[:, None, None]
    inside = positions % (2 * lengths)
    return torch.minimum(inside, 2 * lengths - 1 - inside)


def _detail(squares: Tensor) -> Tensor:
    """``clearcall.training.windows.detail`` of each of (squares, size, size, 3)."""
    green = squares[:, ::2, ::2, 1].float()
    return green.diff(dim=1).abs().mean((1, 2)) + green.diff(dim=2).abs().mean((1, 2))


def make_windows(source: WindowSource, workers: int, *, bar: bool = False) -> list[Window]:
    """All windows of a source, made by so many processes (0: by this one), with a progress bar if wanted."""
    watched = partial(
        track, description="making windows", total=len(source), console=Console(stderr=True), disable=not bar
    )
    items = range(len(source))
    if not workers:
        return list(watched(_made(source, item) for item in items))
    # Forking a process in which inference engines run threads is unsafe.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return list(watched(pool.map(partial(_made, source), items, chunksize=CHUNK)))


def _made(source: WindowSource, item: int) -> Window:
    """A copy: a window of the cache keeps its file open."""
    return np.array(source.window(item))


class ResidentLoader(Resumable):
    """Batches of squares, cut where the windows lie.

    Args:
        windows: What to cut from.
        config: How to cut.
        batches: Which windows stand in which batch.
        seed: Seed of places and views; with the epoch and the batch's number it fixes every square.
    """

    def __init__(self, windows: ResidentWindows, config: DataConfig, batches: EpochBatches, seed: int) -> None:
        self.windows = windows
        self.config = config
        self.batch_sampler = self.batches = batches  # Lightning looks for set_epoch at the first name
        self.seed = seed
        self.given = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Squares]:
        self.given = self.batches.start
        for items in self.batches:
            rng = np.random.default_rng((self.seed, self.batches.epoch, self.given))
            self.given += 1
            yield self._squares(items, rng)

    def _squares(self, items: Sequence[EpochItem], rng: np.random.Generator) -> Squares:
        numbers = np.repeat([number for _, number in items], self.config.crops_per_window)
        first, other = (self._places(numbers, rng) for _ in range(2))
        squares = self.windows.cut(first, self.config.crop)
        wants_detail = torch.from_numpy(rng.random(len(numbers)) < self.config.detail).to(squares.device)
        others = self.windows.cut(other, self.config.crop)
        better = wants_detail & (_detail(others[:, 1]) > _detail(squares[:, 1]))
        chosen = torch.where(better[:, None, None, None, None], others, squares)
        return tuple(chosen.permute(1, 0, 4, 2, 3).float().div_(255))

    def _places(self, numbers: np.ndarray[Any, Any], rng: np.random.Generator) -> Places:
        drawn = rng.integers((SHARES, SHARES, 8), size=(len(numbers), 3)).T
        values = torch.from_numpy(np.stack([numbers, *drawn]).astype(np.int64)).to(self.windows.pixels.device)
        return Places(*values)


def resident_loader(
    source: WindowSource,
    config: DataConfig,
    *,
    batch_windows: int,
    seed: int,
    device: torch.device,
    bar: bool = False,
) -> ResidentLoader:
    """Make all windows, put them on a device, and cut batches of ``batch_windows * crops_per_window`` squares there."""
    windows = ResidentWindows.of(make_windows(source, config.workers, bar=bar), device)
    return ResidentLoader(windows, config, EpochBatches(len(source), batch_windows, seed), seed)
