"""Run by ``test_windows_dataset.py``: loaders with worker processes give what loaders without give, also resumed."""

import sys
from itertools import islice
from pathlib import Path

import torch

from clearcall.training.dataset import ResumableLoader, training_loader
from clearcall.training.pairs import list_pictures
from clearcall.training.recipe import DataConfig
from clearcall.training.windows import DegradedWindows

CONFIG = DataConfig(window=64, crop=32, crops_per_window=3, variants=2)


def loader(folder: Path, workers: int) -> ResumableLoader:
    source = DegradedWindows(list_pictures(folder), variants=2, size=64, degradation="bicubic-x2", seed=1)
    made = training_loader(source, CONFIG.model_copy(update={"workers": workers}), batch_windows=2, seed=5)
    made.batches.set_epoch(4)
    return made


def main(folder: Path) -> None:
    alone = [sharp for _, sharp in loader(folder, 0)]
    assert all(torch.equal(a, b) for a, (_, b) in zip(alone, loader(folder, 2), strict=True))
    sys.stdout.write("same\n")
    first, second = loader(folder, 2), loader(folder, 2)
    shown = [sharp for _, sharp in islice(first, 2)]
    second.load_state_dict(first.state_dict())
    second.batches.set_epoch(4)
    rest = [sharp for _, sharp in second]
    assert all(torch.equal(a, b) for a, b in zip(alone, shown + rest, strict=True))
    assert second.state_dict() == {"epoch": 5, "start": 0}
    sys.stdout.write("goes on\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
