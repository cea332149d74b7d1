"""How near a model comes to the truth, beside FFmpeg's filters at the strength that is best for them.

python benchmarks/quality.py DIR-OF-SHARP-PICTURES [--model small] [--profile NAME ...] [--json FILE]

Every picture goes through every profile. For `unsharp` and `cas` the whole grid below is measured on the very pictures
that are reported, and the strength with the highest mean SSIM is kept for each profile: the filters are tuned on the
test, the model is not. SSIM: Gaussian 11x11, sigma 1.5, 8-bit RGB, mean of channels.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import clearcall
from clearcall.cli.progress import progress
from clearcall.evaluation.cases import Case, find_cases
from clearcall.evaluation.filters import cas, unsharp
from clearcall.evaluation.metrics import ssim

PROFILES = ("bicubic-x2", "h264-half-crf23", "h264-half-crf28", "h264-half-crf33", "h264-360p-400k", "vp8-360p-500k",
            "vp9-540p-700k", "av1-540p-500k", "clean")  # fmt: skip
UNSHARP_AMOUNTS = (0.25, 0.5, 0.75, 1.0, 1.5, 1.75, 2.0)
CAS_STRENGTHS = (0.3, 0.6, 0.9)

HEADER = "profile              input    best unsharp      best cas   model     gain  harmed  > 0.90"

Method = Callable[[np.ndarray], np.ndarray]


def methods(model: str) -> dict[str, Method]:
    sharpener = clearcall.load(model)
    return (
        {"input": lambda frame: frame, "model": sharpener.sharpen}
        | {f"unsharp {amount:g}": unsharp(amount) for amount in UNSHARP_AMOUNTS}
        | {f"cas {strength:g}": cas(strength) for strength in CAS_STRENGTHS}
    )


def measure(cases: list[Case], work: dict[str, Method]) -> dict[tuple[str, str], dict[str, float]]:
    """SSIM by (profile, picture) and method."""

    def one(case: Case) -> dict[str, float]:
        degraded, sharp = case.load()
        return {name: ssim(method(degraded), sharp) for name, method in work.items()}

    found: dict[tuple[str, str], dict[str, float]] = {}
    with ThreadPoolExecutor(2) as pool, progress("measuring", "pictures") as report:
        for case, scores in zip(cases, pool.map(one, cases), strict=True):
            found[case.profile, case.name] = scores
            report(len(found), len(cases))
    return found


def summary(profile: str, scores: list[dict[str, float]], categories: list[str]) -> dict[str, object]:
    means = {name: float(np.mean([row[name] for row in scores])) for name in scores[0]}
    gains = np.array([row["model"] - row["input"] for row in scores])
    model = np.array([row["model"] for row in scores])
    best = {
        kind: max((name for name in means if name.startswith(kind)), key=means.__getitem__)
        for kind in ("unsharp", "cas")
    }
    by_category = {
        name: {
            "input": float(np.mean([row["input"] for row, c in zip(scores, categories, strict=True) if c == name])),
            "model": float(model[[c == name for c in categories]].mean()),
        }
        for name in sorted(set(categories))
    }
    return {
        "profile": profile,
        "input": means["input"],
        **{f"best {kind}": means[name] for kind, name in best.items()},
        **{f"best {kind} at": float(name.split()[1]) for kind, name in best.items()},
        "model": means["model"],
        "gain": float(gains.mean()),
        "harmed": int((gains < 0).sum()),
        "worst gain": float(gains.min()),
        "worst": float(model.min()),
        "share above 0.90": float((model > 0.90).mean()),
        "pictures": len(scores),
        "categories": by_category,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="small")
    parser.add_argument("--profile", action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cases = find_cases(options.folder, options.profile or PROFILES)
    found = measure(cases, methods(options.model))
    rows = []
    print(f"SSIM of {options.model}\n{HEADER}")
    for profile in dict.fromkeys(case.profile for case in cases):
        chosen = [case for case in cases if case.profile == profile]
        row = summary(profile, [found[profile, case.name] for case in chosen], [case.category for case in chosen])
        rows.append(row)
        print(
            f"{profile:18} {row['input']:7.4f} {row['best unsharp']:7.4f} ({row['best unsharp at']:4.2f})"
            f" {row['best cas']:7.4f} ({row['best cas at']:3.1f}) {row['model']:7.4f} {row['gain']:+8.4f}"
            f" {row['harmed']:3}/{row['pictures']:3} {row['share above 0.90']:7.1%}"
        )
    if options.json:
        options.json.write_text(json.dumps({"model": options.model, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
