"""Sharpen a video file: decoding, sharpening and encoding overlap, with bounded memory whatever the length."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import av
from numpy.typing import NDArray

from clearcall.media.atomic import atomic_output
from clearcall.media.colour import to_rgb
from clearcall.media.encoder import Encoding
from clearcall.media.remux import RemuxSink
from clearcall.media.video import FrameTime, VideoSource
from clearcall.runtime.belt import Belt, BeltStopped

Report = Callable[[int, int | None], None]
"""Called with the frames done so far and their total (None when it is not known)."""

_BELT_BYTES: Final = 48 * 2**20
_MIN_BELT: Final = 2
_MAX_BELT: Final = 32


class SharpensFrames(Protocol):
    """What is needed of a sharpener here."""

    def sharpen(self, frame: NDArray[Any], strength: float = ...) -> NDArray[Any]:
        """Sharpen one HWC RGB frame, uint8 or uint16, into another of the same shape and type."""


@dataclass(frozen=True)
class FileResult:
    """What became of a file.

    Attributes:
        frames: Frames sharpened; 1 for a picture.
        seconds: Wall-clock time that it took.
        damaged: Frames of the source that couldn't be decoded and were passed over.
        notes: What couldn't be kept, or was wrong with the source; a phrase each.
    """

    frames: int
    seconds: float
    damaged: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Frame:
    rgb: NDArray[Any]
    time: FrameTime


_Item: TypeAlias = "_Frame | av.Packet[Any]"


def sharpen_video(
    source: Path,
    target: Path,
    sharpener: SharpensFrames,
    *,
    strength: float = 1.0,
    encoding: Encoding | None = None,
    force: bool = False,
    on_progress: Report | None = None,
) -> FileResult:
    """Sharpen a video file into another.

    Sound, subtitles, chapters, metadata, rotation, colour tags and the time of every frame are kept (see
    ``RemuxSink`` for what a container can't hold). Frames that fail to decode are passed over and counted; a
    file that is cut off is sharpened up to where it ends.

    Args:
        source: Any video that FFmpeg opens.
        target: The file to write; its suffix names the container.
        sharpener: What sharpens a frame.
        strength: 0 leaves frames as they are, 1 is the model's output, up to 2 exaggerates it.
        encoding: Codec, quality and preset; the default fits the container.
        force: Replace ``target`` if it exists.
        on_progress: Called now and then, from this thread.

    Returns:
        Counts, time and notes.

    Raises:
        InputError: The source can't be read.
        OutputError: The target can't be written, or can't hold what is in the source.
        RecipeError: The codec or an option of it is unknown.
    """
    started = time.perf_counter()
    with (
        atomic_output(target, force) as unfinished,
        VideoSource(source) as video,
        RemuxSink(unfinished, video, encoding or Encoding()) as sink,
    ):
        frames = _run(video, sink, lambda rgb: sharpener.sharpen(rgb, strength), on_progress)
    notes = list(sink.notes)
    if video.is_truncated:
        notes.append("the source is cut off or damaged before its end; what decodes was sharpened")
    return FileResult(frames, time.perf_counter() - started, video.damaged, tuple(notes))


def _run(
    source: VideoSource,
    sink: RemuxSink,
    sharpen: Callable[[NDArray[Any]], NDArray[Any]],
    on_progress: Report | None,
) -> int:
    """Decode and encode in a thread each, sharpen in this one; the first error of any stops all."""
    size = _belt_size(source)
    decoded, sharpened = Belt[_Item](size), Belt[_Item](size)
    errors: list[BaseException] = []

    def stage(work: Callable[[], None]) -> None:
        try:
            work()
        except BeltStopped:
            pass
        except BaseException as error:
            errors.append(error)
            decoded.stop()
            sharpened.stop()

    decoding = threading.Thread(target=stage, args=(lambda: _decode(source, sink, decoded),), name="decode")
    encoding = threading.Thread(target=stage, args=(lambda: _encode(sink, sharpened),), name="encode")
    decoding.start()
    encoding.start()
    frames = 0
    try:
        frames = _sharpen(decoded, sharpened, sharpen, source.info.frames, on_progress)
        encoding.join()
    finally:
        decoded.stop()
        sharpened.stop()
        decoding.join()
        encoding.join()
    if errors:
        raise errors[0]
    return frames


def _sharpen(
    decoded: Belt[_Item],
    sharpened: Belt[_Item],
    sharpen: Callable[[NDArray[Any]], NDArray[Any]],
    total: int | None,
    on_progress: Report | None,
) -> int:
    frames = 0
    with suppress(BeltStopped):
        for item in decoded:
            if not isinstance(item, _Frame):
                sharpened.put(item)
                continue
            sharpened.put(_Frame(sharpen(item.rgb), item.time))
            frames += 1
            if on_progress is not None:
                on_progress(frames, total)
        sharpened.finish()
    return frames


def _decode(source: VideoSource, sink: RemuxSink, decoded: Belt[_Item]) -> None:
    for item in source.read(sink.copied):
        decoded.put(_Frame(to_rgb(item), FrameTime.of(item)) if isinstance(item, av.VideoFrame) else item)
    decoded.finish()


def _encode(sink: RemuxSink, sharpened: Belt[_Item]) -> None:
    for item in sharpened:
        if isinstance(item, _Frame):
            sink.write(item.rgb, item.time)
        else:
            sink.copy(item)
    sink.finish()


def _belt_size(source: VideoSource) -> int:
    """As many frames as fit a fixed number of bytes, so that large frames don't need much more memory."""
    frame_bytes = source.info.width * source.info.height * 3
    return max(_MIN_BELT, min(_MAX_BELT, _BELT_BYTES // frame_bytes))
