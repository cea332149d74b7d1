"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from PIL import Image

from clearcall.bundle import bundled_models, read_bundle, write_bundle
from clearcall.runtime.gate import MEASURES, Gate

NTSC = Fraction(30000, 1001)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled graphs go to a folder of this run, not to the user's."""
    if "CLEARCALL_CACHE" in os.environ:
        yield
        return
    os.environ["CLEARCALL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["CLEARCALL_CACHE"]


def picture(width: int, height: int, step: int = 0) -> np.ndarray:
    """A smooth colourful pattern (so that half-size colour planes hold it), moved by ``step`` pixels."""
    across = 2 * np.pi * (np.arange(width) + step) / max(width, 2)
    down = 2 * np.pi * np.arange(height)[:, None] / max(height, 2)
    waves = [np.sin(across + down), np.cos(across - 2 * down), np.sin(2 * across + down + 1)]
    return np.rint(128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)


def add_video(
    container: Any, codec: str, pts: Sequence[int], time_base: Fraction, **options: Any
) -> Callable[[], None]:
    """Add a video stream; the function returned encodes its frames, once all streams are there."""
    width, height = options.get("size", (64, 48))
    stream = container.add_stream(codec, NTSC, options=options.get("codec_options", {}))
    encoder = stream.codec_context
    encoder.width, encoder.height, encoder.pix_fmt = width, height, options.get("pixel_format", "yuv420p")
    stream.time_base = encoder.time_base = time_base
    if ratio := options.get("sample_aspect_ratio"):
        encoder.sample_aspect_ratio = ratio
    if colours := options.get("colours"):
        encoder.colorspace, encoder.color_range, encoder.color_primaries, encoder.color_trc = colours
    if rotation := options.get("rotation"):
        stream.set_display_rotation(rotation)
    stream.metadata["language"] = "eng"

    def encode() -> None:
        for index, time in enumerate(pts):
            rgb = av.VideoFrame.from_ndarray(picture(width, height, 3 * index), "rgb24")
            matrix, signal_range = colours[:2] if colours else (2, 0)
            frame = rgb.reformat(
                format=encoder.pix_fmt,
                dst_colorspace={1: "ITU709", 9: "BT2020"}.get(matrix, "ITU601"),
                dst_color_range=signal_range,
                interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            )
            frame.colorspace, frame.color_range = matrix, signal_range
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    return encode


def add_sound(container: Any, codec: str, language: str, **attributes: Any) -> Callable[[], None]:
    stream = container.add_stream(codec, rate=48000)
    stream.metadata["language"] = language
    for name, value in attributes.items():
        setattr(stream, name, value)
    layout = stream.codec_context.format

    def encode() -> None:
        noise = np.random.default_rng(len(language)).normal(0, 3000, (40, 2, 960)).astype(np.int16)
        resampler = av.AudioResampler(layout.name, "stereo", 48000)
        for index, samples in enumerate(noise[:20]):
            frame = av.AudioFrame.from_ndarray(samples, "s16p", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, index * 960, Fraction(1, 48000)
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))

    return encode


def add_subtitles(container: Any, codec: str) -> Callable[[], None]:
    stream = container.add_mux_stream(codec)
    stream.time_base = Fraction(1, 1000)
    stream.metadata["language"] = "deu"

    def mux() -> None:
        for start, text in ((0, b"Guten Tag"), (200, b"Auf Wiedersehen")):
            packet = av.Packet(len(text).to_bytes(2, "big") + text if codec == "mov_text" else text)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = start
            packet.duration = 150
            container.mux(packet)

    return mux


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Make a small real video: ``make_video("a.mkv", codec=..., sound="aac", subtitles="subrip", ...)``."""

    def make(
        name: str,
        codec: str = "libx264",
        pts: Sequence[int] = tuple(range(0, 12 * 1001, 1001)),
        time_base: Fraction = Fraction(1, 30000),
        sound: str | None = None,
        subtitles: str | None = None,
        **options: Any,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", container_options=options.get("muxer", {})) as container:
            container.metadata.update(options.get("metadata", {"title": "A call"}))
            works = [add_video(container, codec, pts, time_base, **options)] if codec else []
            if sound:
                works.append(add_sound(container, sound, "deu"))
                impaired = av.stream.Disposition.hearing_impaired
                works.append(add_sound(container, sound, "fra", disposition=impaired))
            if subtitles:
                works.append(add_subtitles(container, subtitles))
            if font := options.get("attachment"):
                container.add_attachment("font.ttf", "font/ttf", font)
            container.set_chapters(options.get("chapters", []))
            for work in works:
                work()
        return path

    return make


@pytest.fixture
def make_pairs() -> Callable[..., Path]:
    """Write small pairs: ``make_pairs(root, "train/GOPR0372_07_00", 3, official=True)``; each picture is different."""

    def make(root: Path, where: str, count: int, official: bool = True, blur: str = "blur") -> Path:
        split, _, sequence = where.rpartition("/")
        for number in range(count):
            sharp = picture(32, 24, sum(map(ord, where)) % 97 + 5 * number)
            soft = (sharp.astype(np.uint16) + np.roll(sharp, 1, axis=1)) // 2
            for side, pixels in ((blur, soft.astype(np.uint8)), ("sharp", sharp)):
                folder = root / where / side if official else root / split / side
                name = f"{number + 1:06d}.png" if official else f"{sequence}_{number + 1:04d}.png"
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / name)
        return root

    return make


@pytest.fixture(scope="session")
def experts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose gate sends frames with many edges to ``other``, flat ones nowhere, and the rest to all links'."""
    small, large = (read_bundle(bundled_models()[name]).without_experts() for name in ("small", "large"))
    graphs = [{"int8": each.graph("int8"), "float32": each.graph("float32")} for each in (small, large)]
    weight = np.zeros((3, MEASURES), np.float32)
    weight[1, -1] = weight[2, -3] = 100
    bias = np.array([0, -10, -99.5], np.float32)
    none, one = np.zeros(MEASURES, np.float32), np.ones(MEASURES, np.float32)
    gate = Gate(("general", "other", "untouched"), none, one, ((weight, bias),))
    folder = tmp_path_factory.mktemp("bundles") / "experts"
    card = replace(small.card, name="experts")
    return write_bundle(folder, card, graphs[0], experts={"other": graphs[1]}, gate=gate.written()).folder
