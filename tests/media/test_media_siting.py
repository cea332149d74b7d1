"""Colours stay where they are: half-size colour planes are read and written with the same siting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from clearcall.media.colour import Colours, from_rgb, to_rgb
from clearcall.media.siting import SITINGS, blank, siting_of


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


@pytest.mark.parametrize(
    ("codec", "siting"), [("libx264", "left"), ("libx265", "left"), ("libvpx-vp9", "center"), ("ffv1", "center")]
)
def test_what_decoders_say(make_video: Callable[..., Path], codec: str, siting: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    assert siting_of(first_frame(make_video("a.mkv", codec=codec, codec_options=options))) == siting


@pytest.mark.parametrize("siting", SITINGS)
def test_what_h264_is_told(make_video: Callable[..., Path], siting: str) -> None:
    path = make_video("a.mkv", codec_options={"chroma_sample_location": siting})
    frame = first_frame(path)
    before = to_rgb(frame)
    assert siting_of(frame) == siting
    np.testing.assert_array_equal(to_rgb(frame), before)


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (64, 48)])
def test_the_frame_asked_about_is_left_alone(size: tuple[int, int]) -> None:
    frame = from_rgb(np.full((size[1], size[0], 3), 90, np.uint8), "yuv420p", Colours(1, 1, siting="topleft"))
    before = [bytes(plane) for plane in frame.planes]
    assert siting_of(frame) == "topleft"
    assert [bytes(plane) for plane in frame.planes] == before


@pytest.mark.parametrize("siting", SITINGS)
def test_samples_are_where_they_are_said_to_be(siting: str) -> None:
    """A ramp of colour across and down: each half-size sample has the ramp's value at its own place."""
    across, down = np.meshgrid(np.arange(128), np.arange(128))
    rgb = np.stack([down + 40, 0 * across + 104, across + 40], axis=-1).astype(np.uint8)
    frame = from_rgb(np.ascontiguousarray(rgb), "yuv420p", Colours(1, 2, siting=siting))
    index = 2 * np.arange(64)
    x = index + (0.0 if "left" in siting else 0.5)
    y = index + (0.0 if "top" in siting else 1.0 if "bottom" in siting else 0.5)
    columns, rows = np.meshgrid(x, y)
    luma = 0.2126 * (rows + 40) + 0.7152 * 104 + 0.0722 * (columns + 40)
    expected = 128 + (columns + 40 - luma) / 1.8556
    blue = np.frombuffer(bytes(frame.planes[1]), np.uint8).reshape(64, -1)[:, :64]
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(blue[inner] - expected[inner]).mean() < 0.75
    assert abs((blue[inner] - expected[inner]).mean() + 0.25) < 0.35


def test_a_blank_frame_is_as_asked() -> None:
    frame = blank("left", 7, 5, "rgb48le")
    assert (frame.width, frame.height, frame.format.name, frame.pts) == (7, 5, "rgb48le", None)
