"""The encoder that fits a container, and the pixel format that loses least."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from clearcall.errors import OutputError, RecipeError
from clearcall.media.encoder import CODECS, Encoding, choose_encoder, choose_pixel_format


@pytest.mark.parametrize(
    ("suffix", "deep", "encoder"),
    [
        (".mp4", False, "libx264"),
        (".mov", False, "libx264"),
        (".mkv", False, "libx264"),
        (".ts", False, "libx264"),
        (".avi", False, "libx264"),
        (".mp4", True, "libx265"),
        (".webm", False, "libvpx-vp9"),
        (".webm", True, "libsvtav1"),
        (".gif", False, "gif"),
    ],
)
def test_the_default_fits_the_container(tmp_path: Path, suffix: str, deep: bool, encoder: str) -> None:
    with av.open(str(tmp_path / f"a{suffix}"), "w") as container:
        assert choose_encoder(Encoding(), container, deep).name == encoder


def test_options_of_the_known_codecs(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        for codec, known in CODECS.items():
            chosen = choose_encoder(Encoding(codec, 20, "7"), container, deep=False)
            assert (chosen.name, chosen.options["crf"], chosen.has_quality) == (known.encoder, "20", True)
            assert chosen.options[known.preset_option] == "7"
            with pytest.raises(RecipeError, match="out of range"):
                choose_encoder(Encoding(codec, -1), container, deep=False)
        assert not choose_encoder(Encoding("ffv1"), container, deep=False).has_quality
        assert choose_encoder(Encoding("hevc"), container, deep=False).name == "libx265"


@pytest.mark.parametrize(
    ("encoder", "source", "size", "expected"),
    [
        ("libx264", "yuv420p", (64, 48), "yuv420p"),
        ("libx264", "yuvj420p", (64, 48), "yuv420p"),
        ("libx264", "yuvj422p", (64, 48), "yuv422p"),
        ("libx264", "yuv420p", (63, 48), "yuv444p"),
        ("libx264", "yuv420p", (64, 47), "yuv422p"),
        ("libx264", "nv12", (64, 48), "yuv420p"),
        ("libx264", "yuv420p10le", (63, 48), "yuv444p10le"),
        ("libx264", "gray", (63, 47), "gray"),
        ("libx264", "yuv420p12le", (64, 48), "yuv420p10le"),
        ("libx265", "gbrp", (64, 48), "gbrp"),
        ("libvpx-vp9", "yuv420p", (63, 47), "yuv420p"),
        ("libsvtav1", "yuv422p10le", (64, 48), "yuv420p10le"),
        ("prores_ks", "yuv420p", (64, 48), "yuv422p10le"),
    ],
)
def test_the_pixel_format_that_loses_least(encoder: str, source: str, size: tuple[int, int], expected: str) -> None:
    assert choose_pixel_format(encoder, source, *size) == expected


def test_a_size_that_an_encoder_has_no_pixel_format_for() -> None:
    with pytest.raises(OutputError, match=r"libsvtav1 can't write frames of 63x47; use --codec h264"):
        choose_pixel_format("libsvtav1", "yuv420p", 63, 47)
