"""Videos of 8-bit 4:2:0 are sharpened on their own planes, others by way of RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watched_video import MakeVideo, Unchanged, colours, frames_of

import clearcall
from clearcall.media.colour import Colours, to_planes
from clearcall.media.encoder import Encoding
from clearcall.runtime.experts import ExpertSharpener
from clearcall.runtime.gate import GENERAL
from clearcall.runtime.video import sharpen_video


class PlanesOnly(Unchanged):
    """Takes planes, and says so if it was given RGB."""

    reach, multiple_of = 8, 2

    def __init__(self) -> None:
        super().__init__()
        self.colours: set[Colours] = set()

    def sharpen_yuv(self, y: Any, u: Any, v: Any, *, colours: Colours, strength: float = 1.0, out: Any = None) -> Any:
        self.colours.add(colours)
        out = out or tuple(np.empty_like(plane) for plane in (y, u, v))
        for target, plane in zip(out, (y, u, v), strict=True):
            target[:] = plane
        return out


@pytest.mark.parametrize("tags", [(5, 2, 5, 6), (6, 1, 6, 6), (1, 1, 1, 1), (2, 0, 2, 2)])
@pytest.mark.parametrize("size", [(64, 48), (66, 50)])
def test_4_2_0_is_sharpened_on_its_own_planes(
    make_video: MakeVideo, tmp_path: Path, tags: tuple[int, ...], size: tuple[int, int]
) -> None:
    """Without RGB, bit for bit, and with the tags that the file has."""
    source = make_video("a.mp4", colours=tags, size=size)
    sharpener = PlanesOnly()
    sharpen_video(source, tmp_path / "b.mkv", sharpener, encoding=Encoding("ffv1"))
    assert sharpener.shapes == set()
    assert {(entry.matrix, entry.range, entry.primaries, entry.transfer) for entry in sharpener.colours} == {tags}
    assert {entry.siting for entry in sharpener.colours} == {"left"}
    assert colours(tmp_path / "b.mkv") == tags
    for before, after in zip(frames_of(source), frames_of(tmp_path / "b.mkv"), strict=True):
        np.testing.assert_array_equal(before.to_ndarray(), after.to_ndarray())


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("b.mkv", {"pixel_format": "yuv444p"}),
        ("b.mkv", {"codec": "ffv1", "pixel_format": "yuv420p10le"}),
        ("b.mkv", {"codec": "libvpx-vp9", "size": (63, 47)}),  # H.264 takes it as 4:4:4
        ("b.ts", {"rotation": 90}),
    ],
)
def test_other_frames_go_by_way_of_rgb(
    make_video: MakeVideo, tmp_path: Path, target: str, options: dict[str, Any]
) -> None:
    sharpener = PlanesOnly()
    sharpen_video(make_video("a.mkv", **options), tmp_path / target, sharpener)
    assert (len(sharpener.shapes), sharpener.colours) == (1, set())


@pytest.mark.parametrize("size", [(96, 64), (97, 63)])
def test_planes_and_rgb_agree(make_video: MakeVideo, tmp_path: Path, size: tuple[int, int]) -> None:
    """One set of weights of the bundled model on planes beside the same one on RGB."""
    source = make_video("a.webm", codec="libvpx-vp9", size=size)
    model = clearcall.load("large")
    assert isinstance(model, ExpertSharpener)
    sharpener = model.expert(GENERAL)

    class RGBOnly:
        def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
            return sharpener.sharpen(frame, strength)

    sharpen_video(source, tmp_path / "planes.mkv", sharpener, encoding=Encoding("ffv1"))
    sharpen_video(source, tmp_path / "rgb.mkv", RGBOnly(), encoding=Encoding("ffv1"))
    for planes, rgb in zip(frames_of(tmp_path / "planes.mkv"), frames_of(tmp_path / "rgb.mkv"), strict=True):
        for found, expected in zip(to_planes(planes), to_planes(rgb), strict=True):
            difference = np.abs(found.astype(int) - expected)
            assert difference.mean() < 0.5
            assert difference.max() <= 6
