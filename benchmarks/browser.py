"""How fast the browser sharpens: milliseconds per frame in Chromium's WebAssembly, from bitmap to bitmap.

    python benchmarks/browser.py [--frames 30]

Needs Chromium, Playwright and the built page (make web); run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

SIZES = {"360p": (640, 360), "540p": (960, 540), "720p": (1280, 720)}
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
MEASURE = """async ([width, height, frames]) => {
  const { Sharpener } = await import("/clearcall.js");
  const sharpener = await Sharpener.load({ minRate: 0 });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const times = [];
  for (let i = -3; i < frames; i++) {
    context.fillStyle = `hsl(${i * 40} 60% 50%)`;
    context.fillRect((i * 37) % width, 0, 80, height);
    const { milliseconds } = await sharpener.sharpen(await createImageBitmap(canvas));
    if (i >= 0) times.push(milliseconds);
  }
  const { threads } = sharpener;
  sharpener.close();
  times.sort((a, b) => a - b);
  return [threads, times[times.length >> 1], times[Math.floor(times.length * 0.95)]];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=30)
    frames = parser.parse_args().frames
    command = [sys.executable, "-c", "from clearcall.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        address = server.stdout.readline().split()[3]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        page.goto(address + "/models/index.json")
        for name, (width, height) in SIZES.items():
            threads, median, slow = page.evaluate(MEASURE, [width, height, frames])
            print(f"{name}: median {median:.1f} ms, 95th percentile {slow:.1f} ms ({threads} threads)")
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main()
