"""Images per second of training: the loader alone, the loop without a teacher, with one, and with its kept outputs.

python benchmarks/training.py DATA [--recipe output-kd] [--teacher FILE] [--steps 40] [--variants 4]

All on the same squares, in turn, in one run; an image is a square of data.crop pixels. Windows are read from the cache
on disk, which is filled first. Processor time would hide the loader's, so this is the clock: use a quiet machine.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from clearcall.training.dataset import training_loader
from clearcall.training.distillation import Distillation
from clearcall.training.pairs import list_pictures
from clearcall.training.recipe import LossWeights, Recipe, read_recipe, with_changes
from clearcall.training.student import Student
from clearcall.training.taught import TaughtWindows
from clearcall.training.teachers.teacher import build_teacher
from clearcall.training.windows import DegradedWindows, WindowSource


def batches(recipe: Recipe, source: WindowSource) -> Iterator[tuple[Tensor, ...]]:
    loader = training_loader(source, recipe.data, batch_windows=recipe.training.batch_windows, seed=0)
    return itertools.chain.from_iterable(loader for _ in itertools.count())


def steps(recipe: Recipe, source: WindowSource, with_teacher: bool) -> Iterator[int]:
    """Train, and give the number of squares after each step."""
    student = Student(recipe.student)
    if not with_teacher:
        recipe = recipe.model_copy(update={"losses": LossWeights(l1=recipe.losses.l1, ssim=recipe.losses.ssim)})
    teaching = Distillation(recipe, student, build_teacher(recipe.teacher) if with_teacher else None)
    optimiser = torch.optim.Adam([*student.parameters(), *teaching.parameters()], lr=1e-4)
    for number, batch in enumerate(batches(recipe, source)):
        squares = tuple(side.contiguous(memory_format=torch.channels_last) for side in batch)
        total, _ = teaching(student, squares, seed=number)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        yield len(squares[0])


def rate(work: Iterable[int], count: int) -> float:
    work = iter(work)
    next(work)
    started = time.perf_counter()
    squares = sum(itertools.islice(work, count))
    return squares / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", default="output-kd")
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--variants", type=int, default=1)
    options = parser.parse_args()
    recipe = with_changes(read_recipe(options.recipe), teacher=options.teacher)
    with tempfile.TemporaryDirectory() as place:
        data = recipe.data
        pictures = list_pictures(options.data)[:64]
        windows = DegradedWindows(pictures, options.variants, data.window, data.degradation, 0, Path(place) / "windows")
        teacher = build_teacher(recipe.teacher)
        taught = TaughtWindows(windows, teacher.restore, teacher.fingerprint, Path(place) / "taught", 10**10)
        for item in range(len(taught)):
            taught.window(item)
        rows = {
            "loading squares alone": lambda: (len(batch[0]) for batch in batches(recipe, windows)),
            "the loop without the teacher": lambda: steps(recipe, windows, with_teacher=False),
            "with the teacher in each step": lambda: steps(recipe, windows, with_teacher=True),
            "with the teacher's outputs kept on disk": lambda: steps(recipe, taught, with_teacher=True),
        }
        threads = f"{torch.get_num_threads()} threads of {len(os.sched_getaffinity(0))} cores"
        print(f"{recipe.name}, torch {torch.__version__}, {threads}, {data.workers} workers")
        found = {name: rate(work(), options.steps) for name, work in rows.items()}
    whole = found["the loop without the teacher"]
    for name, value in found.items():
        print(f"| {name} | {value:.0f} | {value / whole:.2f} |")


if __name__ == "__main__":
    main()
