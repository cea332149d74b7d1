"""``clearcall live``: a camera in, a sharp picture out, in the call itself."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from clearcall.cli.device import DeviceOption
from clearcall.errors import OutputError, RecipeError

if TYPE_CHECKING:
    from clearcall.runtime.live import LiveSession, LiveStatus
    from clearcall.runtime.sink import Sink

PLAIN_SECONDS: Final = 5.0
_MAX_SIDE: Final = 7680
_MAX_RATE: Final = 240.0

ShowStatus = Callable[["LiveStatus"], None]


def live(  # noqa: PLR0913, PLR0917 - each is an option of the command
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="camera or camera:DEVICE, screen or screen:DISPLAY, test (a test picture), a video file, a named "
            "pipe, or - for a video on standard input.",
        ),
    ] = "camera",
    target: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="window, virtual-camera or virtual-camera:DEVICE, a video file, a named pipe, or - for y4m on "
            "standard output.",
        ),
    ] = "window",
    strength: Annotated[
        float,
        typer.Option(min=0.0, max=2.0, help="0 is the original, 1 the model's output, up to 2 exaggerated."),
    ] = 1.0,
    model: Annotated[str, typer.Option(help="A bundled model's name, or the path of a bundle.")] = "small",
    device: DeviceOption = "auto",
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size of camera and test picture [1280x720]; others are scaled.")
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(min=1.0, max=_MAX_RATE, help="Ask the camera, screen or test picture for this rate [30]."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after that long.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Sharpen a camera, the screen or a file as it plays, into a window or a virtual camera.

    In the window, the space bar switches between sharpened and original, and q closes.
    """
    from clearcall.runtime.camera import open_source
    from clearcall.runtime.live import LiveSession

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted_size = parse_size(size) if size else None
    rate = Fraction(fps).limit_denominator(1001) if fps else None
    session = LiveSession(
        lambda: open_source(source, size=wanted_size, rate=rate), model=model, strength=strength, device=device
    )
    with _status_line() as (show, say):
        summary = session.run(_open_sink(target, session, force), seconds=seconds, on_status=show, on_message=say)
    typer.echo(describe(summary), err=True)
    if summary.error is not None:
        raise summary.error


def parse_size(text: str) -> tuple[int, int]:
    """Read a size such as ``1280x720``.

    Args:
        text: As typed.

    Returns:
        Width and height.

    Raises:
        RecipeError: Not a size, or not one that can be sharpened.

    Example:
        >>> parse_size("1280x720")
        (1280, 720)
    """
    found = re.fullmatch(r"(\d{1,5})[x*](\d{1,5})", text.strip().lower())
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (2 <= width <= _MAX_SIDE and 2 <= height <= _MAX_SIDE):
        raise RecipeError(
            f"{text} is not a size; give width x height in pixels, such as 1280x720 (at most {_MAX_SIDE} each)."
        )
    return width, height


def describe(status: LiveStatus) -> str:
    """Say in a line how a finished session went.

    Args:
        status: The summary of a session.

    Returns:
        The line.
    """
    frames = "1 frame" if status.shown == 1 else f"{status.shown} frames"
    size = f" of {status.size[0]}x{status.size[1]}" if status.size else ""
    passed = status.shown - status.sharpened
    parts = [
        f"{frames}{size} in {status.seconds:.1f} s ({status.frame_rate:.1f} fps)",
        f"{status.frame_ms:.1f} ms per frame",
        f"real-time factor {status.real_time_factor:.2f}",
        f"{status.dropped} dropped",
    ]
    if passed > 0:
        parts.append(f"{passed} passed through unsharpened")
    return ", ".join(parts) + (f"; {status.ended}" if status.ended else "")


def _status_text(status: LiveStatus) -> str:
    size = f"{status.size[0]}x{status.size[1]}" if status.size else ""
    level = f" (overload level {status.level})" if status.level else ""
    return (
        f"{size}  {status.frame_rate:.1f} fps  {status.frame_ms:.1f} ms/frame  "
        f"real-time factor {status.real_time_factor:.2f}  {status.dropped} dropped  {status.running}{level}"
    )


@contextmanager
def _status_line() -> Iterator[tuple[ShowStatus, Callable[[str], None]]]:
    """One line on standard error that is written over on a terminal, and repeated now and then elsewhere."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield _plain(console), lambda message: console.print(message, markup=False)
        return
    with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as line:

        def show(status: LiveStatus) -> None:
            line.update(Text(_status_text(status), no_wrap=True, overflow="ellipsis"), refresh=True)

        yield show, lambda message: console.print(message, markup=False)


def _plain(console: Console) -> ShowStatus:
    last = time.monotonic()

    def show(status: LiveStatus) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_SECONDS:
            last = now
            console.print(_status_text(status), markup=False)

    return show


def _open_sink(name: str, session: LiveSession, force: bool) -> Sink:
    from clearcall.runtime.display import PreviewWindow
    from clearcall.runtime.sink import ClipFile, VirtualCamera, Y4MPipe, is_pipe

    kind, _, detail = name.partition(":")
    if name == "window":
        return PreviewWindow("clearcall live: space for the original, q to close", keys={"space": session.toggle})
    if kind == "virtual-camera":
        return VirtualCamera(detail or None)
    if name == "-":
        if sys.stdout.isatty():
            raise OutputError("Video can't go to a terminal; pipe it, as in: clearcall live --to - | ffplay -")
        return Y4MPipe(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    if is_pipe(Path(name)):
        return Y4MPipe(Path(name).open("wb"), label=name)
    return ClipFile(Path(name), force=force)
