"""What each way of teaching is worth: the same student, the same steps, several seeds, measured on whole pictures.

python benchmarks/ablation.py TRAIN VAL [--teacher runs/teacher/teacher.safetensors] [--recipe NAME ...] [--seeds 0 1 2]

Trains every recipe with every seed (a run that is there already is used as it is; an unfinished one is resumed), takes
the averaged weights of the last step, not the best, and measures them in float32 on every picture of VAL through every
profile. SSIM: Gaussian 11x11, sigma 1.5, 8-bit RGB, mean of channels. The spread is the standard deviation over seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from clearcall.cli.progress import progress
from clearcall.evaluation.cases import Case, find_cases
from clearcall.evaluation.metrics import psnr, ssim
from clearcall.training.checkpoint import load_student, read_checkpoint
from clearcall.training.export import sharpen
from clearcall.training.fit import RunOptions, train
from clearcall.training.recipe import read_recipe, with_changes
from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.teacher import build_teacher

RECIPES = ("scratch-l1", "scratch-l1-ssim", "reference-kd", "output-kd", "scratch-fast", "hints-kd")
PROFILES = ("bicubic-x2", "h264-half-crf28")


def checkpoint(run: Path) -> Path:
    return run / "checkpoints" / "last.safetensors"


def train_all(options: argparse.Namespace) -> None:
    for name in options.recipe:
        for seed in options.seeds:
            run = options.runs / f"{name}-{seed}"
            recipe = read_recipe(name)
            teacher = options.teacher if recipe.teacher else None
            recipe = with_changes(recipe, seed=seed, teacher=teacher, vgg=options.vgg)
            started = time.perf_counter()
            if not (run / "seconds").exists():
                train(recipe, options.train, run, options=RunOptions(resume=checkpoint(run).exists()))
                (run / "seconds").write_text(f"{time.perf_counter() - started:.0f}\n")


def teachers(options: argparse.Namespace) -> list[Path]:
    return [options.teacher] if options.teacher else []


@cache
def method(path: Path, is_teacher: bool) -> Callable[[np.ndarray], np.ndarray]:
    """What a student or a teacher makes of a frame; loaded once per process."""
    torch.set_num_threads(1)
    if is_teacher:
        return build_teacher(TeacherConfig(weights=str(path))).restore
    student, _ = load_student(path)
    return partial(sharpen, student)


def measure(work: tuple[Case, list[tuple[Path, bool]]]) -> list[tuple[float, float]]:
    """SSIM and PSNR of the input, then of every network, on one pair."""
    case, networks = work
    degraded, sharp = case.load()
    height, width = (length // 4 * 4 for length in sharp.shape[:2])
    degraded, sharp = degraded[:height, :width], sharp[:height, :width]
    outputs = [degraded, *(method(*network)(np.ascontiguousarray(degraded)) for network in networks)]
    return [(ssim(output, sharp), psnr(output, sharp)) for output in outputs]


def measure_all(options: argparse.Namespace) -> tuple[np.ndarray, list[str]]:
    """Scores by pair, by network (input, teacher, students), SSIM and PSNR; and the profile of each pair."""
    cases = find_cases(options.val, options.profile)
    runs = [options.runs / f"{name}-{seed}" for name in options.recipe for seed in options.seeds]
    networks = [*((path, True) for path in teachers(options)), *((checkpoint(run), False) for run in runs)]
    found = []
    with ProcessPoolExecutor(options.workers) as pool, progress("measuring", "pairs") as report:
        for scores in pool.map(measure, [(case, networks) for case in cases]):
            found.append(scores)
            report(len(found), len(cases))
    return np.array(found), [case.profile for case in cases]


def summarise(options: argparse.Namespace, scores: np.ndarray, profiles: list[str]) -> list[dict[str, object]]:
    rows = []
    for profile in dict.fromkeys(profiles):
        means = scores[[found == profile for found in profiles]].mean(axis=0)
        others = ["input", *("teacher" for _ in teachers(options))]
        for name, (mean_ssim, mean_psnr) in zip(others, means, strict=False):
            rows.append({"profile": profile, "recipe": name, "ssim": mean_ssim, "psnr": mean_psnr})
        seeds = means[len(others) :].reshape(len(options.recipe), len(options.seeds), 2)
        for name, values in zip(options.recipe, seeds, strict=True):
            (mean_ssim, mean_psnr), (spread_ssim, spread_psnr) = values.mean(axis=0), values.std(axis=0, ddof=1)
            content = read_checkpoint(checkpoint(options.runs / f"{name}-{options.seeds[0]}"))
            times = [int((options.runs / f"{name}-{seed}" / "seconds").read_text()) for seed in options.seeds]
            rows.append({"profile": profile, "recipe": name, "ssim": mean_ssim, "ssim_spread": spread_ssim,
                         "psnr": mean_psnr, "psnr_spread": spread_psnr, "steps": content["global_step"],
                         "seconds": float(np.mean(times)), "by_seed": values[:, 0].tolist()})  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--teacher", type=Path, help="the weights of the recipes' teacher; a row of its own, too")
    parser.add_argument("--vgg", type=Path, help="VGG-19's weights, instead of torchvision's")
    parser.add_argument("--recipe", nargs="+", default=list(RECIPES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--profile", nargs="+", default=list(PROFILES))
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    train_all(options)
    rows = summarise(options, *measure_all(options))
    print("| profile | recipe | steps | seconds | SSIM | PSNR, dB |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        spread = [f" ± {row[f'{kind}_spread']:.{digits}f}" if f"{kind}_spread" in row else ""
                  for kind, digits in (("ssim", 4), ("psnr", 2))]  # fmt: skip
        print(f"| {row['profile']} | {row['recipe']} | {row.get('steps', '')} | {row.get('seconds', ''):.0f} "
              if "steps" in row else f"| {row['profile']} | {row['recipe']} | | ",
              f"| {row['ssim']:.4f}{spread[0]} | {row['psnr']:.2f}{spread[1]} |", sep="")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps({"seeds": options.seeds, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
