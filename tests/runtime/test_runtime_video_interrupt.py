"""An interrupt never leaves a thread at work on files that are closed: FFmpeg would crash the process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from watched_video import MakeVideo, Unchanged

from clearcall.media.remux import RemuxSink
from clearcall.runtime.interrupts import held_interrupts
from clearcall.runtime.video import sharpen_video


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Python's own, whatever the tests were started with; the same ones afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def working() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name in ("decode", "encode")]


@pytest.mark.parametrize("name", ["decode", "encode"])
def test_an_interrupt_while_threads_start(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == name:
            signal.raise_signal(signal.SIGINT)

    source = make_video("a.mkv")
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sharpen_video(source, tmp_path / "out.mkv", Unchanged())
    assert working() == []
    assert [path.name for path in tmp_path.glob("*out*")] == []


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_an_interrupt_while_the_last_frames_are_encoded(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    finish, finished = RemuxSink.finish, []

    def interrupted(sink: RemuxSink) -> None:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
        finish(sink)
        finished.append(sink)

    source = make_video("a.mkv")
    monkeypatch.setattr(RemuxSink, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sharpen_video(source, tmp_path / "out.mkv", Unchanged())
    assert len(finished) == 1
    assert working() == []
    assert [path.name for path in tmp_path.glob("*out*")] == []


def test_held_signals_come_at_the_end_of_the_block_even_of_one_that_fails() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), held_interrupts():
        signal.raise_signal(signal.SIGINT)
        reached.append("after the signal")
        raise ValueError("its own error")
    assert reached == ["after the signal"]


def test_other_threads_hold_nothing_back() -> None:
    seen = []

    def look() -> None:
        with held_interrupts() as let_come, let_come():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
