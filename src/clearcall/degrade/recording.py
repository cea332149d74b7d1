"""A high-speed recording on disk becomes pairs of blurred and sharp frames, as GoPro's were made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clearcall.degrade.exposure import FRAMES, GAMMA, exposures
from clearcall.errors import InputError, OutputError
from clearcall.frame import Frame, to_8_bit
from clearcall.media.atomic import atomic_output
from clearcall.media.picture import PICTURE_SUFFIXES, Picture, read_frame, write_picture
from clearcall.media.video import VideoSource, to_rgb

Report = Callable[[int, int | None], None]
"""Called with the frames passed so far and their total (None when it is not known)."""

SIDES = ("blur", "sharp")
SLOWEST_RATE = 100
"""Below so many frames a second an average shows separate ghosts instead of blur."""


@dataclass
class Blurred:
    """What became of a recording.

    Attributes:
        made: Pairs written.
        kept: Pairs that were there already.
        notes: What should be known about them; a phrase each.
    """

    made: int = 0
    kept: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass
class _Recording:
    """Frames to read once, and what is known of them."""

    frames: Iterator[Frame]
    count: int | None
    notes: list[str]


def blur_recording(
    source: Path,
    folder: Path,
    *,
    counts: tuple[int, int] = FRAMES,
    stride: int | None = None,
    gamma: float = GAMMA,
    seed: int = 0,
    force: bool = False,
    on_progress: Report | None = None,
) -> Blurred:
    """Write ``blur/`` and ``sharp/`` pairs of a recording, in GoPro's flat layout.

    The pairs are named ``SEQUENCE_NUMBER_avgCOUNT.png``: the source's name, the number of the sharp frame in it, and
    how many frames were averaged. Each file appears whole or not at all; what an interrupted call has written is
    kept by the next one with the same options, which are noted in ``SEQUENCE.blur.json``.

    Args:
        source: A video of many frames a second, or a folder with its frames as pictures (in the order of their names).
        folder: Where to; it and its two sub-folders are made.
        counts: Fewest and most frames of an exposure.
        stride: Frames from one exposure to the next; None: they share no frame.
        gamma: Of the camera response; 1 averages the 8-bit values themselves.
        seed: Of the number of frames of each exposure.
        force: Make the recording's pairs anew; those made with other options are removed.
        on_progress: Called after each exposure.

    Returns:
        How many pairs were made.

    Raises:
        InputError: The source can't be read, has too few frames, or frames of several sizes.
        OutputError: The folder can't be written, or holds pairs made with other options, or of another recording of
            the same name.
        RecipeError: An option makes no sense.
    """
    sequence = source.resolve().stem if source.is_file() else source.resolve().name
    settings = {"bytes": _length(source), "frames": list(counts), "stride": stride, "gamma": gamma, "seed": seed}
    done = Blurred()
    with _opened(source) as recording:
        for exposure in exposures(recording.frames, counts, stride, np.random.default_rng(seed)):
            if done.made + done.kept == 0:
                _prepare(folder, sequence, settings, force)
            name = f"{sequence}_{exposure.middle:06}_avg{len(exposure.frames):02}.png"
            if all((folder / side / name).is_file() for side in SIDES):
                done.kept += 1
            else:
                write_pair(exposure.blurred(gamma), exposure.sharp, folder, name)
                done.made += 1
            if on_progress is not None:
                on_progress(exposure.start + len(exposure.frames), recording.count)
    if done.made + done.kept == 0:
        raise InputError(f"{source} has fewer frames than one exposure of {counts[0]} to {counts[1]} needs.")
    done.notes = recording.notes
    return done


def write_pair(blurred: Frame, sharp: Frame, folder: Path, name: str) -> None:
    """Write both pictures of a pair to ``blur/`` and ``sharp/`` of a folder, each whole or not at all."""
    for side, pixels in zip(SIDES, (blurred, sharp), strict=True):
        with atomic_output(folder / side / name, force=True) as unfinished:
            write_picture(Picture(pixels), unfinished)


def make_sides(folder: Path) -> None:
    """Make a folder with ``blur/`` and ``sharp/`` in it.

    Raises:
        OutputError: It can't be made.
    """
    try:
        for side in SIDES:
            (folder / side).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} can't be made ({error.strerror}); choose another with -o.") from error


def _prepare(folder: Path, sequence: str, settings: Mapping[str, object], force: bool) -> None:
    """Make the folders, and see to it that all pairs of a sequence are made with the same options."""
    make_sides(folder)
    note, text = folder / f"{sequence}.blur.json", json.dumps(settings) + "\n"
    old = _pairs_of(folder, sequence)
    if force:
        for path in old:
            path.unlink()
    elif old and (not note.is_file() or note.read_text("utf-8", errors="replace") != text):
        raise OutputError(
            f"{folder} holds pairs of {sequence} that were made with other options or of another recording of this "
            "name; add --force to make them anew, or choose another folder with -o."
        )
    with atomic_output(note, force=True) as unfinished:
        unfinished.write_text(text, "utf-8")


def _pairs_of(folder: Path, sequence: str) -> list[Path]:
    name = re.compile(re.escape(sequence) + r"_\d{6}_avg\d{2}\.png")
    return [path for side in SIDES for path in (folder / side).iterdir() if name.fullmatch(path.name)]


@contextmanager
def _opened(source: Path) -> Iterator[_Recording]:
    if source.is_dir():
        paths = sorted(path for path in source.iterdir() if _is_frame(path))
        if not paths:
            raise InputError(f"The folder {source} holds no frames; name one with the pictures of one recording in it.")
        yield _Recording((read_frame(path) for path in paths), len(paths), [])
        return
    with VideoSource(source) as video:
        recording = _Recording(_upright(video), video.info.frames, [])
        yield recording
    rate = video.info.rate
    if rate is not None and rate < SLOWEST_RATE:
        recording.notes.append(f"{float(rate):.4g} frames/s is slow: the blur shows ghosts, use 120 frames/s or more")
    if video.damaged:
        recording.notes.append(f"{video.damaged} damaged frame{'s' * (video.damaged > 1)} passed over")
    if video.is_truncated:
        recording.notes.append("the source is cut off or damaged before its end; what decodes was used")


def _length(source: Path) -> int:
    """Bytes of a recording; two recordings of one name hardly share it."""
    files = [path for path in source.iterdir() if _is_frame(path)] if source.is_dir() else [source]
    return sum(path.stat().st_size for path in files if path.exists())


def _is_frame(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _upright(video: VideoSource) -> Iterator[Frame]:
    turns = round(video.info.rotation / 90)
    for frame in video.frames():
        yield np.ascontiguousarray(np.rot90(to_8_bit(to_rgb(frame)), turns))
