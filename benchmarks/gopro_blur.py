"""How near blur made by averaging comes to the real pairs that were made from the same frames.

python benchmarks/gopro_blur.py RECORDING PAIRS [--json FILE]

RECORDING is a high-speed video, PAIRS a folder with blur/ and sharp/. For each pair whose sharp picture is a frame of
the recording (nearer than 40 dB), every average of 5 to 15 frames that holds this frame is compared with the real
blurred picture at a quarter of the size, at gamma 1 and 2.2; the nearest is then measured at full size. For reference:
how near the sharp frame comes to the real blurred one, and how near the recording's frame comes to the sharp picture of
the pair (what the recording has lost by its coding).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

import numpy as np

from clearcall.data.layout import find_layout
from clearcall.degrade.exposure import average
from clearcall.evaluation.metrics import psnr, ssim
from clearcall.media.picture import read_frame
from clearcall.media.video import VideoSource, to_rgb

SAME_FRAME_DB = 40.0
GAMMAS = (1.0, 2.2)
COUNTS = range(5, 16)


def decode(recording: Path) -> Iterator[np.ndarray]:
    with VideoSource(recording) as video:
        yield from (to_rgb(frame) for frame in video.frames())


def small(frame: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frame[::4, ::4])


def nearest_frame(sharp: np.ndarray, smalls: list[np.ndarray]) -> int | None:
    """Number of the recording's frame that a sharp picture is, if it is one."""
    figures = [psnr(frame, small(sharp)) for frame in smalls]
    best = int(np.argmax(figures))
    return best if figures[best] > SAME_FRAME_DB else None


def nearest_average(blurred: np.ndarray, smalls: list[np.ndarray], middle: int) -> tuple[int, int, float]:
    """First frame, count and gamma of the average that comes nearest to a real blurred picture."""
    target = small(blurred)
    best = (-1.0, 0, 0, 0.0)
    for count, gamma in product(COUNTS, GAMMAS):
        for first in range(max(middle - count + 1, 0), min(middle, len(smalls) - count) + 1):
            figure = psnr(average(smalls[first : first + count], gamma), target)
            best = max(best, (figure, first, count, gamma))
    return best[1:]


def measure(recording: Path, pairs: Path) -> list[dict[str, object]]:
    smalls = [small(frame) for frame in decode(recording)]
    found = []
    for pair in find_layout(pairs).splits[0].pairs():
        blurred, sharp = read_frame(pair.degraded), read_frame(pair.sharp)
        middle = nearest_frame(sharp, smalls)
        if middle is None:
            continue
        first, count, gamma = nearest_average(blurred, smalls, middle)
        frames = list(islice(decode(recording), first, first + count))
        made = average(frames, gamma)
        found.append(
            {
                "pair": pair.name,
                "frames": f"{first}-{first + count - 1}",
                "truth": middle,
                "gamma": gamma,
                "made": (psnr(made, blurred), ssim(made, blurred)),
                "sharp": (psnr(sharp, blurred), ssim(sharp, blurred)),
                "coding": (psnr(frames[middle - first], sharp), ssim(frames[middle - first], sharp)),
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure(options.recording, options.pairs)
    print("pair                            frames   truth gamma   made: dB SSIM    sharp: dB SSIM   coding: dB SSIM")
    for row in found:
        figures = "   ".join("{:6.2f} {:.4f}".format(*row[name]) for name in ("made", "sharp", "coding"))
        print(f"{row['pair']:31} {row['frames']:9} {row['truth']:4} {row['gamma']:5}   {figures}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
