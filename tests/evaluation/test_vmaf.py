"""VMAF through a real FFmpeg."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from clearcall.errors import ClearcallError
from clearcall.evaluation import vmaf
from clearcall.evaluation.filters import unsharp
from clearcall.evaluation.vmaf import VmafMeter, find_ffmpeg

SHARP = np.ascontiguousarray(data.astronaut()[:181, 100:301])
SOFT = np.asarray((SHARP.astype(np.uint16) + np.roll(SHARP, 2, axis=1)) // 2, np.uint8)


@pytest.fixture(scope="module")
def program() -> str:
    found = find_ffmpeg()
    assert found, "the dev extra brings an FFmpeg with libvmaf"
    return found


def test_many_outputs_of_one_truth_score_as_each_alone(program: str) -> None:
    outputs = [SHARP, SOFT, unsharp(1)(SOFT)]
    with VmafMeter(program) as meter:
        for output in outputs:
            meter.write(output, SHARP)
        together = meter.scores()
        alone = []
        for output in outputs:
            meter.write(output, SHARP)
            alone += meter.scores()
    assert together == alone
    plain, neg = np.array(together).T
    assert plain[0] > 95
    assert plain[1] < plain[2]
    assert plain[2] - plain[1] > neg[2] - neg[1]  # NEG gives less for sharpening


def test_movement_of_the_truth_counts(program: str) -> None:
    with VmafMeter(program) as meter:
        for shift in (0, 8, 16):
            meter.write(np.roll(SOFT, shift, axis=0), np.roll(SHARP, shift, axis=0))
        moving = meter.scores()
        meter.write(SOFT, SHARP)
        assert len(moving) == 3
        assert moving[1] != meter.scores()[0]


def test_nothing_written_gives_nothing(program: str) -> None:
    with VmafMeter(program) as meter:
        assert meter.scores() == []


def test_a_program_that_does_not_measure_is_one_sentence_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f"#!{sys.executable}\nimport sys\nsys.stdin.buffer.read()\nsys.exit('no such filter')\n")
    script.chmod(0o755)
    with VmafMeter(str(script)) as meter:
        meter.write(SHARP, SHARP)
        with pytest.raises(ClearcallError, match="no such filter"):
            meter.scores()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(vmaf, "_imageio_ffmpeg", lambda: None)
    assert find_ffmpeg.__wrapped__() is None
