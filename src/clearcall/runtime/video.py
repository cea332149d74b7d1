"""Sharpen a video file: decoding, sharpening and encoding overlap, with bounded memory whatever the length."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol, Self, TypeAlias, runtime_checkable

import av
from numpy.typing import NDArray

from clearcall.media.atomic import atomic_output
from clearcall.media.colour import to_planes, to_rgb
from clearcall.media.encoder import Encoding
from clearcall.media.form import FrameForm
from clearcall.media.pipe import STANDARD, standard_input, standard_output
from clearcall.media.remux import RemuxSink
from clearcall.media.video import FrameTime, VideoSource
from clearcall.media.y4m import MAGIC
from clearcall.media.y4m_stream import Y4MSink, Y4MSource
from clearcall.runtime.belt import Belt, BeltStopped
from clearcall.runtime.changes import ChangesOnly, SharpensPlanes
from clearcall.runtime.interrupts import held_interrupts

Report = Callable[[int, int | None], None]
"""Called with the frames done so far and their total (None when it is not known)."""

_BELT_BYTES: Final = 24 * 2**20
_MIN_BELT: Final = 2
_MAX_BELT: Final = 32


@runtime_checkable
class FollowsStreams(Protocol):
    """A model that may choose other weights for other frames, more steadily where it knows them to be one stream's."""

    def following(self) -> SharpensFrames:
        """The same model for the frames of one stream."""


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
    pixels: NDArray[Any] | av.VideoFrame
    """RGB, or planes in the output's form."""
    time: FrameTime


_Item: TypeAlias = "_Frame | av.Packet[Any]"
_Source: TypeAlias = "VideoSource | Y4MSource"
_Sink: TypeAlias = "RemuxSink | Y4MSink"


@dataclass(frozen=True)
class _Work:
    """What is done to a frame, and on which of its forms: planes where source and output have the same, else RGB."""

    sharpener: SharpensFrames
    planes: ChangesOnly | None
    strength: float
    form: FrameForm

    @classmethod
    def of(cls, sharpener: SharpensFrames, strength: float, form: FrameForm) -> Self:
        if isinstance(sharpener, FollowsStreams):
            sharpener = sharpener.following()
        planes = ChangesOnly(sharpener) if isinstance(sharpener, SharpensPlanes) else None
        return cls(sharpener, planes, strength, form)

    def prepare(self, frame: av.VideoFrame) -> NDArray[Any] | av.VideoFrame:
        """What of a decoded frame goes to ``sharpen``; done by the thread that decodes."""
        return frame if self.planes is not None and self.form.is_of(frame) else to_rgb(frame)

    def sharpen(self, pixels: NDArray[Any] | av.VideoFrame) -> NDArray[Any] | av.VideoFrame:
        if not isinstance(pixels, av.VideoFrame):
            return self.sharpener.sharpen(pixels, self.strength)
        assert self.planes is not None  # noqa: S101 - as prepare saw it
        sharp, colours = self.form.blank(), self.form.colours
        self.planes.sharpen_yuv(*to_planes(pixels), colours=colours, strength=self.strength, out=to_planes(sharp))
        return sharp


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

    Where frames are 8-bit 4:2:0 on both sides, they are sharpened on the decoder's own planes. From y4m to y4m
    the header stays as it is.

    Args:
        source: Any video that FFmpeg opens; ``-`` for standard input.
        target: The file to write; its suffix names the container. ``-`` for y4m on standard output.
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
    with _opened(source, target, encoding or Encoding(), force) as (video, sink):
        frames = _run(video, sink, _Work.of(sharpener, strength, sink.form), on_progress)
        if isinstance(video, Y4MSource) and video.error is not None:
            raise video.error
    notes = list(sink.notes)
    if video.is_truncated:
        notes.append("the source is cut off or damaged before its end; what decodes was sharpened")
    return FileResult(frames, time.perf_counter() - started, video.damaged, tuple(notes))


@contextmanager
def _opened(source: Path, target: Path, encoding: Encoding, force: bool) -> Iterator[tuple[_Source, _Sink]]:
    with ExitStack() as stack:
        if target == STANDARD:
            stream = stack.enter_context(standard_output())
            video = _open_source(source, stack, keeps_y4m=True)
            yield video, _y4m_sink(stream, video)
            return
        unfinished = stack.enter_context(atomic_output(target, force))
        video = _open_source(source, stack, keeps_y4m=False)
        assert isinstance(video, VideoSource)  # noqa: S101 - as asked for
        yield video, stack.enter_context(RemuxSink(unfinished, video, encoding))


def _open_source(source: Path, stack: ExitStack, *, keeps_y4m: bool) -> _Source:
    if source != STANDARD:
        return stack.enter_context(VideoSource(source))
    pipe = stack.enter_context(standard_input())
    if keeps_y4m and pipe.peek(len(MAGIC)) == MAGIC:
        return Y4MSource(pipe)
    return stack.enter_context(VideoSource(Path(pipe.label), pipe))


def _y4m_sink(stream: IO[bytes], video: _Source) -> Y4MSink:
    return Y4MSink(stream, video.header) if isinstance(video, Y4MSource) else Y4MSink.beside(stream, video)


def _run(source: _Source, sink: _Sink, work: _Work, on_progress: Report | None) -> int:
    """Decode and encode in a thread each, sharpen in this one; the first error of any stops all."""
    size = _belt_size(sink.form)
    decoded, sharpened = Belt[_Item](size), Belt[_Item](size)
    errors: list[BaseException] = []
    encoded = threading.Event()

    def stage(work: Callable[[], None], ended: threading.Event) -> None:
        try:
            work()
        except BeltStopped:
            pass
        except BaseException as error:
            errors.append(error)
            decoded.stop()
            sharpened.stop()
        finally:
            ended.set()

    decode, encode = (lambda: _decode(source, sink, work, decoded)), (lambda: _encode(sink, sharpened))
    decoding = threading.Thread(target=stage, args=(decode, threading.Event()), name="decode")
    encoding = threading.Thread(target=stage, args=(encode, encoded), name="encode", daemon=True)
    frames = 0
    # An interrupt between a start and the joins, or during these, would let a thread work on files closed meanwhile.
    with held_interrupts() as let_come:
        decoding.start()
        encoding.start()
        try:
            with let_come():
                frames = _sharpen(decoded, sharpened, work, _total(source), on_progress)
                encoded.wait()  # and no join: before Python 3.13 an interrupted one takes a thread that works for ended
        finally:
            decoded.stop()
            sharpened.stop()
            source.stop()
            decoding.join()
            encoding.join(sink.patience)
    if errors:
        raise errors[0]
    return frames


def _sharpen(
    decoded: Belt[_Item],
    sharpened: Belt[_Item],
    work: _Work,
    total: int | None,
    on_progress: Report | None,
) -> int:
    frames = 0
    with suppress(BeltStopped):
        for item in decoded:
            if not isinstance(item, _Frame):
                sharpened.put(item)
                continue
            sharpened.put(_Frame(work.sharpen(item.pixels), item.time))
            frames += 1
            if on_progress is not None:
                on_progress(frames, total)
        sharpened.finish()
    return frames


def _decode(source: _Source, sink: _Sink, work: _Work, decoded: Belt[_Item]) -> None:
    for item in source.read(sink.copied):
        decoded.put(_Frame(work.prepare(item), FrameTime.of(item)) if isinstance(item, av.VideoFrame) else item)
    decoded.finish()


def _encode(sink: _Sink, sharpened: Belt[_Item]) -> None:
    for item in sharpened:
        if isinstance(item, _Frame):
            sink.write(item.pixels, item.time)
        else:
            sink.copy(item)
    sink.finish()


def _total(source: _Source) -> int | None:
    return source.info.frames if isinstance(source, VideoSource) else None


def _belt_size(form: FrameForm) -> int:
    """As many frames as fit a fixed number of bytes, so that large frames don't need much more memory."""
    return max(_MIN_BELT, min(_MAX_BELT, _BELT_BYTES // (form.width * form.height * 3)))
