"""Write a model card for each bundle: what it is, what it learnt from, what was measured, where it does harm.

python benchmarks/cards.py RESULTS.json ... [--speed benchmarks/results/speed.json] [--manifest MANIFEST.csv]
                           [--bundle FOLDER ...] [-o docs/models]

RESULTS are `results.json` of `clearcall bench quality` and of `clearcall evaluate --benchmark gopro`; of several that
measured a model, each gets its own tables.
The training curve is `NAME-curve.csv` in the cards' folder, and drawn there. Every figure is read from one of these
files; what isn't there is left out, and the card says so.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from curve import main as draw_curve

from clearcall.bundle import Bundle, bundled_models, read_bundle
from clearcall.errors import InputError
from clearcall.evaluation.quality.bars import Bar
from clearcall.media.atomic import atomic_output

DATA = """\
Sharp pictures and screenshots of people, text, nature, games and animals, under CC0, CC-BY, CC-BY-SA, MIT, Apache-2.0,
BSD-3-Clause and CDLA-Permissive-1.0, or in the public domain; each file's source and credit stand in the data's
manifest. All were resized, cropped and encoded again. None of them is in the repository, and none of the pictures that
the scores below were measured on is among them. Part of the people are generated portraits in similar poses."""
BLUR = """
The GOPRO data set (Nah, Kim, Lee, CVPR 2017), CC-BY-4.0, gives the recordings at 240 frames a second and pairs, REDS
(Nah et al., CVPRW 2019), CC-BY-4.0, more pairs."""
LIMITS = """\
It guesses detail, it proves nothing: not for medical, forensic or legal pictures. Skin tones and scenes of the training
pictures are not balanced."""
BLIND = " The same weights serve every link, so no link gets the best that could be done for it."
CHOOSY = """ Which of its sets of weights a frame gets is decided from the frame alone, and for all of it: a screen that
shows the video of a thin link in a corner gets what suits most of it."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--speed", type=Path)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--bundle", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/models"))
    asked = parser.parse_args(arguments)
    results = [(path, _read(path)) for path in asked.results]
    speed = _read(asked.speed) if asked.speed else {}
    for folder in asked.bundle or bundled_models().values():
        text = "\n\n".join(card(read_bundle(folder), results, speed, asked.manifest, asked.output)) + "\n"
        path = asked.output / f"{folder.name}.md"
        with atomic_output(path, force=True) as unfinished:
            unfinished.write_text(text, "utf-8")
        print(path)


def card(
    bundle: Bundle,
    results: Sequence[tuple[Path, dict[str, Any]]],
    speed: dict[str, Any],
    manifest: Path | None,
    folder: Path,
) -> Iterator[str]:
    about, name = bundle.card, bundle.card.name
    layers = ", ".join(f"{key} {value}" for key, value in about.student.items())
    sizes = ", ".join(f"{key} {len(bundle.graph(key)) / 1000:.0f} kB" for key in about.graphs)
    yield f"# {name}"
    yield about.description
    yield f"{about.parameters:,} parameters ({layers}); {sizes}. Licence of the weights: {about.licence}."
    if about.experts:
        yield (
            f"That is what works on a frame. The bundle holds {1 + len(about.experts)} such sets of weights, one for "
            f"all links and one each for a kind of frames: {', '.join(about.experts)}. A gate chooses for each frame, "
            "or leaves it as it is."
        )
    blur = about.training.get("source") == "paired"
    meant = "pictures and recordings that moved during the exposure" if blur else "calls, and recordings of calls"
    yield f"## Meant for\n\nFrames of {meant}. {LIMITS}" + ("" if blur else CHOOSY if about.experts else BLIND)
    yield "## Learnt from\n\n" + DATA + (BLUR if blur else "") + _counted(manifest)
    yield "\n".join(f"- {key}: {value}" for key, value in about.training.items())
    yield _curve(name, folder)
    measured = [(path, found) for path, found in results if name in found.get("models", [found.get("model")])]
    for path, found in measured:
        yield from _pairs(path, found) if found.get("benchmark") == "gopro" else _scores(name, path, found)
    if not measured:
        yield "## Scores\n\nNot measured in the results that this card was made from."
    own = "\n".join(f"- {key}: {value:g}" for key, value in about.scores.items())
    yield f"## Measured by training and export\n\n{about.protocol}\n\n{own}"
    yield _speed(name, speed)


def _scores(name: str, path: Path, found: dict[str, Any]) -> Iterator[str]:
    counts = found["sources"]
    yield (
        f"## Scores: {path.parent.name}\n\n{counts['measured']} of {counts['of']} pictures and clips, "
        f"clearcall {found['clearcall']}. SSIM: {found['protocols']['ssim']}."
    )
    bars = [Bar(**bar) for bar in found["bars"] if bar["model"] == name]
    yield _table(["figure", "bar", "measured", ""], [[b.figure, b.asked, b.found, b.verdict] for b in bars])
    overall = [summary for summary in found["summaries"] if summary["category"] == "all"]
    rivals = [method for method in ("input", "unsharp", "cas", name) if method in overall[0]["spreads"]]
    rows = [
        [
            f"`{summary['profile']}`",
            *(f"{summary['spreads'][method]['mean']['ssim']:.4f}" for method in rivals),
            f"{summary['gains'][name]['ssim']['mean']:+.4f}",
            f"{summary['gains'][name]['harmed']} of {summary['count']}",
            f"{summary['spreads'][name]['ssim_good']:.1%}",
        ]
        for summary in overall
    ]
    yield _table(["link", *rivals, "gain", "harmed", "above 0.90"], rows)
    yield "SSIM gained over the input, by category:"
    yield from _categories(name, found["summaries"])


def _pairs(path: Path, found: dict[str, Any]) -> Iterator[str]:
    records = found["records"]
    yield (
        f"## Blurred pairs: {path.parent.name}\n\n{len(records)} pairs, clearcall {found['clearcall']}. "
        f"SSIM: {found['protocols']['ssim']}."
    )
    rows = [
        [
            row["sequence"],
            str(row["pairs"]),
            *(_change(row, metric, digits) for metric, digits in (("psnr", 2), ("ssim", 4))),
        ]
        for row in found["rows"]
    ]
    yield _table(["sequence", "pairs", "PSNR, dB", "SSIM"], rows)
    better = sum(record["output"]["ssim"] > record["input"]["ssim"] for record in records)
    yield f"SSIM is higher on {better} of {len(records)} pairs."


def _change(row: dict[str, Any], metric: str, digits: int) -> str:
    before, after = row["input"][metric], row["output"][metric]
    return f"{before:.{digits}f} -> {after:.{digits}f} ({after - before:+.{digits}f})"


def _categories(name: str, summaries: Sequence[dict[str, Any]]) -> Iterator[str]:
    gains = {(s["profile"], s["category"]): s["gains"][name]["ssim"]["mean"] for s in summaries}
    names = sorted({category for _, category in gains} - {"all"})
    rows = [
        [f"`{profile}`", *(f"{gains[profile, category]:+.4f}" for category in names)]
        for profile in dict.fromkeys(profile for profile, _ in gains)
    ]
    yield _table(["link", *names], rows)
    harm = [f"`{link}`, {category} ({gain:+.4f})" for (link, category), gain in gains.items() if gain < 0]
    yield "### Where it does harm\n\n" + ("; ".join(harm) + "." if harm else "In no link and category on average.")


def _curve(name: str, folder: Path) -> str:
    source = folder / f"{name}-curve.csv"
    if not source.is_file():
        return "The training curve is not at hand."
    draw_curve(source, source.with_suffix(".svg"))
    return f"![SSIM gained over the epochs]({name}-curve.svg)\n\nThe rows behind it: [{source.name}]({source.name})."


def _speed(name: str, speed: dict[str, Any]) -> str:
    rows = [row for row in speed.get("rows", ()) if row["name"].startswith(f"clearcall {name},")]
    if not rows:
        return "## Speed\n\nNot measured in the results that this card was made from."
    cells = [[row["name"], f"{row['median']:.2f}", f"{row['p5']:.2f}", f"{row['p95']:.2f}"] for row in rows]
    return f"## Speed\n\n1920x1080, ms a frame, on {speed['machine']}.\n\n" + _table(
        ["", "median", "5 %", "95 %"], cells
    )


def _counted(manifest: Path | None) -> str:
    if manifest is None:
        return ""
    with manifest.open(newline="", encoding="utf-8") as file:
        counts = Counter(row["category"] for row in csv.DictReader(file) if row["path"].startswith("train/"))
    each = ", ".join(f"{category} {count}" for category, count in counts.most_common())
    return f"\n\nPictures to train on: {counts.total()} ({each})."


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} holds no results ({error}); give a results.json.") from error


if __name__ == "__main__":
    main()
