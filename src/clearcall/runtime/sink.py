"""Where live pictures go: a virtual camera, a video file, a y4m pipe; the window is in ``display``."""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from fractions import Fraction
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self

import numpy as np

from clearcall.errors import OutputError, require
from clearcall.frame import Frame
from clearcall.media.atomic import atomic_output
from clearcall.media.form import FrameForm
from clearcall.media.video import VideoSink
from clearcall.media.y4m import LIMITED, Header
from clearcall.media.y4m_stream import Y4MWriter
from clearcall.runtime.fit import fit

MODPROBE: Final = 'sudo modprobe v4l2loopback devices=1 video_nr=10 exclusive_caps=1 card_label="clearcall"'
"""The command that makes a virtual camera on Linux which browsers and Zoom list."""

INSTALL_LOOPBACK: Final = "sudo apt install v4l2loopback-dkms linux-headers-$(uname -r)"
"""The command that builds its kernel module on Debian and Ubuntu; other systems have a package v4l2loopback."""

CLIP_SUFFIXES: Final = (".mp4", ".mkv", ".mov", ".m4v", ".avi", ".ts")
"""The suffixes of the video files that a live session writes (H.264)."""

_JITTER_FRAMES: Final = 1.5
_SYSTEM: Final[str] = sys.platform


class SinkClosed(Exception):  # noqa: N818 - it is the user's wish, not an error
    """Whoever looks at the pictures has closed; the message says what."""


class Sink(AbstractContextManager["Sink", None], Protocol):
    """Takes frames, all from one thread; errors in the set-up come on entry or with the first frame."""

    label: str
    """Where the frames go, in words."""

    def start(self, rate: Fraction) -> None:
        """Called once before the first frame, with the frames per second that are to be expected."""

    def show(self, frame: Frame) -> None:
        """Take one frame, uint8 HWC RGB.

        Raises:
            SinkClosed: Nobody looks any more.
            OutputError: It can't be taken.
        """

    def refresh(self) -> None:
        """Called often while no frame comes.

        Raises:
            SinkClosed: Nobody looks any more.
        """


class VirtualCamera:
    """A camera that other programs can pick, by pyvirtualcam (the extra ``virtual-camera``, GPL-2.0).

    It keeps the size of the first frame, made even; later frames of other sizes are fitted in.

    Args:
        device: Its name, as in ``/dev/video10``; None takes the first.

    Raises:
        MissingExtraError: pyvirtualcam is not installed.
    """

    def __init__(self, device: str | None = None) -> None:
        self.label = f"the virtual camera {device}" if device else "a virtual camera"
        self._device = device
        self._rate = 30.0
        self._library = load_pyvirtualcam()
        self._camera: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._camera is not None:
            self._camera.close()

    def start(self, rate: Fraction) -> None:
        """Note the rate to announce.

        Args:
            rate: Frames per second.
        """
        self._rate = float(rate)

    def show(self, frame: Frame) -> None:
        """Send a frame.

        Args:
            frame: uint8 HWC RGB.

        Raises:
            OutputError: There is no virtual camera, or it doesn't take frames.
        """
        if self._camera is None:
            self._open(_even(frame))
        try:
            self._camera.send(np.ascontiguousarray(fit(frame, self._camera.width, self._camera.height)))
        except RuntimeError as error:
            raise OutputError(f"{self.label.capitalize()} takes no more pictures ({error}); start again.") from error

    def refresh(self) -> None:
        """Do nothing: other programs keep the last frame."""

    def _open(self, size: tuple[int, int]) -> None:
        try:
            self._camera = self._library.Camera(*size, self._rate, device=self._device)
        except RuntimeError as error:
            raise OutputError(
                f"No virtual camera can be opened ({' '.join(str(error).split())}): {virtual_camera_hint()}."
            ) from error
        self.label = f"the virtual camera {self._camera.device}"


class _Metronome:
    """Turns frames that come when they come into a constant rate: repeats late ones, drops early ones.

    Frames that are up to one and a half intervals off are taken as they are, so that jitter does no harm.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.rate = Fraction(30)
        self._clock = clock
        self._start: float | None = None
        self._written = 0

    def copies(self) -> int:
        """How often to write the frame that is there now."""
        now = self._clock()
        if self._start is None:
            self._start = now
        behind = (now - self._start) * float(self.rate) - self._written
        copies = 1 if abs(behind) < _JITTER_FRAMES else max(0, round(behind))
        self._written += copies
        return copies


class ClipFile:
    """A video file with a constant rate; complete at its name when the ``with`` block ends well.

    Args:
        path: Where to; the suffix names the container.
        force: Replace a file that exists.
        clock: Seconds; tests give another.
    """

    def __init__(self, path: Path, *, force: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.label = str(path)
        self._path, self._force = path, force
        self._metronome = _Metronome(clock)
        self._clip: VideoSink | None = None
        self._size = (0, 0)

    def __enter__(self) -> Self:
        if self._path.suffix.lower() not in CLIP_SUFFIXES:
            raise OutputError(
                f"{self._path} has no suffix of a video that is written here; use one of {', '.join(CLIP_SUFFIXES)}."
            )
        with ExitStack() as stack:
            self._unfinished = stack.enter_context(atomic_output(self._path, self._force))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._clip is None:
            kind, error = SinkClosed, SinkClosed("nothing was written")
        self._stack.__exit__(kind, error, trace)

    def start(self, rate: Fraction) -> None:
        """Fix the rate of the clip.

        Args:
            rate: Frames per second.
        """
        self._metronome.rate = rate

    def show(self, frame: Frame) -> None:
        """Append a frame, as often as the rate asks.

        Args:
            frame: uint8 HWC RGB; frames of another size than the first's are fitted in.
        """
        if self._clip is None:
            self._size = _even(frame)
            width, height = self._size
            sink = VideoSink(
                self._unfinished, width=width, height=height, rate=self._metronome.rate, options={"preset": "veryfast"}
            )
            self._clip = self._stack.enter_context(sink)
        fitted = fit(frame, *self._size)
        for _ in range(self._metronome.copies()):
            self._clip.write(fitted)

    def refresh(self) -> None:
        """Do nothing: time that passes without a frame is filled when the next one comes."""


class Y4MPipe:
    """Uncompressed y4m for another program, as in ``clearcall live --to - | ffplay -``.

    Args:
        stream: Where to.
        label: Where the frames go, in words.
        clock: Seconds; tests give another.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        label: str = "standard output",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = label
        self._stream = stream
        self._metronome = _Metronome(clock)
        self._writer: Y4MWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def start(self, rate: Fraction) -> None:
        """Fix the rate of the video.

        Args:
            rate: Frames per second.
        """
        self._metronome.rate = rate

    def show(self, frame: Frame) -> None:
        """Write a frame, as often as the rate asks.

        Args:
            frame: uint8 HWC RGB; frames of another size than the first's are fitted in.

        Raises:
            SinkClosed: The other program has ended.
        """
        if self._writer is None:
            width, height = _even(frame)
            header = Header(width, height, self._metronome.rate, Fraction(1), "p", "420mpeg2", (LIMITED,))
            self._form = FrameForm(header.pixel_format, width, height, header.colours)
            self._writer = Y4MWriter(self._stream, header)
        planes = self._form.from_rgb(fit(frame, self._form.width, self._form.height))
        try:
            self._writer.write(planes, copies=self._metronome.copies())
        except BrokenPipeError as error:
            raise SinkClosed("the program that read the pictures has ended") from error

    def refresh(self) -> None:
        """Do nothing."""


def is_pipe(path: Path) -> bool:
    """Whether a path is a named pipe.

    Example:
        >>> is_pipe(Path("."))
        False
    """
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def load_pyvirtualcam() -> ModuleType:
    """Import pyvirtualcam.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("pyvirtualcam", extra="virtual-camera")


def virtual_camera_hint() -> str:
    """How to get a virtual camera on this system, as part of a sentence.

    Example:
        >>> virtual_camera_hint().startswith(("make one", "install OBS"))
        True
    """
    if _SYSTEM == "linux":
        return f"make one with `{INSTALL_LOOPBACK}` and `{MODPROBE}`"
    return "install OBS Studio (obsproject.com) and start its virtual camera once"


def _even(frame: Frame) -> tuple[int, int]:
    """Width and height of a frame, made even as 4:2:0 video needs them."""
    height, width = frame.shape[:2]
    return max(2, width - width % 2), max(2, height - height % 2)
