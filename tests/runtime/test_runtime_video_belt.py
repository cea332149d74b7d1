"""Three threads and two belts: nothing hangs, piles up or is left behind."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import numpy as np
import pytest
from watched_video import MakeVideo, Unchanged

from clearcall.errors import ClearcallError, InputError, OutputError
from clearcall.runtime.video import sharpen_video


class Failing(Unchanged):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error
        self.calls = 0

    def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
        self.calls += 1
        if self.calls > 20:
            raise self.error
        return frame


@pytest.mark.parametrize("error", [InputError("bad frame"), KeyboardInterrupt(), MemoryError()])
def test_an_error_while_sharpening_stops_all(make_video: MakeVideo, tmp_path: Path, error: BaseException) -> None:
    source = make_video("a.mkv", pts=range(0, 100100, 1001), sound="aac")
    before = threading.active_count()
    with pytest.raises(type(error)):
        sharpen_video(source, tmp_path / "b.mkv", Failing(error))
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("stage", ["_decode", "_encode"])
def test_an_error_in_a_thread_stops_all(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def fail(*_: object) -> None:
        raise OutputError("broken thread")

    monkeypatch.setattr(f"clearcall.runtime.video.{stage}", fail)
    source = make_video("a.mkv", pts=range(0, 100100, 1001))
    before = threading.active_count()
    with pytest.raises(ClearcallError, match="broken thread"):
        sharpen_video(source, tmp_path / "b.mkv", Unchanged())
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == [source]


def test_only_a_bounded_number_of_frames_is_under_way(make_video: MakeVideo, tmp_path: Path) -> None:
    """The decoder waits for a slow sharpener; large frames make for a short belt."""
    import clearcall.runtime.video as pipeline

    source = make_video("a.mkv", pts=range(0, 60060, 1001), size=(320, 240))
    decoded, most = 0, 0
    original = pipeline.to_rgb

    def counting(frame: av.VideoFrame) -> np.ndarray:
        nonlocal decoded
        decoded += 1
        return original(frame)

    class Slow(Unchanged):
        done = 0

        def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
            nonlocal most
            self.done += 1
            threading.Event().wait(0.002)
            most = max(most, decoded - self.done)
            return frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "to_rgb", counting)
        patch.setattr(pipeline, "_BELT_BYTES", 3 * 320 * 240 * 3)
        assert sharpen_video(source, tmp_path / "b.mkv", Slow()).frames == 60
    assert most <= 3 + 2


def test_progress_counts_up_to_the_total(make_video: MakeVideo, tmp_path: Path) -> None:
    reports: list[tuple[int, int | None]] = []
    sharpen_video(
        make_video("a.mp4"), tmp_path / "b.mp4", Unchanged(), on_progress=lambda *report: reports.append(report)
    )
    assert reports == [(step, 12) for step in range(1, 13)]
