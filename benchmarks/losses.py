"""Milliseconds of processor time that each loss adds to a training step on a CPU: forward and backward.

python benchmarks/losses.py [--squares 16] [--side 96] [--threads 1] [--rounds 20] [--vgg FILE]

Processor time, which doesn't count the turns of other programs; with one thread and an idle machine it is the time by
the clock. Each round runs every loss once, so that what slows the machine for a moment slows all alike; the table gives
the median and the fastest round. The perceptual loss is timed for single layers, each with the network up to there;
without `--vgg`, on random weights, which take the same time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from clearcall.training.losses import (
    CharbonnierLoss,
    FeatureDistillationLoss,
    FrequencyLoss,
    L1Loss,
    OutputDistillationLoss,
    PerceptualLoss,
    SSIMLoss,
)
from clearcall.training.losses.vgg import shapes
from clearcall.training.student import Student, StudentConfig

LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")


def steps(squares: int, side: int, vgg: str, layers: tuple[str, ...]) -> dict[str, Callable[[], Tensor]]:
    """What computes each loss anew."""
    shape = (squares, 3, side, side)
    target = torch.rand(shape).contiguous(memory_format=torch.channels_last)
    preds = (target + 0.05 * torch.randn(shape)).contiguous(memory_format=torch.channels_last).requires_grad_()
    teacher = target + 0.02 * torch.randn(shape)
    student = Student(StudentConfig())
    restoration = {"l1": L1Loss(), "charbonnier": CharbonnierLoss(), "ssim": SSIMLoss(), "frequency": FrequencyLoss()}
    restoration |= {f"perceptual, {layer}": PerceptualLoss({layer: 1.0}, vgg) for layer in layers}
    output, feature = OutputDistillationLoss(), FeatureDistillationLoss([("x", "y")], {"x": 16}, {"y": 64})
    own = torch.rand(squares, 16, side // 2, side // 2).requires_grad_()
    hint = torch.rand(squares, 64, side // 4, side // 4)
    return {
        "(the student alone)": lambda: student(preds).sum(),
        **{name: lambda loss=loss: loss(preds, target) for name, loss in restoration.items()},
        "output": lambda: output(preds, teacher, target),
        "feature, 16 to 64 channels": lambda: feature({"x": own}, {"y": hint}),
    }


def measure(step: Callable[[], Tensor]) -> float:
    started = time.process_time()
    step().backward()
    return 1000 * (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squares", type=int, default=16)
    parser.add_argument("--side", type=int, default=96, help="pixels")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--vgg", default="", help="file of VGG-19 weights, or torchvision")
    parser.add_argument("--layers", nargs="*", default=LAYERS, help="VGG-19 layers")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        vgg = arguments.vgg or str(Path(folder, "random.safetensors"))
        if not arguments.vgg:
            save_file({key: 0.05 * torch.randn(shape) for key, shape in shapes(LAYERS[-1]).items()}, vgg)
        cases = steps(arguments.squares, arguments.side, vgg, tuple(arguments.layers))
    times: dict[str, list[float]] = {name: [] for name in cases}
    for round_number in range(arguments.rounds + 1):
        for name, step in cases.items():
            milliseconds = measure(step)
            if round_number:  # the first round warms up
                times[name].append(milliseconds)
    print("| loss | median, ms | fastest, ms |\n| --- | ---: | ---: |")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.1f} | {min(values):.1f} |")


if __name__ == "__main__":
    main()
