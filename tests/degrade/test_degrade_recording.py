"""A recording on disk becomes pairs: from a real encoded video and from a folder of frames."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearcall.data.check import check_data
from clearcall.degrade.exposure import average
from clearcall.degrade.recording import blur_recording
from clearcall.errors import InputError, OutputError
from clearcall.media.picture import read_frame
from clearcall.media.video import VideoSource, to_rgb

FAST = {"pts": tuple(range(40)), "time_base": Fraction(1, 240), "codec_options": {"crf": "6"}}


@pytest.fixture
def clip(make_video) -> Path:
    """40 frames at 240 frames/s."""
    return make_video("GOPR0477_11_00.mp4", pixel_format="yuv444p", **FAST)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "GOPR0001_11_00"
    folder.mkdir()
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:06}.png")
    (folder / ".hidden.png").write_bytes(b"x")
    return folder


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_fast_video_becomes_pairs_of_its_own_frames(clip: Path, tmp_path: Path):
    seen: list[tuple[int, int | None]] = []
    done = blur_recording(clip, tmp_path / "out", counts=(8, 8), on_progress=lambda at, total: seen.append((at, total)))
    assert (done.made, done.kept, done.notes) == (5, 0, [])
    assert seen == [(at, 40) for at in (8, 16, 24, 32, 40)]
    with VideoSource(clip) as video:
        decoded = [to_rgb(frame) for frame in video.frames()]
    for start in range(0, 40, 8):
        name = f"GOPR0477_11_00_{start + 4:06}_avg08.png"
        assert (read_frame(tmp_path / "out" / "sharp" / name) == decoded[start + 4]).all()
        assert (read_frame(tmp_path / "out" / "blur" / name) == average(decoded[start : start + 8])).all()
    health = check_data(tmp_path / "out")
    assert (health.kind, health.counts, health.findings) == ("flat", {"": {"GOPR0477_11_00": 5}}, {})


def test_a_folder_of_frames_does_too_with_other_options(frames: Path, tmp_path: Path):
    done = blur_recording(frames, tmp_path / "out" / "train", counts=(3, 3), stride=5, gamma=1)
    assert done.made == 4
    blurred = read_frame(tmp_path / "out" / "train" / "blur" / "GOPR0001_11_00_000006_avg03.png")
    mean = np.mean([read_frame(frames / f"{number:06}.png") for number in (5, 6, 7)], axis=0)
    assert np.abs(blurred - mean).max() <= 0.501


def test_an_interrupted_call_is_continued(frames: Path, tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    blur_recording(frames, whole, counts=(2, 4), seed=5)

    def stop(at: int, total: int | None) -> None:
        if at > 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blur_recording(frames, broken, counts=(2, 4), seed=5, on_progress=stop)
    before = snapshot(broken)
    (lost,) = list((broken / "blur").glob("*"))[:1]
    lost.unlink()
    done = blur_recording(frames, broken, counts=(2, 4), seed=5)
    assert done.kept == len(list((broken / "sharp").iterdir())) - done.made > 0
    after = snapshot(broken)
    assert {name: content for name, (_, content) in after.items()} == {
        name: content for name, (_, content) in snapshot(whole).items()
    }
    kept = [name for name in before if name.startswith("blur/") and name != f"blur/{lost.name}"]
    assert kept
    assert all(before[name] == after[name] for name in kept)


def test_other_options_never_mix_with_pairs_that_are_there(frames: Path, clip: Path, tmp_path: Path):
    out = tmp_path / "out"
    blur_recording(frames, out, counts=(3, 3))
    blur_recording(clip, out, counts=(9, 9))
    before = snapshot(out)
    with pytest.raises(OutputError, match=r"made with other options .*; add --force"):
        blur_recording(frames, out, counts=(4, 4))
    assert snapshot(out) == before
    assert blur_recording(frames, out, counts=(4, 4), force=True).made == 5
    after = snapshot(out)
    assert {name for name in after if "GOPR0477" in name} == {name for name in before if "GOPR0477" in name}
    assert all("avg04" in name for name in after if "GOPR0001" in name and name.endswith("png"))
    assert json.loads((out / "GOPR0001_11_00.blur.json").read_text())["frames"] == [4, 4]


def test_another_recording_of_the_same_name_is_not_taken_for_the_first(frames: Path, tmp_path: Path):
    blur_recording(frames, tmp_path / "out", counts=(3, 3))
    twin = tmp_path / "elsewhere" / frames.name
    twin.mkdir(parents=True)
    for number in range(9):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(twin / f"{number:06}.png")
    with pytest.raises(OutputError, match="another recording of this name"):
        blur_recording(twin, tmp_path / "out", counts=(3, 3))


def test_a_slow_video_is_used_with_a_note_and_turned_upright(make_video, tmp_path: Path):
    clip = make_video("slow.mp4", rotation=90)
    done = blur_recording(clip, tmp_path / "out", counts=(4, 4))
    assert done.made == 3
    assert "ghosts" in done.notes[0]
    assert read_frame(next((tmp_path / "out" / "sharp").iterdir())).shape == (64, 48, 3)


def test_sources_that_cannot_be_used_leave_nothing_behind(frames: Path, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="holds no frames"):
        blur_recording(empty, tmp_path / "out")
    with pytest.raises(InputError, match="fewer frames than one exposure of 30 to 30"):
        blur_recording(frames, tmp_path / "out", counts=(30, 30))
    with pytest.raises(InputError, match="no file"):
        blur_recording(tmp_path / "none.mp4", tmp_path / "out")
    (frames / "000003.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"000003\.png"):
        blur_recording(frames, tmp_path / "out", counts=(7, 7))
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="can't be made"):
        blur_recording(frames, tmp_path / "file", counts=(2, 2))
