"""The preview window, on a toolkit that only takes notes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clearcall.errors import OutputError
from clearcall.runtime.display import PreviewWindow
from clearcall.runtime.sink import SinkClosed


class Toolkit:
    """As much of tkinter as the window uses."""

    class TclError(Exception):
        pass

    def __init__(self, *, display: bool = True, screen: tuple[int, int] = (1920, 1080)) -> None:
        self.display, self.screen = display, screen
        self.bound: dict[str, Callable[[Any], None]] = {}
        self.protocols: dict[str, Callable[[], None]] = {}
        self.photo: dict[str, Any] = {}
        self.titles: list[str] = []
        self.events: list[str] = []
        self.destroyed = 0

    def Tk(self, **_: str) -> Toolkit:  # noqa: N802 - tkinter's name
        if not self.display:
            raise self.TclError("no display name and no $DISPLAY environment variable")
        return self

    def PhotoImage(self, **_: object) -> Toolkit:  # noqa: N802 - tkinter's name
        return self

    def Label(self, *_: object, **__: object) -> Toolkit:  # noqa: N802 - tkinter's name
        return self

    def configure(self, **options: Any) -> None:
        self.photo.update(options)

    def title(self, text: str) -> None:
        self.titles.append(text)

    def protocol(self, name: str, action: Callable[[], None]) -> None:
        self.protocols[name] = action

    def bind(self, key: str, action: Callable[[Any], None]) -> None:
        self.bound[key] = action

    def update(self) -> None:
        for key in self.events:
            self.bound[key](None)
        self.events.clear()

    def destroy(self) -> None:
        self.destroyed += 1

    def winfo_screenwidth(self) -> int:
        return self.screen[0]

    def winfo_screenheight(self) -> int:
        return self.screen[1]

    def pack(self, **_: object) -> None:
        pass

    def withdraw(self) -> None:
        self.visible = False

    def deiconify(self) -> None:
        self.visible = True

    def shown(self) -> np.ndarray:
        header, pixels = self.photo["data"].split(b"\n", 1)
        _, width, height, _ = header.split()
        return np.frombuffer(pixels, np.uint8).reshape(int(height), int(width), 3)


def test_frames_are_shown_pixel_by_pixel_and_sizes_followed():
    toolkit = Toolkit()
    noise = np.random.default_rng(3).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    with PreviewWindow("a call", toolkit=toolkit) as window:
        assert not toolkit.visible
        window.show(noise[:, ::2])
        assert (toolkit.shown() == noise[:, ::2]).all()
        assert toolkit.visible
        window.show(noise)
        assert (toolkit.shown() == noise).all()
        window.refresh()
    assert (toolkit.titles, toolkit.destroyed) == (["a call"], 1)


def test_a_picture_larger_than_the_screen_is_scaled_down():
    toolkit = Toolkit(screen=(100, 100))
    with PreviewWindow(toolkit=toolkit) as window:
        window.show(np.zeros((200, 400, 3), np.uint8))
    assert toolkit.shown().shape == (48, 95, 3)


@pytest.mark.parametrize("key", ["q", "<Escape>"])
def test_keys(key: str):
    toolkit, pressed = Toolkit(), []
    with PreviewWindow(keys={"space": lambda: pressed.append("space")}, toolkit=toolkit) as window:
        toolkit.events.append("<space>")
        window.refresh()
        assert pressed == ["space"]
        toolkit.events.append(key)
        with pytest.raises(SinkClosed, match="the window was closed"):
            window.refresh()


def test_closing_the_window_ends_the_show():
    toolkit = Toolkit()
    with PreviewWindow(toolkit=toolkit) as window:
        toolkit.protocols["WM_DELETE_WINDOW"]()
        with pytest.raises(SinkClosed):
            window.show(np.zeros((4, 4, 3), np.uint8))
    assert toolkit.destroyed == 1


def test_no_display():
    with pytest.raises(OutputError, match=r"There is no display.*--to"), PreviewWindow(toolkit=Toolkit(display=False)):
        pass


def test_no_tk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(OutputError, match="apt install python3-tk"):
        PreviewWindow()
