"""Files and folders: what becomes what, and what a bad file does to the rest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearcall.errors import ClearcallError, InputError, OutputError
from clearcall.media.picture import Picture, read_picture, write_picture
from clearcall.runtime.batch import Job, plan, sharpen_files
from clearcall.runtime.picture import sharpen_picture


class Halved:
    def sharpen(self, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
        return frame // 2


def save(path: Path, level: int = 200, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 7), (level, level, level)).save(path, **options)
    return path


def test_a_single_file_becomes_a_file_or_goes_into_a_folder(tmp_path: Path) -> None:
    source, folder = save(tmp_path / "a.png"), tmp_path / "folder"
    folder.mkdir()
    assert plan([source], tmp_path / "b.jpg").jobs == (Job(source, tmp_path / "b.jpg"),)
    assert plan([source], folder).jobs == (Job(source, folder / "a.png"),)


def test_a_folder_keeps_its_layout(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    files = [save(folder / "a.png"), save(folder / "deep/er/b.JPG"), save(folder / "deep/c.webp")]
    (folder / "notes.txt").write_text("x")
    (folder / "deep/Thumbs.db").write_text("x")
    save(folder / ".hidden.png")
    save(folder / ".cache/d.png")
    work = plan([folder], tmp_path / "out")
    assert {job.source for job in work.jobs} == set(files)
    assert {job.target.relative_to(tmp_path / "out") for job in work.jobs} == {f.relative_to(folder) for f in files}
    assert (work.ignored, work.makes_folders) == (2, True)
    assert all(outcome.error is None for outcome in sharpen_files(work, Halved()))
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["a.png", "b.JPG", "c.webp"]


def test_files_and_folders_together(tmp_path: Path) -> None:
    single, folder = save(tmp_path / "single.png"), tmp_path / "in"
    save(folder / "a.png")
    save(tmp_path / "other/a.png")
    work = plan([single, folder, tmp_path / "other"], tmp_path / "out")
    assert [str(job.target.relative_to(tmp_path / "out")) for job in work.jobs] == [
        "single.png",
        "in/a.png",
        "other/a.png",
    ]


def test_results_inside_the_source_folder_are_not_sharpened_again(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    out = tmp_path / "sharp"
    for _ in range(2):
        work = plan([tmp_path], out)
        assert [job.source.name for job in work.jobs] == ["a.png"]
        assert all(outcome.error is None for outcome in sharpen_files(work, Halved(), force=True))


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    sources = [save(tmp_path / f"{name}.png") for name in "abc"]
    sources[1].write_bytes(b"not a picture")
    (tmp_path / "out").mkdir()
    save(tmp_path / "out/c.png", 1)
    sources.append(tmp_path / "missing.mp4")
    seen: list[str] = []

    def watch(job: Job) -> nullcontext[None]:
        seen.append(job.source.name)
        return nullcontext()

    outcomes = list(sharpen_files(plan(sources, tmp_path / "out"), Halved(), watch=watch))
    assert [type(outcome.error) for outcome in outcomes] == [type(None), InputError, OutputError, InputError]
    assert seen == ["a.png", "b.png", "c.png", "missing.mp4"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "c.png"}
    assert read_picture(tmp_path / "out/a.png").pixels.max() == 100
    assert read_picture(tmp_path / "out/c.png").pixels.max() == 1


def test_the_source_is_never_the_target(tmp_path: Path) -> None:
    source = save(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(source)
    for target in (source, tmp_path, tmp_path / "link.png", tmp_path / "." / "a.png"):
        with pytest.raises(OutputError, match="can't be replaced by its own result"):
            plan([source], target)
    with pytest.raises(OutputError, match="can't be replaced by its own result"):
        plan([tmp_path, source], tmp_path)


def test_a_folder_into_itself_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "in/a.png")
    with pytest.raises((InputError, OutputError)):
        plan([tmp_path / "in"], tmp_path / "in")


def test_two_files_never_become_one(tmp_path: Path) -> None:
    sources = [save(tmp_path / "x/a.png"), save(tmp_path / "y/a.png")]
    with pytest.raises(OutputError, match=r"x/a\.png and .*y/a\.png would both become"):
        plan(sources, tmp_path / "out")


def test_several_files_need_a_folder(tmp_path: Path) -> None:
    sources = [save(tmp_path / "a.png"), save(tmp_path / "b.png")]
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file; several files need a folder"):
        plan(sources, tmp_path / "file")


def test_a_folder_without_media(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.txt").write_text("x")
    with pytest.raises(InputError, match="no pictures or videos in the folder"):
        plan([tmp_path / "in"], tmp_path / "out")


def test_a_loop_of_links_is_no_trap(tmp_path: Path) -> None:
    save(tmp_path / "in/a.png")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    assert len(plan([tmp_path / "in"], tmp_path / "out").jobs) == 1


def test_a_folder_that_can_not_be_created_is_the_failure_of_its_file(tmp_path: Path) -> None:
    save(tmp_path / "in/deep/a.png")
    save(tmp_path / "in/b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/deep").write_text("in the way")
    outcomes = list(sharpen_files(plan([tmp_path / "in"], tmp_path / "out"), Halved()))
    assert [str(outcome.error)[:10] for outcome in outcomes if outcome.error] == ["The folder"]
    assert (tmp_path / "out/b.png").exists()


def test_a_video_among_pictures(make_video: Callable[..., Path], tmp_path: Path) -> None:
    source = make_video("in.mp4", sound="aac")
    work = plan([source, save(tmp_path / "a.png")], tmp_path / "out")
    reports: list[tuple[int, int | None]] = []

    def report(done: int, total: int | None) -> None:
        reports.append((done, total))

    outcomes = list(sharpen_files(work, Halved(), watch=lambda _: nullcontext(report)))
    assert [outcome.result.frames for outcome in outcomes if outcome.result] == [12, 1]
    assert reports[-1] == (12, 12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_only_the_pixels_of_a_picture_change(tmp_path: Path, dtype: type) -> None:
    top = np.iinfo(dtype).max
    alpha = np.random.default_rng(0).integers(0, top, (6, 8), dtype)
    picture = Picture(np.full((6, 8, 3), top, dtype), alpha, is_grey=True, icc=None, dpi=(300.0, 300.0))
    write_picture(picture, tmp_path / "a.png")
    result = sharpen_picture(tmp_path / "a.png", tmp_path / "b.png", Halved())
    back = read_picture(tmp_path / "b.png")
    assert result.frames == 1
    np.testing.assert_array_equal(back.pixels, picture.pixels // 2)
    np.testing.assert_array_equal(back.alpha, alpha)
    assert back.is_grey
    assert back.dpi == pytest.approx((300, 300), abs=0.02)


def test_a_picture_becomes_another_format_but_no_video(tmp_path: Path) -> None:
    source = save(tmp_path / "a.png")
    sharpen_picture(source, tmp_path / "b.webp", Halved())
    assert read_picture(tmp_path / "b.webp").pixels.max() == 100
    with pytest.raises(OutputError, match=r"No picture format is known for the suffix '\.mp4'"):
        sharpen_picture(source, tmp_path / "b.mp4", Halved())
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.parametrize(
    ("sources", "target", "sentence"),
    [
        (["-", "a.mp4"], "out", "can't be sharpened together with files"),
        (["-"], "folder", "is a folder; give what comes from standard input a file name"),
        (["a.mp4", "b.mp4"], "-", "Standard output takes one video"),
        (["folder"], "-", "Standard output takes one video"),
        (["cat.png"], "-", "Standard output takes a video, as y4m; give cat.png a file name"),
    ],
)
def test_what_can_not_be_piped(
    sources: list[str], target: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(ClearcallError, match=sentence):
        plan([Path(source) for source in sources], Path(target))


def test_one_video_can_be_piped() -> None:
    assert plan([Path("-")], Path("-")).jobs == (Job(Path("-"), Path("-")),)
