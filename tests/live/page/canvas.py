"""What a page shows, as pixels."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from clearcall.evaluation.metrics import ssim
from clearcall.frame import Frame


def shown(page: Page) -> tuple[Frame, Frame]:
    """The received and the sharpened picture, of the same moment."""
    received, sharp = page.evaluate(
        "['received', 'sharp'].map((id) => document.getElementById(id).toDataURL('image/png'))"
    )
    return pixels(received), pixels(sharp)


def pixels(address: str) -> Frame:
    """The pixels of a data URL."""
    content = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def best_match(frame: Frame, clip: list[Frame]) -> Frame:
    """The frame of a clip that is most like this one."""
    return max(clip, key=lambda candidate: ssim(frame, candidate))


def mean_difference(first: Frame, second: Frame) -> float:
    """Mean absolute difference in 8-bit levels."""
    return float(np.abs(first.astype(int) - second).mean())
