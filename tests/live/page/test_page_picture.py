"""The page with pictures and videos: parity with Python, the divider, the controls, what is saved."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import av
import numpy as np
import pytest
from canvas import mean_difference, shown
from PIL import Image
from playwright.sync_api import Page, expect

import clearcall
from clearcall.frame import Frame
from conftest import Open

Portrait = tuple[Path, Frame]


def drop(page: Page, path: Path, state: str = "sharpening") -> None:
    """Open a file and wait until it is shown."""
    page.set_input_files("#file", path)
    expect(page.locator("#stage[data-shown]")).to_be_attached()
    expect(page.locator("#figure-state")).to_have_text(state)


def set_slider(page: Page, selector: str, value: float) -> None:
    page.locator(selector).fill(str(value))


def wait_until_changed(page: Page, before: Frame) -> Frame:
    """The sharpened picture once it differs from ``before``."""
    for _ in range(600):
        after = shown(page)[1]
        if after.shape != before.shape or not np.array_equal(after, before):
            return after
        page.wait_for_timeout(50)
    raise AssertionError("The picture didn't change within 30 s.")


@pytest.mark.parametrize("strength", [1.0, 0.5, 2.0])
def test_the_browser_agrees_with_python(open_page: Open, portrait: Portrait, strength: float) -> None:
    path, frame = portrait
    page = open_page()
    set_slider(page, "#strength", strength)
    drop(page, path)
    received, sharp = shown(page)
    assert np.array_equal(received, frame)
    expected = clearcall.load("small").sharpen(frame, strength)
    assert mean_difference(sharp, expected) <= 1, "what is promised"
    assert mean_difference(sharp, expected) < mean_difference(expected, frame) / 4, "what is seen"


def test_strength_0_is_the_original(open_page: Open, portrait: Portrait) -> None:
    path, frame = portrait
    page = open_page()
    drop(page, path)
    before = shown(page)[1]
    set_slider(page, "#strength", 0)
    assert np.array_equal(wait_until_changed(page, before), frame)
    expect(page.locator("#right-label")).to_have_text("Original")


def test_the_divider_follows_mouse_and_keys(open_page: Open, portrait: Portrait) -> None:
    page = open_page()
    drop(page, portrait[0])
    divider, stage = page.locator("#divider"), page.locator("#received")
    expect(divider).to_have_value("50")
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 5, box["y"] + 30, steps=4)
    page.mouse.up()
    expect(divider).to_have_value("20")
    assert page.locator("#sharp").evaluate("(canvas) => getComputedStyle(canvas).clipPath") == "inset(0px 0px 0px 20%)"
    for key, value in (("ArrowRight", "21"), ("End", "100"), ("Home", "0")):
        page.keyboard.press(key)
        expect(divider).to_have_value(value)


def test_every_control_is_reached_and_worked_by_keys(open_page: Open, portrait: Portrait) -> None:
    page = open_page()
    drop(page, portrait[0])
    page.locator("body").evaluate("() => document.activeElement?.blur()")
    reached = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    wanted = {"divider", "camera", "file", "full-screen", "model", "strength", "fallback", "link", "save-picture"}
    assert wanted <= reached
    page.locator("#strength").focus()
    before = shown(page)[1]
    page.keyboard.press("End")
    expect(page.locator("#strength-text")).to_have_text("2.00")
    wait_until_changed(page, before)


def test_full_screen(open_page: Open, portrait: Portrait) -> None:
    page = open_page()
    drop(page, portrait[0])
    page.click("#full-screen")
    expect(page.locator("#stage:fullscreen")).to_be_attached()
    page.keyboard.press("Escape")


def test_a_thin_link_degrades_what_is_received(open_page: Open, portrait: Portrait) -> None:
    path, frame = portrait
    page = open_page()
    drop(page, path)
    before = shown(page)[1]
    page.select_option("#link", "180")
    coarse = wait_until_changed(page, before)
    received, _ = shown(page)
    assert received.shape == frame.shape
    assert 0.5 < mean_difference(received, frame) < 30
    set_slider(page, "#rate", 50)
    expect(page.locator("#rate-text")).to_have_text("50 kbit/s")
    wait_until_changed(page, coarse)


def test_the_saved_picture_is_the_one_that_is_shown(open_page: Open, portrait: Portrait, tmp_path: Path) -> None:
    page = open_page()
    drop(page, portrait[0])
    with page.expect_download() as download:
        page.click("#save-picture")
    assert download.value.suggested_filename == "portrait-sharp.png"
    saved = tmp_path / "saved.png"
    download.value.save_as(saved)
    assert np.array_equal(np.asarray(Image.open(saved).convert("RGB")), shown(page)[1])


def test_a_video_plays_pauses_and_is_recorded(open_page: Open, clip: Path, tmp_path: Path) -> None:
    page = open_page()
    page.uncheck("#fallback")
    drop(page, clip)
    expect(page.locator("#figure-size")).to_have_text("320 \N{MULTIPLICATION SIGN} 240")
    expect(page.locator("#figure-ms")).to_contain_text("ms")
    page.click("#save-clip")
    expect(page.locator("#save-clip")).to_have_attribute("aria-pressed", "true")
    for _ in range(3):
        wait_until_changed(page, shown(page)[1])
    with page.expect_download() as download:
        page.click("#save-clip")
    assert download.value.suggested_filename == "call-sharp.webm"
    saved = tmp_path / "saved.webm"
    download.value.save_as(saved)
    with av.open(str(saved)) as file:
        frames = [(frame.width, frame.height) for frame in file.decode(video=0)]
    assert len(frames) >= 2
    assert set(frames) == {(320, 240)}
    page.click("#pause")
    expect(page.locator("#pause")).to_have_text("Play")
    drop(page, clip)
    wait_until_changed(page, shown(page)[1])


def test_a_file_is_dropped_on_the_page(open_page: Open, portrait: Portrait) -> None:
    path, frame = portrait
    page = open_page()
    files = page.evaluate_handle(
        """async (address) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([await (await fetch(address)).blob()], "dropped.png", { type: "image/png" }));
  return transfer;
}""",
        f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}",
    )
    page.dispatch_event("#stage", "drop", {"dataTransfer": files})
    expect(page.locator("#news")).to_have_text("dropped.png")
    expect(page.locator("#stage[data-shown]")).to_be_attached()
    assert np.array_equal(shown(page)[0], frame)


def test_a_file_that_is_neither_is_refused_in_words(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    page = open_page(expected="broken")
    page.set_input_files("#file", tmp_path / "broken.png")
    expect(page.locator("#problem")).to_contain_text("broken.png is not a picture")
    page.set_input_files("#file", tmp_path / "broken.mp4")
    expect(page.locator("#problem")).to_contain_text("broken.mp4 is not a video")
