"""Live pictures: a camera, the screen, a file played at its own pace, a test picture."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from clearcall.errors import InputError
from clearcall.frame import to_8_bit
from clearcall.media.colour import to_rgb
from clearcall.media.video import VideoSource
from clearcall.runtime.fit import fit
from clearcall.runtime.pixels import Pixels, pixels_of
from clearcall.runtime.sink import is_pipe

Size: TypeAlias = tuple[int, int]
"""Width and height."""

CAMERA_SIZE: Final[Size] = (1280, 720)
CAMERA_RATE: Final = Fraction(30)

_SYSTEM: Final[str] = sys.platform
_CAMERA_FORMATS: Final = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
_SCREEN_FORMATS: Final = {"linux": "x11grab", "darwin": "avfoundation", "win32": "gdigrab"}
_NOT_READY_SECONDS: Final = 0.002


class LiveSource:
    """Frames as they come, one after the other, from one place; made by ``open_source``.

    Use it in a ``with`` block, in the thread that reads it.

    Args:
        label: Where the frames come from, in words.
        decoded: The frames.
        close: Called once when the source is no longer needed.
        rate: Frames per second, where known.
        is_paced: Whether to hold each frame back until its time has come.
        is_endless: Whether an end of the frames means that the device was lost.
        size: Width and height to scale to; None leaves frames as they are.

    Attributes:
        label: Where the frames come from, in words.
        rate: Frames per second, where known.
        is_endless: Whether it only ends when its device is lost.

    Example:
        >>> with open_source("test", size=(64, 36), rate=Fraction(1000)) as source:
        ...     frame = next(source.frames())
        >>> source.label, frame.width, frame.height
        ('the test picture', 64, 36)
    """

    def __init__(
        self,
        label: str,
        decoded: Iterator[av.VideoFrame],
        close: Callable[[], None],
        *,
        rate: Fraction | None = None,
        is_paced: bool = False,
        is_endless: bool = False,
        size: Size | None = None,
    ) -> None:
        self.label = label
        self.rate = rate
        self.is_endless = is_endless
        self._decoded = decoded
        self._close = close
        self._is_paced = is_paced
        self._size = size
        self._stopped = threading.Event()
        self._start = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def stop(self) -> None:
        """End ``frames`` soon; for another thread than the one that reads."""
        self._stopped.set()

    def frames(self) -> Iterator[Pixels]:
        """Give frames as they come.

        Yields:
            The decoder's own frames where they are 4:2:0, upright and of the right size; else uint8 HWC RGB. The size
            may change from one to the next.

        Raises:
            InputError: The device was lost (unplugged, say), or a file breaks off unreadably.
        """
        try:
            for number, frame in enumerate(self._decoded):
                if self._is_paced:
                    self._wait_for(frame, number)
                if self._stopped.is_set():
                    return
                yield self._fitted(frame)
        except av.FFmpegError as error:
            raise self._lost(error.strerror) from error
        if self.is_endless and not self._stopped.is_set():
            raise self._lost("it sends no more pictures")

    def _wait_for(self, frame: av.VideoFrame, number: int) -> None:
        """Hold a frame back until its time has come, counted from the first."""
        moment = frame.time if frame.time is not None else float(number / (self.rate or CAMERA_RATE))
        if number == 0:
            self._start = time.monotonic() - moment
        self._stopped.wait(max(0.0, self._start + moment - time.monotonic()))

    def _fitted(self, frame: av.VideoFrame) -> Pixels:
        turns = round(frame.rotation / 90)
        if turns % 4 == 0 and self._size in (None, (frame.width, frame.height)):
            return pixels_of(frame)
        rgb = to_8_bit(to_rgb(frame))
        upright = np.ascontiguousarray(np.rot90(rgb, turns)) if turns % 4 else rgb
        return upright if self._size is None else fit(upright, *self._size)

    def _lost(self, reason: str | None) -> InputError:
        return InputError(f"{_upper(self.label)} was lost in the middle ({reason}); plug it in again.")


def open_source(name: str = "camera", *, size: Size | None = None, rate: Fraction | None = None) -> LiveSource:
    """Open where live pictures come from.

    Args:
        name: ``camera`` (the first that works) or ``camera:DEVICE``, ``screen`` or ``screen:DISPLAY``, ``test``,
            ``-`` for a video on standard input, or the path of a video file or named pipe.
        size: Width and height to ask a camera for, and to scale other pictures to. The default is 1280x720 for
            cameras and the test picture, and the size as it is for others.
        rate: Frames per second to ask a camera, the screen or the test picture for; the default is 30.

    Returns:
        The opened source.

    Raises:
        InputError: It can't be opened; the sentence says why and how to mend it.
    """
    kind, _, detail = name.partition(":")
    wanted = rate or CAMERA_RATE
    if kind == "camera":
        return _open_camera(detail, size or CAMERA_SIZE, wanted)
    if kind == "screen":
        return _open_screen(detail, size, wanted)
    if name == "test":
        return _open_test_picture(size or CAMERA_SIZE, wanted)
    if name == "-" or is_pipe(Path(name)):
        return _open_pipe(name, size)
    return _open_file(Path(name), size)


def list_cameras() -> list[str]:
    """The names of the camera devices of this machine, as ``camera:NAME`` takes them.

    Example:
        >>> all(isinstance(name, str) for name in list_cameras())
        True
    """
    if _SYSTEM == "linux":
        return sorted((str(path) for path in Path("/dev").glob("video[0-9]*")), key=lambda name: (len(name), name))
    try:
        devices = av.enumerate_input_devices(_CAMERA_FORMATS.get(_SYSTEM, "v4l2"))
    except (ValueError, av.FFmpegError):
        return []
    return [device.name for device in devices if "video" in device.media_types]


@dataclass(frozen=True)
class _Device:
    """What FFmpeg needs to open a device."""

    file: str
    format: str
    label: str

    def open(self, **options: str) -> InputContainer:
        try:
            return av.open(self.file, "r", format=self.format, options=options)
        except ValueError as error:
            if isinstance(error, av.FFmpegError):
                raise
            raise InputError(
                f"PyAV was built without {self.format} here, so {self.label} can't be opened; install its own wheel "
                "with: pip install --force-reinstall --only-binary av av"
            ) from error


def _open_camera(name: str, size: Size, rate: Fraction) -> LiveSource:
    found = list_cameras()
    errors: list[av.FFmpegError] = []
    for candidate in [name] if name else found:
        device = _camera(candidate)
        try:
            return _device_source(device, _open_in_a_mode(device, size, rate), rate)
        except av.FFmpegError as error:
            errors.append(error)
            failed = candidate
            if error.errno in (errno.EACCES, errno.EPERM, errno.EBUSY):
                break
    if not errors:
        raise InputError(
            "No camera was found; plug one in, or give a file, screen or test as the source "
            "(clearcall doctor says what this machine has)."
        )
    raise InputError(_why_no_camera(failed, errors[-1], found)) from errors[-1]


def _camera(name: str) -> _Device:
    kind = _CAMERA_FORMATS.get(_SYSTEM, "v4l2")
    files = {"avfoundation": f"{name}:none", "dshow": f"video={name}"}
    return _Device(files.get(kind, name), kind, f"the camera {name}")


def _open_in_a_mode(device: _Device, size: Size, rate: Fraction) -> InputContainer:
    """Open with the first mode that the camera has: JPEG (fast over USB), raw, at last whatever it likes."""
    mode = {"video_size": f"{size[0]}x{size[1]}", "framerate": str(rate)}
    modes: list[dict[str, str]] = [mode, {"framerate": str(rate)}, {}]
    if device.format == "v4l2":
        modes.insert(0, {**mode, "input_format": "mjpeg"})
    for options in modes[:-1]:
        try:
            return device.open(**options)
        except av.FFmpegError as error:
            if error.errno not in (errno.EINVAL, errno.EIO):
                raise
    return device.open(**modes[-1])


def _open_screen(name: str, size: Size | None, rate: Fraction) -> LiveSource:
    kind = _SCREEN_FORMATS.get(_SYSTEM, "x11grab")
    defaults = {"x11grab": os.environ.get("DISPLAY", ""), "avfoundation": "Capture screen 0:none", "gdigrab": "desktop"}
    device = _Device(name or defaults[kind], kind, "the screen")
    if not device.file:
        raise InputError("There is no screen to take: DISPLAY is not set; start this in a desktop session under X11.")
    try:
        return _device_source(device, device.open(framerate=str(rate)), rate, size)
    except av.FFmpegError as error:
        raise InputError(
            f"The screen {device.file} can't be taken ({error.strerror}); check DISPLAY and the permission to record "
            "the screen (a Wayland session shows no screen to X11 programs: log in with X11)."
        ) from error


def _device_source(device: _Device, container: InputContainer, rate: Fraction, size: Size | None = None) -> LiveSource:
    stream = _video_of(container, device.label)
    return LiveSource(
        device.label,
        _decode(container, stream),
        container.close,
        rate=stream.average_rate or rate,
        is_endless=True,
        size=size,
    )


def _open_test_picture(size: Size, rate: Fraction) -> LiveSource:
    device = _Device(f"testsrc2=size={size[0]}x{size[1]}:rate={rate},format=yuv420p", "lavfi", "the test picture")
    container = device.open()
    stream = _video_of(container, device.label)
    return LiveSource(device.label, _decode(container, stream), container.close, rate=rate, is_paced=True)


def _open_pipe(name: str, size: Size | None) -> LiveSource:
    label = "standard input" if name == "-" else name
    try:
        container = av.open("pipe:0" if name == "-" else f"file:{name}", "r")
    except av.FFmpegError as error:
        raise InputError(
            f"{_upper(label)} gives no video that can be read ({error.strerror}); send one that can be read front to "
            "back, as y4m, Matroska or MPEG-TS."
        ) from error
    stream = _video_of(container, label)
    return LiveSource(label, _decode(container, stream), container.close, rate=stream.average_rate, size=size)


def _open_file(path: Path, size: Size | None) -> LiveSource:
    video = VideoSource(path)
    video.__enter__()
    return LiveSource(str(path), video.frames(), video.container.close, rate=video.info.rate, is_paced=True, size=size)


def _video_of(container: InputContainer, label: str) -> VideoStream:
    if not container.streams.video:
        container.close()
        raise InputError(f"{_upper(label)} has no video stream; name another source.")
    stream = container.streams.video[0]
    stream.thread_type = "SLICE"  # threads per frame would hold frames back
    return stream


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    for packet in _demux(container, stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError:  # one damaged frame, as cameras send when they start
            continue
        yield from frames


def _demux(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet[Any]]:
    """Demux; some devices (AVFoundation) say "not yet" instead of waiting."""
    while True:
        try:
            yield from container.demux(stream)
        except av.BlockingIOError:
            time.sleep(_NOT_READY_SECONDS)
        else:
            return


def _why_no_camera(name: str, error: av.FFmpegError, found: list[str]) -> str:
    others = f"; cameras here: {', '.join(found)}" if found else "; no other was found"
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"The camera {name} may not be used: {permission_hint()}."
        case errno.EBUSY:
            return f"The camera {name} is in use by another program; close that one, or choose another camera{others}."
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return f"There is no camera {name}{others}."
        case errno.ENOTTY:
            return f"{name} is not a camera{others}."
        case _ if _SYSTEM == "linux":
            return f"The camera {name} can't be opened ({error.strerror}); unplug it and plug it in again."
        case _:
            return f"The camera {name} can't be opened ({error.strerror}): {permission_hint()}."


def permission_hint() -> str:
    """How to allow the use of a camera on this system, as part of a sentence.

    Example:
        >>> permission_hint().startswith(("allow", "add"))
        True
    """
    if _SYSTEM == "darwin":
        return "allow it for your terminal under System Settings > Privacy & Security > Camera"
    if _SYSTEM == "win32":
        return "allow it for desktop apps under Settings > Privacy & security > Camera"
    return "add yourself to the group video with `sudo usermod -aG video $USER`, then log out and in again"


def _upper(label: str) -> str:
    return label[:1].upper() + label[1:]
