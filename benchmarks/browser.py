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
  // A picture of half the size, blown up: a model with a gate leaves alone what lost nothing.
  const [small, canvas] = [new OffscreenCanvas(width / 2, height / 2), new OffscreenCanvas(width, height)];
  const [drawn, context] = [small, canvas].map((each) => each.getContext("2d", { willReadFrequently: true }));
  for (let y = 0; y < height / 2; y += 5) {
    for (let x = 0; x < width / 2; x += 7) {
      drawn.fillStyle = `hsl(${(x * y) % 360} 40% ${30 + ((x * 7 + y * 3) % 40)}%)`;
      drawn.fillRect(x, y, 7, 5);
    }
  }
  const times = [];
  for (let i = -20; i < frames; i++) {
    context.drawImage(small, i % 9, 0, width, height);
    const { sharp, milliseconds } = await sharpener.sharpen(await createImageBitmap(canvas));
    if (i < 0) continue;
    times.push(milliseconds);
    const before = context.getImageData(0, 0, width, height).data;
    context.drawImage(sharp, 0, 0);
    const after = context.getImageData(0, 0, width, height).data;
    if (after.every((level, at) => level === before[at])) throw new Error("the frame was left as it was");
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
