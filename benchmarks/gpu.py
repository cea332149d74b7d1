"""Times a model on a GPU in every variant, in half precision, with frames on the GPU before and after.

python benchmarks/gpu.py --json gpu.json [--compile default] [--compile max-autotune-no-cudagraphs]

Needs PyTorch and ONNX, but neither OpenVINO nor PyAV, and no installed clearcall: PYTHONPATH=src does.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from clearcall.benchmark.gpu import BAR, MODEL, GPUReport, bench_gpu
from clearcall.errors import ClearcallError


def show(report: GPUReport) -> None:
    width, height = report.size
    print(f"{report.model} in half precision, {width}x{height}, on {report.machine}; {report.rounds} rounds")
    print(
        f"measured peaks: {report.limits.half / 1e12:.1f} T operations/s, copying {report.limits.copied / 1e9:.0f} GB/s"
    )
    print(f"limit {report.limit:.4f} ms; with what moves between layers {report.limit_by_layers:.4f} ms")
    print(
        f"{'ms a frame':44} {'median':>8} {'5 %':>8} {'95 %':>8} {'queued':>8} {'share':>6} {'layers':>6}  off float32"
    )
    for name, row in report.timings.items():
        times = " ".join(f"{value:8.4f}" for value in (row.median, row.p5, row.p95, row.queued))
        figures = f"{times} {row.share:6.3f} {row.share_by_layers:6.3f}"
        verdict = "met" if row.is_met else f"MISSED (at most {BAR:g} ms)"
        print(f"{name:44} {figures}  {row.differing:.4f} of samples, at most {row.furthest}; {verdict}")
    if not report.can_fuse:
        print("cuDNN adds no bias within a convolution here: no variant is fused")
    for name, reason in report.failed.items():
        print(f"{name:44} not timed: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--device", default="cuda", help="PyTorch's name of it")
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1080), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument(
        "--compile", action="append", default=[], metavar="MODE", help="time this mode, too; repeatable"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file, too")
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        report = bench_gpu(
            options.model, device=options.device, size=tuple(options.size), rounds=options.rounds, modes=options.compile
        )
    except ClearcallError as error:
        sys.exit(str(error))
    show(report)
    print(f"all of it took {time.perf_counter() - started:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
