"""The work that is timed: clearcall's ways through a frame, and FFmpeg's filters on the same frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import Interpolation, VideoReformatter

from clearcall.bundle import bundled_models, read_bundle
from clearcall.degrade.scale import resize
from clearcall.demo.scene import CallScene
from clearcall.errors import ClearcallError
from clearcall.frame import Frame
from clearcall.media.colour import Colours, from_rgb, to_planes, to_rgb
from clearcall.runtime.engine import ONNXGraph
from clearcall.runtime.folding import Network, fold
from clearcall.runtime.loading import load
from clearcall.runtime.packed_graph import read_network
from clearcall.runtime.sharpener import Sharpener

WIDTH: Final = 1920
HEIGHT: Final = 1080
SMALL_HEIGHT: Final = 360
_FRAMES: Final = 8
_BT709: Final = Colours(matrix=1, range=1, siting="left")
_RGB: Final = 3
_YUV: Final = 1.5


@dataclass(frozen=True)
class Bar:
    """What a row's median must not exceed.

    Attributes:
        factor: Of the row that is named, or milliseconds where none is.
        of: Name of a row, or nothing.
    """

    factor: float
    of: str = ""


@dataclass(frozen=True)
class Work:
    """One row of the benchmark.

    Attributes:
        name: The row's name.
        run: Does the work for frame number i.
        operations: Multiplications and additions in 8 bits for one frame; 0 where they aren't counted.
        moved: Bytes of the frames that go in and come out.
        threads: How many it may use.
        bar: What it must not exceed, if anything.
    """

    name: str
    run: Callable[[int], object]
    operations: float = 0
    moved: float = 0
    threads: int = 1
    bar: Bar | None = None


def all_work(threads: int) -> list[Work]:
    """Everything that ``clearcall bench speed`` times at 1920x1080.

    Args:
        threads: For the rows that aren't those of one core.
    """
    rgb = [received(frame) for frame in CallScene(HEIGHT, frames=_FRAMES)]
    yuv = [from_rgb(frame, "yuv420p", _BT709) for frame in rgb]
    layouts = {"gbrp": [from_rgb(frame, "gbrp", Colours(matrix=0, range=2)) for frame in rgb], "yuv420p": yuv}
    filters = [
        _filtered(name, options, layout, threads, frames)
        for name, options in (("cas", "0.5"), ("unsharp", "5:5:1.5:5:5:0"))
        for layout, frames in layouts.items()
    ]
    ours = [
        _rgb_to_rgb("small", threads, rgb, Bar(0.7, "FFmpeg cas, gbrp")),
        *([_rgb_to_rgb("small", 1, rgb, Bar(1000 / 40))] if threads > 1 else []),
        _yuv_to_yuv("small", threads, yuv, Bar(0.8, _name("small", "RGB", threads))),
        _yuv_by_way_of_rgb("small", threads, yuv),
        *_others(threads, rgb, yuv),
    ]
    return [*ours, *filters]


def received_frame() -> Frame:
    """One 1920x1080 frame of the call that is timed."""
    return received(next(iter(CallScene(HEIGHT, frames=1))))


def received(frame: Frame) -> Frame:
    """A frame that was sent at half its size, as a viewer has it; models with a gate leave alone what lost nothing.

    Args:
        frame: uint8 HWC RGB.

    Example:
        >>> received(np.zeros((8, 10, 3), np.uint8)).shape
        (8, 10, 3)
    """
    height, width = frame.shape[:2]
    return resize(resize(frame, width // 2, height // 2, "bicubic"), width, height, "bicubic")


def _others(threads: int, rgb: list[Frame], yuv: list[av.VideoFrame]) -> list[Work]:
    sent = [frame.reformat(width=SMALL_HEIGHT * WIDTH // HEIGHT, height=SMALL_HEIGHT) for frame in yuv]
    models = [name for name in ("small", "nano") if name in bundled_models()]
    displayed = [_received_to_displayed(name, sent) for name in models]
    if "nano" not in models:
        return displayed
    return [
        _yuv_to_yuv("nano", threads, yuv, Bar(1.1, "FFmpeg unsharp, yuv420p")),
        _rgb_to_rgb("nano", threads, rgb, None),
        *displayed,
    ]


def _name(model: str, layout: str, threads: int) -> str:
    return f"clearcall {model}, {layout} to {layout}, {_cores(threads)}"


def _cores(threads: int) -> str:
    return "1 core" if threads == 1 else f"{threads} cores"


def _rgb_to_rgb(model: str, threads: int, frames: list[Frame], bar: Bar | None) -> Work:
    sharpener = load(model, threads=threads, device="cpu")
    operations = _operations(_network(model))
    moved = 2 * _RGB * WIDTH * HEIGHT
    check_at_work(sharpener, frames)
    run = _cycling(frames, sharpener.following().sharpen)
    return Work(_name(model, "RGB", threads), run, operations, moved, threads, bar)


def _yuv_to_yuv(model: str, threads: int, frames: list[av.VideoFrame], bar: Bar | None) -> Work:
    run = _cycling(frames, _plane_sharpener(load(model, threads=threads, device="cpu")))
    operations = _operations(fold(_network(model), _BT709.specified(HEIGHT)))
    return Work(_name(model, "yuv420p", threads), run, operations, 2 * _YUV * WIDTH * HEIGHT, threads, bar)


def _yuv_by_way_of_rgb(model: str, threads: int, frames: list[av.VideoFrame]) -> Work:
    """Planes as one would have them sharpened without ``sharpen_yuv``: made RGB, sharpened, and made planes again."""
    stream = load(model, threads=threads, device="cpu").following()
    run = _cycling(frames, lambda frame: from_rgb(stream.sharpen(to_rgb(frame)), "yuv420p", _BT709))
    name = f"clearcall {model}, yuv420p by way of RGB, {_cores(threads)}"
    return Work(name, run, _operations(_network(model)), 2 * _YUV * WIDTH * HEIGHT, threads)


def _received_to_displayed(model: str, frames: list[av.VideoFrame]) -> Work:
    """The decoder's frame blown up by bicubic interpolation, as any player does, then sharpened where it is shown."""
    sharpen = _plane_sharpener(load(model, threads=1, device="cpu"))
    reformatter = VideoReformatter()

    def run(frame: av.VideoFrame) -> object:
        large = reformatter.reformat(frame, WIDTH, HEIGHT, interpolation=Interpolation.BICUBIC, threads=1)
        return sharpen(large)

    operations = _operations(fold(_network(model), _BT709.specified(HEIGHT)))
    moved = _YUV * WIDTH * HEIGHT * (1 + SMALL_HEIGHT**2 / HEIGHT**2)
    name = f"clearcall {model}, 360p received to 1080p displayed, 1 core"
    return Work(name, _cycling(frames, run), operations, moved, 1, Bar(1000 / 30))


def _plane_sharpener(sharpener: Sharpener) -> Callable[[av.VideoFrame], object]:
    """Sharpen into planes that are there already, as a pipeline with a pool of frames does."""
    target = to_planes(av.VideoFrame(WIDTH, HEIGHT, "yuv420p"))
    out = tuple(np.empty(plane.shape, np.uint8) for plane in target)
    stream = sharpener.following()
    return lambda frame: stream.sharpen_yuv(*to_planes(frame), colours=_BT709, out=out)  # type: ignore[arg-type]


def _filtered(name: str, options: str, layout: str, threads: int, frames: list[av.VideoFrame]) -> Work:
    graph = Graph()
    graph.threads = threads
    source = graph.add("buffer", f"video_size={WIDTH}x{HEIGHT}:pix_fmt={layout}:time_base=1/30:pixel_aspect=1/1")
    sharpen = graph.add(name, options)
    source.link_to(sharpen)
    sharpen.link_to(graph.add("buffersink"))
    graph.configure()

    def run(frame: av.VideoFrame) -> object:
        graph.vpush(frame)
        return graph.vpull()

    samples = _RGB if layout == "gbrp" else _YUV
    moved = 2 * samples * WIDTH * HEIGHT
    return Work(f"FFmpeg {name}, {layout}", _cycling(frames, run), moved=moved, threads=threads)


def check_at_work(sharpener: Sharpener, frames: Sequence[Frame]) -> None:
    """Refuse to time a model that leaves the frames alone.

    Raises:
        ClearcallError: It gives one of them back as it is.
    """
    if any(np.array_equal(sharpener.sharpen(frame), frame) for frame in frames):
        raise ClearcallError(
            f"The model {sharpener.name} leaves frames of this benchmark as they are, so its work can't be timed; "
            "degrade them more in clearcall/benchmark/work.py."
        )


def _cycling(frames: Sequence[Any], run: Callable[[Any], object]) -> Callable[[int], object]:
    return lambda number: run(frames[number % len(frames)])


def _network(model: str) -> Network:
    bundle = read_bundle(bundled_models()[model])
    return read_network(ONNXGraph(bundle.graph("float32")).model(), bundle.card.multiple_of)


def _operations(network: Network) -> float:
    """Multiplications and additions of the convolutions for one frame."""
    blocks = (WIDTH // network.stride) * (HEIGHT // network.stride)
    weights = sum(layer.weight[:, : layer.weight.shape[1] - layer.ones].size for layer in network.layers)
    return 2.0 * weights * blocks
