"""The real server with the built page, and Debian's Chromium with a fake camera."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright
from skimage import data

from clearcall.degrade import degrade_clip, get_profile
from clearcall.frame import Frame
from clearcall.web.app import STATIC

SLOW_MS = 60_000
"""Time-outs are generous: a shared machine may be slow, and none of these tests is about speed."""
SCREENSHOTS = Path(__file__).parent / "screenshots"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
RATE = Fraction(10)
FRAMES = 8
WIDTH, HEIGHT = 320, 240


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Address of ``clearcall serve``."""
    assert (STATIC / "index.html").is_file(), "The page is not built: run make web."
    command = [sys.executable, "-c", "from clearcall.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        try:
            assert line.startswith("clearcall is at "), line
            yield line.split()[3]
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def truth() -> list[Frame]:
    """A clip of a person, panned slowly."""
    picture = data.astronaut()
    return [np.ascontiguousarray(picture[8 + 2 * n :, 60 + 5 * n :][:HEIGHT, :WIDTH]) for n in range(FRAMES)]


@pytest.fixture(scope="session")
def degraded(truth: list[Frame]) -> list[Frame]:
    """The clip as a thin link leaves it."""
    return list(degrade_clip(truth, RATE, get_profile("h264-half-crf23")))


@pytest.fixture(scope="session")
def camera_file(degraded: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The degraded clip as Chromium's fake camera plays it."""
    path = tmp_path_factory.mktemp("camera") / "degraded.y4m"
    with av.open(str(path), "w", format="yuv4mpegpipe") as file:
        stream = file.add_stream("wrapped_avframe", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for rgb in degraded:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuv420p")))
        file.mux(stream.encode(None))
    return path


@pytest.fixture
def portrait(tmp_path: Path) -> tuple[Path, Frame]:
    """A degraded picture with odd sides, as a file and as pixels."""
    picture = Image.fromarray(data.astronaut()[:181, 100:351])
    small = picture.resize((126, 90), Image.Resampling.BICUBIC)
    pixels = np.asarray(small.resize(picture.size, Image.Resampling.BILINEAR))
    path = tmp_path / "portrait.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


@pytest.fixture
def clip(degraded: list[Frame], tmp_path: Path) -> Path:
    """The degraded clip as a video file."""
    path = tmp_path / "call.webm"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libvpx", rate=10, options={"deadline": "realtime", "crf": "10", "b": "2M"})
        stream.width, stream.height, stream.pix_fmt = degraded[0].shape[1], degraded[0].shape[0], "yuv420p"
        for rgb in degraded * 2:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        file.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright; its event loop runs in the main thread, so it ends with each file."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Debian's Chromium."""
    path = shutil.which("chromium")
    assert path is not None, "These tests need Debian's Chromium: apt-get install chromium."
    return path


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str, camera_file: Path) -> Iterator[Browser]:
    """Chromium whose camera plays the degraded clip; pages must still be allowed to use it."""
    flags = [*CHROMIUM_FLAGS, "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera_file}"]
    started = playwright.chromium.launch(executable_path=chromium, args=flags)
    yield started
    started.close()


class Watch:
    """What must not happen on a page: errors in the console, and requests to other hosts."""

    def __init__(self, page: Page, address: str) -> None:
        self.errors: list[str] = []
        self.strangers: list[str] = []
        page.on("console", lambda line: self.errors.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._look(request.url, address))

    def _look(self, url: str, address: str) -> None:
        if not url.startswith((address, "blob:", "data:")):
            self.strangers.append(url)


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Open]:
    """Open the page in a context of its own; at the end, no errors and no requests to other hosts."""
    contexts, watches = [], []

    def open_page(
        path: str = "/",
        *,
        base: str | None = None,
        script: str = "",
        camera: bool = True,
        expected: str | None = None,
        **options: object,
    ) -> Page:
        context = browser.new_context(permissions=["camera"] if camera else [], **options)  # type: ignore[arg-type]
        context.set_default_timeout(SLOW_MS)
        context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        page = context.new_page()
        contexts.append(context)
        watches.append((Watch(page, base or address), expected))
        if script:
            page.add_init_script(script)
        page.goto((base or address) + path)
        if path == "/":
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    expect.set_options(timeout=SLOW_MS)
    yield open_page
    for context in contexts:
        context.close()
    for watch, expected in watches:
        assert [error for error in watch.errors if expected is None or not re.search(expected, error)] == []
        assert watch.strangers == []
