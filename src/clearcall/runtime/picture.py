"""Sharpen a picture file."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from clearcall.media.atomic import atomic_output
from clearcall.media.picture import read_picture, write_picture
from clearcall.runtime.video import FileResult, SharpensFrames


def sharpen_picture(
    source: Path, target: Path, sharpener: SharpensFrames, *, strength: float = 1.0, force: bool = False
) -> FileResult:
    """Sharpen a picture file into another; transparency, profile and EXIF data are kept.

    Args:
        source: A PNG, JPEG, WebP, TIFF or BMP file.
        target: The file to write; its suffix names the format.
        sharpener: What sharpens a frame.
        strength: 0 leaves the pixels as they are, 1 is the model's output, up to 2 exaggerates it.
        force: Replace ``target`` if it exists.

    Returns:
        Counts and time.

    Raises:
        InputError: The source can't be read.
        OutputError: The target can't be written, or can't hold what is in the source.
    """
    started = time.perf_counter()
    with atomic_output(target, force) as unfinished:
        picture = read_picture(source)
        sharp = replace(picture, pixels=sharpener.sharpen(picture.pixels, strength))
        write_picture(sharp, unfinished)
    return FileResult(1, time.perf_counter() - started)
