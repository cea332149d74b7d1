"""Draw the curve of a training run: SSIM gained over the input, per profile, over the epochs.

python benchmarks/curve.py runs/small/curve.csv docs/models/small-curve.svg
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 360, 64, 40, 24, 170
COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed")
PREFIX = "val/gain "


def main(source: Path, target: Path) -> None:
    with source.open(newline="") as file:
        rows = list(csv.DictReader(file))
    series = {
        name.removeprefix(PREFIX): [float(row[name]) for row in rows] for name in rows[0] if name.startswith(PREFIX)
    }
    epochs = [int(row["epoch"]) for row in rows]
    first, last = epochs[0], epochs[-1]
    low = min(0.0, *(min(line) for line in series.values()))
    high = max(max(line) for line in series.values())
    span = (high - low) or 1.0

    def place(epoch: int, value: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * (epoch - first) / max(last - first, 1)
        return across, HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value - low) / span

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for tick in range(6):
        value = low + span * tick / 5
        _, y = place(first, value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#4b5563">{value:+.3f}</text>')
    for (name, line), colour in zip(series.items(), COLOURS, strict=False):
        points = " ".join(
            "{:.1f},{:.1f}".format(*place(epoch, value)) for epoch, value in zip(epochs, line, strict=True)
        )
        x, y = place(last, line[-1])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{name} {line[-1]:+.4f}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 12}" fill="#4b5563">epoch {first} to {last}</text>')
    parts.append(f'<text x="{LEFT}" y="14" fill="#111827">SSIM gained over the input, held-out pictures</text></svg>')
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
