"""From nothing to a folder that shows what clearcall does, through the same code as the other commands."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clearcall.degrade import Profile, Traffic, degrade_clip, get_profile
from clearcall.demo.outcome import Demonstration, FrameScore
from clearcall.demo.page import page
from clearcall.demo.scene import CallScene
from clearcall.demo.split_screen import SplitScreen
from clearcall.evaluation.metrics import psnr, ssim
from clearcall.evaluation.panels import comparison_panel
from clearcall.frame import to_8_bit
from clearcall.media.encoder import Encoding
from clearcall.media.folder import atomic_folder
from clearcall.media.video import VideoSink, VideoSource, to_rgb
from clearcall.runtime.video import SharpensFrames, sharpen_video

Frame = NDArray[np.uint8]
Report = Callable[[int, int | None], None]
Progress = Callable[[str], AbstractContextManager[Report]]

RATE = Fraction(30)
LINK = get_profile("h264-540p-400k")
"""The link of the demonstration: half of 1080p, low-latency H.264 at 400 kbit/s."""

TRUTH, RECEIVED, SHARPENED, SPLIT = "truth.mp4", "received.mp4", "sharpened.mp4", "side-by-side.mp4"
COMPARISON, REPORT = "comparison.png", "report.html"

_CRF = 12.0  # of the clips in the folder: what this loses can't be seen
_PRESET = {"preset": "veryfast"}
_TIMED, _WARM_UP = 40, 5
_WORKERS = 2


class Model(SharpensFrames, Protocol):
    """What is needed of a model here; ``clearcall.load`` gives one."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def device(self) -> str:
        """The hardware, in words."""


@contextmanager
def _silent(label: str) -> Iterator[Report]:
    yield lambda done, total: None


def demonstrate(
    output: Path,
    model: Model,
    *,
    link: Profile = LINK,
    height: int = 1080,
    seconds: float = 4.0,
    force: bool = False,
    progress: Progress = _silent,
) -> Demonstration:
    """Draw a call, send it over a thin link, sharpen it, measure every frame, and leave a folder to look at.

    Each stage reads the clip that the one before wrote, so every figure can be checked with other tools, and memory
    doesn't grow with the length.

    Args:
        output: Folder for ``truth.mp4``, ``received.mp4``, ``sharpened.mp4``, ``side-by-side.mp4``,
            ``comparison.png`` and ``report.html``.
        model: What sharpens.
        link: The thin link.
        height: Lines of the call, even; 1080 at most.
        seconds: Length of the call at 30 frames a second.
        force: Replace results in an existing folder.
        progress: Shows the progress of one stage, given its label.

    Returns:
        What was measured.

    Raises:
        OutputError: The folder can't be written.
    """
    scene = CallScene(height, max(round(seconds * RATE), 2))
    width, lines = link.sent_size(scene.width, scene.height)
    sent_as = f"{width}x{lines}, {link.name}"
    with atomic_folder(output, force) as folder:
        with progress("drawing a call") as report:
            _write(folder / TRUTH, _counted(scene, len(scene), report))
        with progress("sending it over a thin link") as report:
            kbps = _send(folder, link, len(scene), report)
        sharpen_fps = _speed(model, next(_frames(folder / RECEIVED)))
        with progress("sharpening it") as report:
            file_fps = _sharpen(folder, model, report)
        with progress("measuring every frame") as report:
            split = SplitScreen(scene.width, scene.height, f"Received ({link.name})", f"Sharpened ({model.name})")
            scores = _measure(folder, split, len(scene), report)
        shown = Demonstration(
            scene.width, scene.height, sent_as, kbps, model.name, model.device, scores, sharpen_fps, file_fps
        )
        _show(folder, shown)
    return shown


def _send(folder: Path, link: Profile, count: int, report: Report) -> float:
    """Write what the viewer receives; return the kilobits a second that it took."""
    traffic = Traffic()
    received = degrade_clip(_frames(folder / TRUTH), RATE, link, traffic=traffic)
    _write(folder / RECEIVED, _counted(received, count, report))
    return traffic.kbps(RATE)


def _sharpen(folder: Path, model: Model, report: Report) -> float:
    """Sharpen the received clip as ``clearcall sharpen`` does; return its frames a second."""
    result = sharpen_video(
        folder / RECEIVED, folder / SHARPENED, model, encoding=Encoding(crf=_CRF), on_progress=report
    )
    return result.frames / result.seconds


def _speed(model: Model, frame: Frame) -> float:
    """Frames a second of sharpening alone: median of many calls, warm-up left out, nothing else running."""
    times = []
    for _ in range(_WARM_UP + _TIMED):
        started = time.perf_counter()
        model.sharpen(frame)
        times.append(time.perf_counter() - started)
    return 1 / median(times[_WARM_UP:])


def _measure(folder: Path, split: SplitScreen, count: int, report: Report) -> tuple[FrameScore, ...]:
    """Score every frame of both clips against the truth, and write the clip that shows both."""
    trios = zip(*(_frames(folder / name) for name in (RECEIVED, SHARPENED, TRUTH)), strict=True)

    def joined_while_scoring() -> Iterator[Frame]:
        for number, (received, sharpened, truth) in enumerate(trios):
            pending.append(pool.submit(_score, received, sharpened, truth))
            yield split.join(received, sharpened, float(number / RATE))
            if len(pending) > _WORKERS:
                scores.append(pending.popleft().result())

    scores: list[FrameScore] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        pending: deque[Future[FrameScore]] = deque()
        _write(folder / SPLIT, _counted(joined_while_scoring(), count, report))
        scores.extend(future.result() for future in pending)
    return tuple(scores)


def _score(received: Frame, sharpened: Frame, truth: Frame) -> FrameScore:
    return FrameScore(ssim(received, truth), ssim(sharpened, truth), psnr(received, truth), psnr(sharpened, truth))


def _show(folder: Path, shown: Demonstration) -> None:
    """The picture and the page, of the frame with the median gain."""
    number = shown.typical_frame
    score = shown.scores[number]
    received, sharpened, truth = (
        next(islice(_frames(folder / name), number, None)) for name in (RECEIVED, SHARPENED, TRUTH)
    )
    notes = (f"SSIM {score.ssim_before:.3f}", f"SSIM {score.ssim_after:.3f}")
    panel = comparison_panel(received, sharpened, truth, notes=notes, width=1920)
    Image.fromarray(panel).save(folder / COMPARISON)
    clips = (SPLIT, RECEIVED, SHARPENED, TRUTH)
    (folder / REPORT).write_text(page(shown, received, sharpened, truth, clips), "utf-8")


def _write(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames, of which there must be at least one, as they come."""
    coming = iter(frames)
    first = next(coming)
    height, width = first.shape[:2]
    with VideoSink(path, width=width, height=height, rate=RATE, crf=_CRF, options=_PRESET) as sink:
        sink.write(first)
        for frame in coming:
            sink.write(frame)


def _frames(path: Path) -> Iterator[Frame]:
    with VideoSource(path) as source:
        yield from (to_8_bit(to_rgb(frame)) for frame in source.frames())


def _counted(frames: Iterable[Frame], count: int, report: Report) -> Iterator[Frame]:
    for number, frame in enumerate(frames):
        yield frame
        report(number + 1, count)
