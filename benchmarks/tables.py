"""Print the tables of docs/benchmarks.md from the results of `clearcall bench quality`.

python benchmarks/tables.py RESULTS.json [--json benchmarks/results/quality.json]

``--json`` keeps all figures but those of single pictures, rounded to six digits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clearcall.errors import InputError
from clearcall.evaluation.quality.bars import TEACHER, TEACHER_IN_VIEWS, Bar
from clearcall.evaluation.quality.summary import ALL, CODED

RIVALS = ("input", "lanczos", "unsharp", "cas")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    path = asked.results
    try:
        found = json.loads(path.read_bytes())
        lines = list(tables(found))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} holds no results of clearcall bench quality ({error}); give a results.json."
        ) from error
    print("\n\n".join(lines))
    if asked.json:
        kept = rounded({name: value for name, value in found.items() if name != "records"})
        asked.json.write_text(json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def tables(found: dict[str, Any]) -> Iterator[str]:
    counts = found["sources"]
    yield f"{counts['measured']} of {counts['of']} pictures and clips, clearcall {found['clearcall']}."
    bars = [Bar(**bar) for bar in found["bars"]]
    rows = [[bar.figure, f"`{bar.model}`", bar.asked, bar.found, bar.verdict] for bar in bars]
    yield table(["figure", "model", "bar", "measured", ""], rows, right=0)
    yield table(*links(found))
    for profile in ("bicubic-x2", CODED):
        columns, rows = categories(found, profile)
        if rows:
            yield f"By category, `{profile}`:"
            yield table(columns, rows)
    yield "Bits saved at equal SSIM (BD-rate), 95 % interval over pictures:"
    yield table(*saved(found))


def links(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    methods, models = methods_of(found), found["models"]
    rows = [
        [
            f"`{summary['profile']}`",
            *(mean(summary, method) for method in methods),
            *(f"{summary['gains'][model]['ssim']['mean']:+.4f}" for model in models),
            *(f"{summary['gains'][model]['harmed']}" for model in models),
        ]
        for summary in found["summaries"]
        if summary["category"] == ALL
    ]
    gains, harmed = ([f"{what} `{model}`" for model in models] for what in ("gain", "harmed"))
    return ["link", *(f"`{method}`" for method in methods), *gains, *harmed], rows


def categories(found: dict[str, Any], profile: str) -> tuple[list[str], list[list[str]]]:
    methods = methods_of(found)
    rows = [
        [summary["category"], str(summary["count"]), *(mean(summary, method) for method in methods)]
        for summary in found["summaries"]
        if summary["profile"] == profile
    ]
    return ["category", "pictures", *(f"`{method}`" for method in methods)], rows


def saved(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    rates = found["bd_rate"]["ssim"]
    methods = list(next(iter(rates.values())))
    return ["codec", *(f"`{method}`" for method in methods)], [
        [codec, *(rate(of[method]) for method in methods)] for codec, of in rates.items()
    ]


def rate(saved_bits: dict[str, float] | None) -> str:
    if saved_bits is None:
        return "-"
    if saved_bits["low"] is None:
        return f"{saved_bits['percent']:+.1f} %"
    return f"{saved_bits['percent']:+.1f} % ({saved_bits['low']:+.1f} to {saved_bits['high']:+.1f})"


def methods_of(found: dict[str, Any]) -> list[str]:
    """The rivals and the models, and the teacher where it was measured."""
    measured = {method for summary in found["summaries"] for method in summary["spreads"]}
    return [method for method in (*RIVALS, *found["models"], TEACHER, TEACHER_IN_VIEWS) if method in measured]


def mean(summary: dict[str, Any], method: str) -> str:
    return f"{summary['spreads'][method]['mean']['ssim']:.4f}" if method in summary["spreads"] else "-"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: int | None = None) -> str:
    numbers = len(columns) - 1 if right is None else right
    rule = ["---"] * (len(columns) - numbers) + ["---:"] * numbers
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


if __name__ == "__main__":
    main()
