"""Standard input and output as places of videos: ``-`` on the command line."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from clearcall.errors import InputError, OutputError

if sys.platform == "linux":
    from fcntl import F_SETPIPE_SZ, fcntl

STANDARD: Final = Path("-")
"""What stands for standard input as a source, and for standard output as a target."""

_PIPE_BYTES: Final = 2**20
"""What Linux lets anybody ask for; a pipe's usual 64 KiB make a 1080p frame a hundred small pieces."""


class PipeInput:
    """Bytes that come when they come, read front to back by one thread; another can stop it.

    Args:
        descriptor: An open file descriptor; it stays open.
        label: What it is, for error messages.

    Example:
        >>> reader, writer = os.pipe()
        >>> os.write(writer, b"YUV4MPEG2 W2"), os.close(writer)
        (12, None)
        >>> pipe = PipeInput(reader, "a pipe")
        >>> pipe.peek(9), pipe.read(64), pipe.read(64), pipe.read(64)
        (b'YUV4MPEG2', b'YUV4MPEG2', b' W2', b'')
    """

    def __init__(self, descriptor: int, label: str = "standard input") -> None:
        self.label = label
        self._descriptor = descriptor
        self._ahead = b""
        self._woken, self._wake = os.pipe()
        self._waits = select.poll()
        self._waits.register(descriptor, select.POLLIN)
        self._waits.register(self._woken, select.POLLIN)
        widen(descriptor)

    def peek(self, count: int) -> bytes:
        """Look at the next bytes without taking them; fewer only at the end."""
        while len(self._ahead) < count and (more := self._receive(count - len(self._ahead))):
            self._ahead += more
        return self._ahead[:count]

    def read(self, count: int) -> bytes:
        """Take some bytes, at most ``count``; none at the end."""
        if self._ahead:
            taken, self._ahead = self._ahead[:count], self._ahead[count:]
            return taken
        return self._receive(count)

    def fill(self, target: memoryview) -> int:
        """Take as many bytes as a buffer holds; fewer only at the end.

        Args:
            target: Writable and contiguous.

        Returns:
            How many bytes were taken.
        """
        taken = self.read(len(target)) if self._ahead else b""
        done = len(taken)
        target[:done] = taken
        while done < len(target) and self._is_ready():
            received = os.readv(self._descriptor, [target[done:]])
            if not received:
                break
            done += received
        return done

    def stop(self) -> None:
        """Let a read that waits, and every later one, find the end."""
        os.write(self._wake, b"\0")

    def close(self) -> None:
        """Let go of what belongs to this object."""
        os.close(self._woken)
        os.close(self._wake)

    def _receive(self, count: int) -> bytes:
        return os.read(self._descriptor, count) if self._is_ready() else b""

    def _is_ready(self) -> bool:
        """Wait for bytes or the end; False once it was stopped."""
        return all(descriptor != self._woken for descriptor, _ in self._waits.poll())


@contextlib.contextmanager
def standard_input() -> Iterator[PipeInput]:
    """Open standard input for video.

    Raises:
        InputError: It is a terminal.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError(
            "Video can't come from a terminal; pipe it, as in: "
            "ffmpeg -i call.mp4 -f yuv4mpegpipe - | clearcall sharpen - -o sharp.mp4"
        )
    pipe = PipeInput(sys.stdin.fileno())
    try:
        yield pipe
    finally:
        pipe.close()


@contextlib.contextmanager
def standard_output() -> Iterator[IO[bytes]]:
    """Open standard output for video alone: what else is printed meanwhile goes to standard error.

    Yields:
        A binary stream without a buffer.

    Raises:
        OutputError: It is a terminal.
    """
    if sys.stdout is None or sys.stdout.isatty():
        raise OutputError("Video can't go to a terminal; pipe it, as in: clearcall sharpen call.mp4 -o - | ffplay -")
    descriptor = sys.stdout.fileno()
    sys.stdout.flush()
    stream = os.fdopen(os.dup(descriptor), "wb", buffering=0)
    widen(stream.fileno())
    os.dup2(sys.stderr.fileno(), descriptor)
    try:
        yield stream
    finally:
        sys.stdout.flush()
        os.dup2(stream.fileno(), descriptor)
        stream.close()


def widen(descriptor: int) -> None:
    """Let a pipe hold more than it usually does, where the system allows it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl(descriptor, F_SETPIPE_SZ, _PIPE_BYTES)
