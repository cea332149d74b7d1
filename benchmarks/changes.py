"""How much of a video changes from frame to frame, and what `ChangesOnly` makes of it.

python benchmarks/changes.py [VIDEO ...] [--frames 120] [--json FILE]

Each video is decoded as it is, and again after it was sent as a call (H.264 and VP8, 360 lines); beside them a page
that is being typed. Nothing is sharpened: the engine is asked for nothing but the number of pixels. `unchanged` is
the share of 16x16 blocks that are bit for bit those of the frame before; `asked for` is what of all pixels would have
gone through the network; `compare` is the time of comparing, the median of frames, 1080p frames from a cold cache.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

import clearcall
from clearcall.demo.scene import CallScene
from clearcall.media.colour import Colours, to_planes
from clearcall.media.video import VideoSink, VideoSource
from clearcall.runtime.changes import ChangesOnly

BLOCK = 16
CALLS = {"H.264 360p 400 kbit/s": ("libx264", 400), "VP8 360p 500 kbit/s": ("libvpx", 500)}


class Asked:
    """In the place of a sharpener: counts pixels."""

    def __init__(self) -> None:
        model = clearcall.load("small")
        self.reach, self.multiple_of, self.pixels = model.reach, model.multiple_of, 0

    def sharpen_yuv(self, y, u, v, *, colours, strength=1.0, out=None):
        self.pixels += y.size
        return out or (y, u, v)


def typed_page(frames: int) -> Iterator[np.ndarray]:
    """A page of text, 1920x1080, to which a letter is added every third frame."""
    text = "The tanks are full, the towers are clear and the weather holds. " * 40
    for count in range(frames):
        page = Image.new("RGB", (1920, 1080), "white")
        draw = ImageDraw.Draw(page)
        shown = text[: 1200 + count // 3]
        for number, start in enumerate(range(0, len(shown), 120)):
            draw.text((60, 60 + 40 * number), shown[start : start + 120], "black", font_size=26)
        yield np.asarray(page)


def store(path: Path, frames: Iterator[np.ndarray]) -> Path:
    first = next(frames)
    height, width, _ = first.shape
    with VideoSink(path, width=width, height=height, rate=Fraction(30), options={"preset": "veryfast"}) as sink:
        sink.write(first)
        for frame in frames:
            sink.write(frame)
    return path


def send(source: Path, path: Path, codec: str, kbps: int, frames: int) -> Path:
    """As a call sends it: 360 lines, no frames from the future, a fixed rate."""
    options = {"libx264": {"preset": "veryfast", "tune": "zerolatency"}}.get(
        codec, {"deadline": "realtime", "cpu-used": "6"}
    )
    options |= {"maxrate": f"{kbps}k", "bufsize": f"{kbps}k"}
    with VideoSource(source) as video, av.open(str(path), "w") as container:
        stream = container.add_stream(codec, video.info.rate, options=options)
        stream.height, stream.width = 360, round(video.info.width * 180 / video.info.height) * 2
        stream.bit_rate = kbps * 1000
        for number, frame in zip(range(frames), video.frames(), strict=False):
            small = frame.reformat(stream.width, stream.height, "yuv420p")
            small.pts, small.time_base = number, 1 / video.info.rate
            container.mux(stream.encode(small))
        container.mux(stream.encode(None))
    return path


def measure(path: Path, frames: int) -> dict[str, object]:
    asked, total, seconds, unchanged = Asked(), 0, [], []
    changes = ChangesOnly(asked)
    last = None
    with VideoSource(path) as video:
        for _, frame in zip(range(frames), video.frames(), strict=False):
            planes = to_planes(frame)
            before, started = asked.pixels, time.perf_counter()
            changes.sharpen_yuv(*planes, colours=Colours())
            seconds.append(time.perf_counter() - started)
            asked.pixels = min(asked.pixels, before + planes[0].size)
            total += planes[0].size
            if last is not None:
                unchanged.append(still_blocks(last, planes[0]))
            last = planes[0].copy()
    return {
        "size": f"{video.info.width}x{video.info.height}",
        "frames": len(seconds),
        "unchanged": float(np.mean(unchanged)),
        **{name: changes.counts[name] / len(seconds) for name in ("same", "part", "whole")},
        "asked_for": asked.pixels / total,
        "compare_ms": float(np.median(seconds)) * 1e3,
    }


def still_blocks(old: np.ndarray, new: np.ndarray) -> float:
    height, width = (length // BLOCK * BLOCK for length in old.shape)
    same = (old == new)[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return float(same.all(axis=(1, 3)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = [
            *options.videos,
            store(folder / "demo call.mp4", iter(CallScene(1080, frames=options.frames))),
            store(folder / "typed page.mp4", typed_page(options.frames)),
        ]
        for video in videos:
            rows[f"{video.stem}, as it is"] = measure(video, options.frames)
            for link, (codec, kbps) in CALLS.items():
                sent = send(video, folder / "sent.mkv", codec, kbps, options.frames)
                rows[f"{video.stem}, {link}"] = measure(sent, options.frames)
    print("| video | size | unchanged blocks | same | part | whole | pixels asked for | compare |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for label, row in rows.items():
        shares = " | ".join(f"{row[key]:.0%}" for key in ("unchanged", "same", "part", "whole", "asked_for"))
        print(f"| {label} | {row['size']} | {shares} | {row['compare_ms']:.2f} ms |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
