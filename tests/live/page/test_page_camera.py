"""The page with a camera: it sharpens, and every failure is a sentence while the original picture goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from canvas import best_match, shown
from playwright.sync_api import Browser, Page, Playwright, Route, expect

from clearcall.evaluation.metrics import ssim
from clearcall.frame import Frame
from conftest import CHROMIUM_FLAGS, SLOW_MS, Open


def start_camera(page: Page, state: str = "sharpening") -> None:
    page.uncheck("#fallback")
    page.click("#camera")
    expect(page.locator("#stage[data-shown]")).to_be_attached()
    expect(page.locator("#figure-state")).to_have_text(state)


def test_what_is_shown_is_sharper_than_what_was_received(open_page: Open, truth: list[Frame]) -> None:
    page = open_page()
    start_camera(page)
    expect(page.locator("#right-label")).to_have_text("Sharpened")
    received, sharp = shown(page)
    target = best_match(received, truth)
    assert ssim(received, target) > 0.8
    assert ssim(sharp, target) > ssim(received, target) + 0.003


def test_the_camera_through_a_thin_link_goes_on(open_page: Open) -> None:
    page = open_page()
    start_camera(page)
    page.select_option("#link", "180")
    before = shown(page)[0]
    for _ in range(600):
        if not np.array_equal(shown(page)[0], before):
            return
        page.wait_for_timeout(50)
    raise AssertionError("No frame came through the link within 30 s.")


def test_figures_are_live(open_page: Open) -> None:
    page = open_page()
    start_camera(page)
    expect(page.locator("#figure-fps")).not_to_have_text("\N{EN DASH}")
    expect(page.locator("#figure-ms")).to_contain_text("ms")
    expect(page.locator("#figure-size")).to_have_text("320 \N{MULTIPLICATION SIGN} 240")


@pytest.fixture
def without_camera(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
    yield started
    started.close()


def test_no_camera(without_camera: Browser, address: str) -> None:
    page = without_camera.new_context(permissions=["camera"]).new_page()
    page.set_default_timeout(SLOW_MS)
    page.goto(address)
    page.click("#camera")
    expect(page.locator("#problem")).to_contain_text("No camera was found: connect one")


def test_permission_denied(open_page: Open) -> None:
    page = open_page(camera=False)
    page.click("#camera")
    expect(page.locator("#problem")).to_contain_text("The camera may not be used: allow it")


def test_camera_unplugged(open_page: Open) -> None:
    page = open_page()
    start_camera(page)
    page.evaluate("document.getElementById('video').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.locator("#problem")).to_contain_text("The camera was unplugged: connect it")
    assert shown(page)[0].std() > 10, "the last picture stays"
    start_camera(page)


NO_SIMD = "WebAssembly.validate = () => false;"


def test_no_simd(open_page: Open) -> None:
    page = open_page(script=NO_SIMD)
    expect(page.locator("#problem")).to_contain_text("This browser lacks WebAssembly SIMD")
    start_camera(page, state="original")
    received, sharp = shown(page)
    assert np.array_equal(received, sharp)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"status": 404}, "The model small can't be loaded: the server says 404."),
        ({"status": 200, "body": "damaged"}, "The model small arrived damaged"),
    ],
)
def test_a_model_that_fails_to_load(browser: Browser, address: str, answer: dict[str, object], sentence: str) -> None:
    context = browser.new_context(permissions=["camera"])

    def fulfill(route: Route) -> None:
        route.fulfill(**answer)  # type: ignore[arg-type]

    context.route("**/*.onnx", fulfill)
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    page.goto(address)
    expect(page.locator("#problem")).to_contain_text(sentence)
    start_camera(page, state="original")
    received, sharp = shown(page)
    assert np.array_equal(received, sharp)
    context.close()


SLOW_CLOCK = """
const RealWorker = Worker;
window.Worker = class extends RealWorker {
  postMessage(message, transfer) {
    if (message.name === "set") message.argument.minRate *= 1000;
    super.postMessage(message, transfer);
  }
};
"""


def test_a_computer_that_cant_keep_up_shows_the_original(open_page: Open) -> None:
    """The rate that is asked for is out of reach of any computer."""
    page = open_page(script=SLOW_CLOCK)
    page.click("#camera")
    expect(page.locator("#problem")).to_have_text(
        re.compile("can't keep up with .*; the original picture takes over for now")
    )
    expect(page.locator("#figure-state")).to_have_text("original")
    expect(page.locator("#right-label")).to_have_text("Original")
    page.uncheck("#fallback")
    expect(page.locator("#right-label")).to_have_text("Sharpened")
    expect(page.locator("#news")).to_have_text("Sharpening with small.")
    expect(page.locator("#figure-state")).to_have_text("sharpening")


CRASHING = """
const RealWorker = Worker;
window.Worker = class extends RealWorker {
  constructor(...options) {
    super(...options);
    window.crash = () => this.dispatchEvent(new ErrorEvent("error", { message: "out of memory" }));
  }
};
"""


def test_a_worker_that_crashes_leaves_the_original(open_page: Open) -> None:
    page = open_page(script=CRASHING, expected="a frame was left out")
    start_camera(page)
    page.evaluate("crash()")
    expect(page.locator("#problem")).to_contain_text("The sharpening worker has stopped: out of memory.")
    expect(page.locator("#right-label")).to_have_text("Original")
    expect(page.locator("#figure-state")).to_have_text("original")
