"""Conversion between RGB and video formats against the formulas of ITU-R BT.601, BT.709 and BT.2020 in NumPy."""

from __future__ import annotations

import av
import numpy as np
import pytest

from clearcall.media.colour import Colours, from_rgb, is_deep, matrix_of, to_rgb

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
LIMITED, FULL = 1, 2


def reference_yuv(rgb: np.ndarray, matrix: int, signal_range: int, bits: int) -> np.ndarray:
    """RGB in [0, 1] -> Y, Cb, Cr codes, not rounded (ITU-T H.273, 8.3)."""
    red, blue = WEIGHTS[matrix]
    luma = red * rgb[..., 0] + (1 - red - blue) * rgb[..., 1] + blue * rgb[..., 2]
    chroma = [(rgb[..., 2] - luma) / (2 - 2 * blue), (rgb[..., 0] - luma) / (2 - 2 * red)]
    if signal_range == FULL:
        top = 2**bits - 1
        return np.stack([luma * top, *(part * top + 2 ** (bits - 1) for part in chroma)])
    scale = 2 ** (bits - 8)
    return np.stack([(219 * luma + 16) * scale, *((224 * part + 128) * scale for part in chroma)])


def planes_of(frame: av.VideoFrame) -> np.ndarray:
    dtype = np.uint16 if is_deep(frame) else np.uint8
    size = np.dtype(dtype).itemsize
    return np.stack(
        [np.frombuffer(bytes(p), dtype).reshape(p.height, p.line_size // size)[:, : p.width] for p in frame.planes]
    )


def colour_chart() -> np.ndarray:
    """Every combination of five levels per channel, as flat 8x8 blocks."""
    levels = np.array([0, 60, 128, 200, 255], np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(5, 25, 3)
    return np.ascontiguousarray(np.kron(colours, np.ones((8, 8, 1), np.uint8)))


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("signal_range", [LIMITED, FULL])
@pytest.mark.parametrize(("pixel_format", "bits"), [("yuv444p", 8), ("yuv444p10le", 10)])
def test_both_ways_follow_the_standard(matrix: int, signal_range: int, pixel_format: str, bits: int) -> None:
    chart = colour_chart()
    rgb = chart if bits == 8 else chart.astype(np.uint16) * 257
    frame = from_rgb(rgb, pixel_format, Colours(matrix, signal_range, 9, 16))
    expected = reference_yuv(chart / 255, matrix, signal_range, bits)
    assert np.abs(planes_of(frame) - expected).max() <= 2 ** (bits - 8) * 1.6
    back = to_rgb(frame)
    assert back.dtype == rgb.dtype
    assert np.abs(back / (1 if bits == 8 else 257) - chart).max() <= 2.6
    assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (
        matrix,
        signal_range,
        9,
        16,
    )


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12", "yuv422p", "yuv420p10le", "gbrp", "gray", "rgb24"])
def test_a_round_trip_adds_next_to_nothing(pixel_format: str) -> None:
    """No bias (the picture doesn't darken) and less than half a level of noise in luma."""
    smooth = np.linspace(20, 230, 128)[None, :, None] * np.ones((96, 1, 3)) + np.arange(96)[:, None, None] / 8
    rgb = smooth.astype(np.uint8)
    if pixel_format == "yuv420p10le":
        rgb = rgb.astype(np.uint16) * 257
    colours = Colours(1, LIMITED).fit(pixel_format, 96)
    first = from_rgb(np.ascontiguousarray(rgb), pixel_format, colours)
    second = from_rgb(to_rgb(first), pixel_format, colours)
    luma = [np.frombuffer(bytes(frame.planes[0]), np.uint8).astype(int) for frame in (first, second)]
    if pixel_format == "yuv420p10le":
        luma = [part.astype(np.uint8).view(np.uint16).astype(int) / 4 for part in luma]
    difference = luma[1] - luma[0]
    assert abs(difference.mean()) < 0.05
    assert np.sqrt((difference**2).mean()) < 0.5


def test_untagged_frames_count_as_hd_or_sd_and_unknown_matrices_too() -> None:
    frame = av.VideoFrame(640, 360, "yuv420p")
    assert matrix_of(frame).name == "ITU601"
    assert matrix_of(av.VideoFrame(1280, 720, "yuv420p")).name == "ITU709"
    frame.colorspace = 8  # YCgCo
    assert matrix_of(frame).name == "ITU601"


@pytest.mark.parametrize("matrix", range(20))
def test_every_matrix_that_a_file_may_name(matrix: int) -> None:
    frame = from_rgb(colour_chart(), "yuv420p", Colours(6, LIMITED))
    frame.colorspace, frame.color_primaries, frame.color_trc = matrix, 3, 3
    colours = Colours.of(frame)
    assert colours.matrix == matrix
    again = from_rgb(to_rgb(frame), "yuv420p", colours.fit("yuv420p", 48))
    luma = [np.frombuffer(bytes(part.planes[0]), np.uint8).astype(int) for part in (frame, again)]
    assert np.abs(luma[1] - luma[0]).mean() < 2


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 5), (7, 4), (641, 361)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "gbrp", "yuv420p10le"])
def test_any_size(size: tuple[int, int], pixel_format: str) -> None:
    width, height = size
    rgb = np.full((height, width, 3), 40000 if pixel_format.endswith("10le") else 155, np.uint16)
    rgb = rgb if pixel_format.endswith("10le") else rgb.astype(np.uint8)
    back = to_rgb(from_rgb(rgb, pixel_format, Colours(1, LIMITED)))
    assert back.shape == (height, width, 3)
    assert np.abs(back.astype(int) - rgb).max() <= (300 if rgb.dtype == np.uint16 else 2)


@pytest.mark.parametrize("siting", ["left", "center"])
def test_frames_without_tags_are_limited_range_bt601(siting: str) -> None:
    chart = colour_chart()
    frame = from_rgb(chart, "yuv420p", Colours(siting=siting))
    luma = np.frombuffer(bytes(frame.planes[0]), np.uint8).reshape(chart.shape[0], -1)[:, : chart.shape[1]]
    assert np.abs(luma - reference_yuv(chart / 255, 6, LIMITED, 8)[0]).max() <= 1.6
    assert (frame.colorspace, frame.color_range) == (2, 0)


def test_scaling_to_another_size() -> None:
    frame = from_rgb(np.full((10, 20, 3), 77, np.uint8), "yuv420p", Colours(1, LIMITED), (40, 30))
    assert (frame.width, frame.height) == (40, 30)
    assert np.abs(to_rgb(frame).astype(int) - 77).max() <= 1


def test_a_new_frame_has_no_time() -> None:
    frame = from_rgb(np.zeros((4, 4, 3), np.uint8), "yuv420p", Colours(siting="left"))
    assert (frame.pts, frame.time_base, frame.duration) == (None, None, 0)


def test_a_new_frame_does_not_change_with_the_next() -> None:
    for pixel_format in ("rgb24", "yuv420p"):
        first = from_rgb(np.zeros((4, 4, 3), np.uint8), pixel_format, Colours(1, FULL))
        from_rgb(np.full((4, 4, 3), 255, np.uint8), pixel_format, Colours(1, FULL))
        assert to_rgb(first).max() == 0


def test_tags_that_fit_the_pixel_format() -> None:
    assert Colours(0, FULL, 1, 13).fit("yuv420p", 480) == Colours(6, LIMITED, 1, 13)
    assert Colours(9, LIMITED, 9, 16).fit("gbrp", 480) == Colours(0, FULL, 9, 16)
    assert Colours(5, FULL).fit("yuv420p", 1080) == Colours(5, FULL)
