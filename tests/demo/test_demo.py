"""The demonstration end to end, small and short, through real codecs."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from clearcall.degrade import Profile, get_profile
from clearcall.demo import CallScene, Demonstration, demonstrate
from clearcall.demo.outcome import FrameScore
from clearcall.demo.split_screen import SplitScreen
from clearcall.errors import OutputError
from clearcall.evaluation.filters import unsharp

FILES = {"truth.mp4", "received.mp4", "sharpened.mp4", "side-by-side.mp4", "comparison.png", "report.html"}
LINK = Profile(name="half", codec="h264", scale=2.0, crf=28)


class Unsharp:
    """A model as far as the demonstration can tell."""

    name, device = "unsharp", "FFmpeg"

    def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
        return unsharp(strength)(frame)


def clip(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 30
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demonstration, Path]:
    folder = tmp_path_factory.mktemp("demo") / "out"
    return demonstrate(folder, Unsharp(), link=LINK, height=180, seconds=0.4), folder


def test_the_folder_holds_clips_picture_and_page(made: tuple[Demonstration, Path]) -> None:
    _, folder = made
    assert {file.name for file in folder.iterdir()} == FILES
    for name in FILES:
        if name.endswith(".mp4"):
            frames = clip(folder / name)
            assert (len(frames), frames[0].shape) == (12, (180, 320, 3))
    assert Image.open(folder / "comparison.png").width == 1920


def test_every_frame_is_measured_and_gains(made: tuple[Demonstration, Path]) -> None:
    shown, folder = made
    assert len(shown.scores) == 12
    assert shown.mean("ssim_after") > shown.mean("ssim_before")
    assert shown.worst_gain == min(score.ssim_after - score.ssim_before for score in shown.scores)
    truth, received = clip(folder / "truth.mp4")[5], clip(folder / "received.mp4")[5]
    expected = structural_similarity(
        received, truth, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert shown.scores[5].ssim_before == pytest.approx(expected, abs=0.01)  # PyAV's colour conversion differs a bit
    assert min(shown.kbps, shown.sharpen_fps, shown.file_fps) > 0


def test_side_by_side_shows_both(made: tuple[Demonstration, Path]) -> None:
    _, folder = made
    joined, received, sharpened = (
        clip(folder / name)[0].astype(int) for name in ("side-by-side.mp4", "received.mp4", "sharpened.mp4")
    )
    left, right = np.s_[:150, :150], np.s_[:150, 170:]
    assert np.abs(joined[left] - received[left]).mean() < np.abs(joined[left] - sharpened[left]).mean()
    assert np.abs(joined[right] - sharpened[right]).mean() < np.abs(joined[right] - received[right]).mean()


def test_the_page_is_self_contained_and_says_how_it_was_measured(made: tuple[Demonstration, Path]) -> None:
    shown, folder = made
    html = (folder / "report.html").read_text()
    assert "://" not in html
    assert "Gaussian 11x11" in html
    assert f"{shown.mean('ssim_after'):.4f}" in html
    assert set(re.findall(r'href="([^"]+\.mp4)"', html)) == {name for name in FILES if name.endswith(".mp4")}


def test_stages_report_their_progress(tmp_path: Path) -> None:
    from contextlib import contextmanager

    seen: dict[str, list[tuple[int, int | None]]] = {}

    @contextmanager
    def progress(label: str):
        yield lambda done, total: seen.setdefault(label, []).append((done, total))

    demonstrate(tmp_path / "out", Unsharp(), link=get_profile("bicubic-x2"), height=90, seconds=0.1, progress=progress)
    assert list(seen) == [
        "drawing a call",
        "sending it over a thin link",
        "sharpening it",
        "measuring every frame",
    ]
    assert all(stage[-1][0] == 3 for stage in seen.values())


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    class Interrupted(Unsharp):
        calls = 0

        def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
            self.calls += 1
            if self.calls > 46:  # in the middle of the clip, after the timing
                raise error
            return frame

    with pytest.raises(error):
        demonstrate(tmp_path / "out", Interrupted(), link=LINK, height=90, seconds=0.2)
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        demonstrate(tmp_path, Unsharp(), link=LINK, height=90, seconds=0.1)


def test_the_scene_is_the_same_each_time_and_changes_its_slide_half_way() -> None:
    scene, again = CallScene(180, 10), CallScene(180, 10)
    assert all((scene.frame(number) == again.frame(number)).all() for number in (9, 0, 4))
    slide = np.s_[10:120, 10:220]
    frames = [scene.frame(number).astype(int)[slide] for number in range(10)]
    changes = [np.abs(after - before).mean() for before, after in pairwise(frames)]
    assert np.argmax(changes) == 4
    speaker = np.s_[10:80, 240:310]
    assert (scene.frame(0)[speaker] != scene.frame(1)[speaker]).any()


def test_photographs_are_not_enlarged_at_full_size() -> None:
    """The slide's photograph lies in the frame pixel by pixel."""
    from skimage import data

    frame = CallScene(1080, 2).frame(0)
    assert frame.shape == (1080, 1920, 3)
    assert (frame[236:300, 696:1336] == data.rocket()[:64]).all()


def test_the_typical_frame_has_the_median_gain() -> None:
    gains = (0.05, 0.01, 0.03, 0.02, 0.04)
    scores = tuple(FrameScore(0.9, 0.9 + gain, 30, 31) for gain in gains)
    shown = Demonstration(16, 16, "half", 100, "small", "CPU", scores, 30, 20)
    assert shown.typical_frame == 2
    assert shown.worst_gain == pytest.approx(0.01)


def test_the_divider_glides_between_the_two_sides() -> None:
    before, after = np.zeros((90, 160, 3), np.uint8), np.full((90, 160, 3), 200, np.uint8)
    split = SplitScreen(160, 90, "a", "b")
    shares = [(split.join(before, after, seconds)[0, :, 0] == 0).mean() for seconds in (0, 1, 2, 3)]
    assert shares[1] > shares[0] > shares[3] > 0.15
    assert shares[0] == pytest.approx(shares[2], abs=0.02)
    assert not before.any()
