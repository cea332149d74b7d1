"""The JavaScript module: a sharpened MediaStreamTrack, by streams and by canvas, and what it does when it can't."""

from __future__ import annotations

import io
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas import best_match, mean_difference, pixels
from PIL import Image
from playwright.sync_api import Page, Playwright
from skimage import data
from test_page_camera import CRASHING

from clearcall import load
from clearcall.degrade import degrade_picture, get_profile
from clearcall.evaluation.metrics import ssim
from clearcall.frame import Frame
from conftest import CHROMIUM_FLAGS, Open

BLANK = "/models/index.json"
"""A page of the same server without a program of its own."""
WITHOUT_STREAMS = "delete window.MediaStreamTrackProcessor; delete window.MediaStreamTrackGenerator;"
PATHS = pytest.mark.parametrize("script", ["", WITHOUT_STREAMS], ids=["streams", "canvas"])

PRELUDE = """async (argument) => {
  const clearcall = await import("/clearcall.js");
  const camera = async () => (await navigator.mediaDevices.getUserMedia({ video: true })).getVideoTracks()[0];
  const heard = (target, type) => new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));
  const until = async (condition) => {
    for (let tries = 0; tries < 1200; tries++) {
      if (await condition()) return true;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`not within a minute: ${condition}`);
  };
  const play = async (track) => {
    const video = Object.assign(document.createElement("video"), { muted: true, srcObject: new MediaStream([track]) });
    await video.play();
    return video;
  };
  const picture = (video) => {
    const { videoWidth: width, videoHeight: height } = video;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").drawImage(video, 0, 0);
    return canvas.toDataURL("image/png");
  };
"""


def run(page: Page, script: str, argument: object = None) -> Any:
    """Run a script beside the module."""
    return page.evaluate(f"{PRELUDE}{script}\n}}", argument)


@PATHS
def test_a_sharpened_track(open_page: Open, truth: list[Frame], degraded: list[Frame], script: str) -> None:
    page = open_page(BLANK, script=script)
    result = run(
        page,
        """
  const sharp = await clearcall.sharpen(await camera(), { model: "small", strength: 1, minRate: 0 });
  const video = await play(sharp);
  await until(() => sharp.stats().frames >= 3 && video.videoWidth > 0);
  const shown = picture(video);
  const stats = sharp.stats();
  sharp.stop();
  return { shown, stats, isTrack: sharp instanceof MediaStreamTrack, state: sharp.readyState };""",
    )
    assert result["isTrack"]
    assert result["state"] == "ended"
    stats = result["stats"]
    assert (stats["width"], stats["height"], stats["backend"]) == (320, 240, "wasm")
    assert not stats["passing"]
    assert stats["milliseconds"] > 0
    shown = pixels(result["shown"])
    target = best_match(shown, truth)
    received = degraded[next(index for index, frame in enumerate(truth) if frame is target)]
    assert ssim(shown, target) > ssim(received, target) - 0.002, "the way through 4:2:0 costs a little"


@PATHS
def test_strength_and_model_change_in_mid_call(open_page: Open, script: str) -> None:
    page = open_page(BLANK, script=script, expected="404")
    result = run(
        page,
        """
  const sharp = await clearcall.sharpen(await camera(), { minRate: 0 });
  const video = await play(sharp);
  await until(() => sharp.stats().milliseconds > 0);
  await sharp.set({ strength: 0 });
  await until(() => sharp.stats().milliseconds < 2);
  await sharp.set({ strength: 1.5, model: "small" });
  await until(() => sharp.stats().milliseconds >= 2);
  const refused = await sharp.set({ strength: 3 }).catch((error) => error.message);
  const unknown = await sharp.set({ model: "nonesuch" }).catch((error) => error.message);
  const before = sharp.stats().frames;
  await until(() => sharp.stats().frames > before + 1);
  sharp.stop();
  return [refused, unknown];""",
    )
    assert result == [
        "The strength must lie between 0 and 2; 3 does not.",
        "The model nonesuch can't be loaded: the server says 404.",
    ]


@PATHS
def test_it_gives_way_when_it_cant_keep_up(open_page: Open, script: str) -> None:
    page = open_page(BLANK, script=script)
    message, passing, went_on = run(
        page,
        """
  const sharp = await clearcall.sharpen(await camera(), { minRate: 100000 });
  const given = heard(sharp, "passthrough");
  const video = await play(sharp);
  const { message } = (await given).detail;
  const { frames, passing } = sharp.stats();
  await until(() => sharp.stats().frames >= frames + 3);
  sharp.stop();
  return [message, passing, true];""",
    )
    assert message.endswith("the original picture takes over for now.")
    assert passing
    assert went_on


@PATHS
def test_it_ends_with_its_source(open_page: Open, script: str) -> None:
    page = open_page(BLANK, script=script)
    assert run(
        page,
        """
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
  const context = canvas.getContext("2d");
  const [source] = canvas.captureStream().getVideoTracks();
  const painting = setInterval(() => context.fillRect(Math.random() * 64, 0, 5, 5), 50);
  const sharp = await clearcall.sharpen(source, { minRate: 0 });
  const video = await play(sharp);
  await until(() => sharp.stats().frames > 1);
  const ended = heard(sharp, "ended");
  source.stop();
  source.dispatchEvent(new Event("ended"));
  await ended;
  clearInterval(painting);
  return sharp.readyState === "ended";""",
    )


@PATHS
def test_the_newest_frame_wins(open_page: Open, script: str) -> None:
    """A source far faster than the model: what comes out is never older than a few frames' work."""
    page = open_page(BLANK, script=script)
    oldest = run(
        page,
        """
  const canvas = Object.assign(document.createElement("canvas"), { width: 960, height: 540 });
  const context = canvas.getContext("2d", { alpha: false });
  const [source] = canvas.captureStream().getVideoTracks();
  const sharp = await clearcall.sharpen(source, { minRate: 0 });
  let count = 0;
  const painting = setInterval(() => {
    count++;
    for (let bit = 0; bit < 12; bit++) {
      context.fillStyle = (count >> bit) & 1 ? "#fff" : "#000";
      context.fillRect(bit * 80, 0, 80, 540);
    }
  }, 30);
  const video = await play(sharp);
  const look = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  Object.assign(look.canvas, { width: 960, height: 1 });
  let oldest = 0;
  for (let frames = 0; frames < 12; frames++) {
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    look.drawImage(video, 0, 200, 960, 1, 0, 0, 960, 1);
    let number = 0;
    for (let bit = 0; bit < 12; bit++) number |= Number(look.getImageData(bit * 80 + 40, 0, 1, 1).data[0] > 127) << bit;
    if (frames > 5) oldest = Math.max(oldest, (count - number) * 30 / Math.max(30, sharp.stats().milliseconds));
  }
  clearInterval(painting);
  sharp.stop();
  return oldest;""",
    )
    assert oldest < 10


MARKS = [0, 255, 110]
"""Grey level of a block in each picture's corner, by which a frame shows which picture it is."""


def picture_of_a_size(mark: int, width: int, height: int) -> tuple[Frame, str]:
    """A degraded picture with its mark, as pixels and as a data URL."""
    truth = np.ascontiguousarray(data.astronaut()[:height, :width])
    frame = degrade_picture(truth, get_profile("bicubic-x2"))
    frame[: height // 4, : width // 4] = mark
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "png")
    return frame, f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


@PATHS
def test_it_follows_when_the_size_changes(open_page: Open, script: str) -> None:
    """Larger, then smaller and upright: each frame that comes out has the size of the picture that is in it."""
    page = open_page(BLANK, script=script)
    sizes = [(320, 240), (482, 270), (202, 300)]
    sources = [picture_of_a_size(mark, *size) for mark, size in zip(MARKS, sizes, strict=True)]
    shown, seen, stats, messages = run(
        page,
        """
  const pictures = await Promise.all(argument.map(async (url) => createImageBitmap(await (await fetch(url)).blob())));
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  let number = 0;
  const paint = () => {
    if (number === pictures.length) return;
    const { width, height } = pictures[number];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.drawImage(pictures[number], 0, 0);
  };
  paint();
  const [source] = canvas.captureStream().getVideoTracks();
  const painting = setInterval(paint, 60);
  const sharp = await clearcall.sharpen(source, { minRate: 0 });
  const messages = [];
  for (const type of ["passthrough", "resume", "modelchange", "ended"]) {
    sharp.addEventListener(type, () => messages.push(`${type}: ${sharp.stats().message}`));
  }
  const video = await play(sharp);
  const look = new OffscreenCanvas(8, 8).getContext("2d", { willReadFrequently: true });
  const seen = [];
  const onFrame = () => {
    const frame = new VideoFrame(video);
    look.drawImage(frame, 0, 0, 8, 8);
    seen.push([frame.displayWidth, frame.displayHeight, look.getImageData(0, 0, 1, 1).data[1]]);
    frame.close();
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  const [shown, stats] = [[], []];
  for (const { width, height } of pictures) {
    await until(() => seen.at(-1)?.[0] === width);
    const before = seen.length;
    await until(() => seen.length > before + 5 && video.videoWidth === width && video.videoHeight === height);
    shown.push(picture(video));
    stats.push(sharp.stats());
    number++;
  }
  clearInterval(painting);
  sharp.stop();
  return [shown, seen, stats, messages];""",
        [url for _, url in sources],
    )
    assert messages == []
    assert [(one["width"], one["height"], one["passing"], one["message"]) for one in stats] == [
        (*size, False, "") for size in sizes
    ]
    turns = [0, *(n for n in range(1, len(seen)) if seen[n][:2] != seen[n - 1][:2])]
    assert [tuple(seen[turn][:2]) for turn in turns] == sizes, "no frame of an earlier size comes late"
    marks = dict(zip(sizes, MARKS, strict=True))
    assert all(abs(mark - marks[width, height]) < 20 for width, height, mark in seen), seen
    sharpener = load("small")
    for (frame, _), url in zip(sources, shown, strict=True):
        expected = sharpener.sharpen(frame).mean(2)
        found = pixels(url).mean(2)
        assert np.abs(found - expected).mean() < 0.5 * np.abs(frame.mean(2) - expected).mean()


def test_a_model_that_is_missing_leaves_the_original(open_page: Open) -> None:
    page = open_page(BLANK, expected="404")
    passing, message, live = run(
        page,
        """
  const track = await camera();
  const sharp = await clearcall.sharpen(track, { model: "nonesuch" });
  await heard(sharp, "passthrough");
  const { passing, message } = sharp.stats();
  const live = sharp.readyState === "live" && sharp !== track;
  sharp.stop();
  return [passing, message, live && track.readyState === "live"];""",
    )
    assert passing
    assert live
    assert message == "The model nonesuch can't be loaded: the server says 404."


def test_only_live_video_tracks(open_page: Open) -> None:
    page = open_page(BLANK)
    message = run(
        page,
        """
  const track = await camera();
  track.stop();
  return clearcall.sharpen(track).catch((error) => `${error.name}: ${error.message}`);""",
    )
    assert message == "TypeError: clearcall sharpens live video tracks; this one is video, ended."


def test_the_models_are_listed(open_page: Open) -> None:
    assert "small" in run(open_page(BLANK), "return clearcall.models();")


def test_a_stopped_worker_ends_the_track(open_page: Open) -> None:
    page = open_page(BLANK, script=CRASHING)
    assert (
        run(
            page,
            """
  const sharp = await clearcall.sharpen(await camera(), { minRate: 0 });
  const [ended, given] = [heard(sharp, "ended"), heard(sharp, "passthrough")];
  crash();
  await ended;
  return sharp.readyState;""",
        )
        == "ended"
    )


WEBGPU_FLAGS = [
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--use-webgpu-adapter=swiftshader",
]


def test_webgpu_agrees_with_python(
    playwright: Playwright, chromium: str, address: str, portrait: tuple[Path, Frame]
) -> None:
    """On a graphics card in software: right, and far too slow, so that it isn't taken unless it is asked for."""
    flags = [flag for flag in CHROMIUM_FLAGS if flag != "--disable-gpu"] + WEBGPU_FLAGS
    browser = playwright.chromium.launch(executable_path=chromium, args=flags)
    page = browser.new_page()
    page.goto(address + BLANK)
    before, after, backend = run(
        page,
        """
  const frame = await createImageBitmap(await (await fetch(argument)).blob(), 120, 70, 81, 60);
  const canvas = Object.assign(document.createElement("canvas"), { width: 81, height: 60 });
  const context = canvas.getContext("2d");
  context.drawImage(frame, 0, 0);
  const before = canvas.toDataURL();
  const sharpener = await clearcall.Sharpener.load({ backend: "webgpu" });
  const { sharp } = await sharpener.sharpen(frame, { alone: true });
  context.drawImage(sharp, 0, 0);
  return [before, canvas.toDataURL(), sharpener.backend];""",
        f"data:image/png;base64,{b64encode(portrait[0].read_bytes()).decode()}",
    )
    browser.close()
    assert backend == "webgpu"
    frame = pixels(before)
    expected = load("small", precision="float32").sharpen(frame)
    assert mean_difference(expected, frame) > 0.5
    assert mean_difference(pixels(after), expected) < 0.1
