"""The preview window, by Tk from Python's standard library."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from clearcall.errors import OutputError
from clearcall.frame import Frame
from clearcall.runtime.fit import fit
from clearcall.runtime.sink import SinkClosed

_SCREEN_SHARE: Final = 0.95
"""The part of the screen that a window may take; larger pictures are scaled down."""


class PreviewWindow:
    """Shows frames in a window; use it in a ``with`` block, all in the main thread.

    Args:
        title: Of the window.
        keys: What keys do, by Tk's names, as in ``{"space": pause}``. Escape and q close the window.
        toolkit: The ``tkinter`` module; tests give another.

    Attributes:
        label: Where the frames go, in words.

    Raises:
        OutputError: On entry: Python has no Tk, or there is no display.
    """

    label = "a preview window"

    def __init__(
        self,
        title: str = "clearcall",
        *,
        keys: Mapping[str, Callable[[], None]] | None = None,
        toolkit: Any = None,
    ) -> None:
        self._title = title
        self._keys = dict(keys or {})
        self._toolkit = toolkit or _load_tk()
        self._is_closed = False
        self._is_visible = False

    def __enter__(self) -> Self:
        try:
            self._root = self._toolkit.Tk(className="clearcall")
        except self._toolkit.TclError as error:
            raise OutputError(
                f"There is no display to open a window on ({error}); start this in a desktop session, or send the "
                "pictures elsewhere with --to."
            ) from error
        self._root.withdraw()  # until there is a picture
        self._root.title(self._title)
        self._root.configure(background="black")
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        for key, action in {**self._keys, "Escape": self._close, "q": self._close}.items():
            self._root.bind(f"<{key}>" if len(key) > 1 else key, lambda _, action=action: action())
        self._photo = self._toolkit.PhotoImage(master=self._root)
        self._picture = self._toolkit.Label(self._root, image=self._photo, borderwidth=0, background="black")
        self._picture.pack(expand=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._root.destroy()

    def start(self, rate: Fraction) -> None:
        """Do nothing: a window shows frames when they come.

        Args:
            rate: Frames per second.
        """

    def show(self, frame: Frame) -> None:
        """Show a frame; the window takes its size, as far as the screen has room.

        Args:
            frame: uint8 HWC RGB.

        Raises:
            SinkClosed: The user has closed the window.
        """
        fitted = self._fit_to_screen(frame)
        height, width = fitted.shape[:2]
        self._photo.configure(width=width, height=height, data=b"P6 %d %d 255\n" % (width, height) + fitted.tobytes())
        if not self._is_visible:
            self._root.deiconify()
            self._is_visible = True
        self.refresh()

    def refresh(self) -> None:
        """Let the window answer to the mouse and the keyboard.

        Raises:
            SinkClosed: The user has closed the window.
        """
        self._root.update()
        if self._is_closed:
            raise SinkClosed("the window was closed")

    def _close(self) -> None:
        self._is_closed = True

    def _fit_to_screen(self, frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        room_x, room_y = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
        scale = min(_SCREEN_SHARE * room_x / width, _SCREEN_SHARE * room_y / height)
        if scale >= 1:
            return np.ascontiguousarray(frame)
        return fit(frame, max(1, round(width * scale)), max(1, round(height * scale)))


def _load_tk() -> Any:
    try:
        return importlib.import_module("tkinter")
    except ImportError as error:
        raise OutputError(
            f"This Python has no Tk for a preview window ({error}); install it (Debian, Ubuntu: sudo apt install "
            "python3-tk; macOS: brew install python-tk), or send the pictures elsewhere with --to."
        ) from error
