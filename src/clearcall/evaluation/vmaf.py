"""VMAF and VMAF NEG, measured by an FFmpeg that has libvmaf."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from clearcall.errors import ClearcallError
from clearcall.evaluation.metrics import Frame, check_comparable
from clearcall.media.colour import Colours, from_rgb

PROTOCOL = "VMAF v0.6.1 and v0.6.1neg on 8-bit BT.709 luma of limited range; a still picture has no movement"
_COLOURS = Colours(matrix=1, range=1, primaries=1, transfer=1)
_LOG = "vmaf.json"
_MODELS = r"version=vmaf_v0.6.1\:name=vmaf|version=vmaf_v0.6.1neg\:name=vmaf_neg"


@cache
def find_ffmpeg() -> str | None:
    """An FFmpeg program that has libvmaf: the one on the path, else imageio-ffmpeg's (the ``vmaf`` extra).

    Returns:
        Its path, or None.
    """
    candidates = (shutil.which("ffmpeg"), _imageio_ffmpeg())
    return next((program for program in candidates if program and _measures(program)), None)


def _imageio_ffmpeg() -> str | None:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def _measures(program: str) -> bool:
    """Whether it really measures; a build may list the filter and lack its models."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    try:
        with VmafMeter(program) as meter:
            meter.write(grey, grey)
            return len(meter.scores()) == 1
    except (OSError, ClearcallError):
        return False


class VmafMeter:
    """Measures frames one after another; use it in a ``with`` block.

    Frames reach FFmpeg as they come, so memory doesn't grow with their number. The neighbours count: VMAF weighs how
    much the truth moves. A picture measured against itself repeated has no movement.

    Args:
        program: From :func:`find_ffmpeg`.

    Raises:
        ClearcallError: FFmpeg can't be run, or doesn't measure.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="clearcall-vmaf-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.kill()
            self._running.communicate()
        self._folder.cleanup()

    def write(self, preds: Frame, target: Frame) -> None:
        """Measure a frame.

        Args:
            preds: Frame to judge, uint8 ``(height, width, 3)`` RGB; of an odd side the last row or column is left out.
            target: The ground truth, same shape.

        Raises:
            ClearcallError: FFmpeg has ended.
        """
        check_comparable(preds, target)
        height, width = (side // 2 * 2 for side in target.shape[:2])
        pair = np.concatenate([preds[:height, :width], target[:height, :width]])
        process = self._running = self._running or self._start(width, height)
        assert process.stdin is not None  # noqa: S101  # it was asked for
        try:
            process.stdin.write(from_rgb(pair, "yuv420p", _COLOURS).to_ndarray().tobytes())
        except OSError as error:
            raise self._failed() from error

    def scores(self) -> list[tuple[float, float]]:
        """Give VMAF and VMAF NEG of each frame written so far, in order; the next one written starts anew.

        Raises:
            ClearcallError: FFmpeg didn't measure.
        """
        if self._running is None:
            return []
        _, errors = self._running.communicate()
        self._running = None
        try:
            found = json.loads((Path(self._folder.name) / _LOG).read_bytes())
        except (OSError, ValueError) as error:
            raise self._failed(errors) from error
        return [(frame["metrics"]["vmaf"], frame["metrics"]["vmaf_neg"]) for frame in found["frames"]]

    def _start(self, width: int, height: int) -> subprocess.Popen[bytes]:
        half = f"crop={width}:{height}:0"
        graph = (
            f"split[a][b];[a]{half}:0[preds];[b]{half}:{height}[target];"
            f"[preds][target]libvmaf=model='{_MODELS}':log_fmt=json:log_path={_LOG}:n_threads=1"
        )
        raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{2 * height}", "-i", "-"]
        command = [self._program, "-hide_banner", "-nostdin", "-loglevel", "error", "-threads", "1", "-filter_threads"]
        command += ["1", *raw, "-filter_complex", graph, "-f", "null", "-"]
        return subprocess.Popen(
            command, cwd=self._folder.name, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def _failed(self, errors: bytes | None = None) -> ClearcallError:
        if errors is None and self._running is not None:
            _, errors = self._running.communicate()
        last = (errors or b"").decode(errors="replace").strip().splitlines()
        return ClearcallError(
            f"{self._program} doesn't measure VMAF ({last[-1] if last else 'no reason given'}); install another FFmpeg."
        )
