"""``clearcall sharpen`` as a user runs it, with the bundled model, good and bad."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from skimage import data, metrics

import clearcall
from clearcall.cli import main
from clearcall.media.picture import Picture, read_picture, write_picture
from clearcall.media.video import VideoSink, VideoSource, to_rgb

MakeVideo = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command in this process; gives its exit status, output and errors."""

    def sharpen(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["clearcall", "sharpen", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        return status, *capsys.readouterr()

    previous = signal.getsignal(signal.SIGTERM)
    yield sharpen
    signal.signal(signal.SIGTERM, previous)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "cat.png"
    write_picture(Picture(np.ascontiguousarray(data.chelsea()[60:200, 100:300])), path)
    return path


def test_a_picture(run: Run, photo: Path, tmp_path: Path) -> None:
    status, out, err = run(photo, "-o", tmp_path / "sharp.png")
    assert (status, err) == (0, "")
    assert out.startswith(f"{photo} -> {tmp_path / 'sharp.png'}: 1 frame, ")
    expected = clearcall.load("small").sharpen(read_picture(photo).pixels)
    np.testing.assert_array_equal(read_picture(tmp_path / "sharp.png").pixels, expected)


def test_strength_goes_from_the_original_to_exaggerated(run: Run, photo: Path, tmp_path: Path) -> None:
    original = read_picture(photo).pixels
    changes = []
    for strength in (0, 0.5, 1, 2):
        assert run(photo, "-o", tmp_path / "s.png", "--strength", strength, "--force")[0] == 0
        changes.append(np.abs(read_picture(tmp_path / "s.png").pixels.astype(int) - original).mean())
    assert changes[0] == 0
    assert changes == sorted(changes)
    for wrong in ("-0.1", "2.1", "nan", "much"):
        status, _, err = run(photo, "-o", tmp_path / "t.png", "--strength", wrong)
        assert (status, (tmp_path / "t.png").exists()) == (2, False), err


def test_a_16_bit_picture(run: Run, photo: Path, tmp_path: Path) -> None:
    deep = read_picture(photo).pixels.astype(np.uint16) * 257 + 3
    write_picture(Picture(np.minimum(deep, 65535)), tmp_path / "deep.png")
    assert run(tmp_path / "deep.png", "-o", tmp_path / "sharp.png")[0] == 0
    sharp = read_picture(tmp_path / "sharp.png").pixels
    assert sharp.dtype == np.uint16
    assert (sharp % 257 == 3).mean() > 0.9, "what is below 8 bits is gone"


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (541, 961)])
def test_any_size_of_picture(run: Run, tmp_path: Path, size: tuple[int, int]) -> None:
    write_picture(Picture(np.full((*size, 3), 99, np.uint8)), tmp_path / "a.bmp")
    assert run(tmp_path / "a.bmp", "-o", tmp_path / "b.bmp")[0] == 0
    back = read_picture(tmp_path / "b.bmp").pixels
    assert back.shape == (*size, 3)
    assert np.abs(back.astype(int) - 99).max() <= 12


def test_a_blurred_call_gets_nearer_to_the_original(run: Run, tmp_path: Path) -> None:
    """Half size and back, through a real encoder, file to file."""
    sharp = data.astronaut()[:256, 100:420]
    blurred = sharp.reshape(128, 2, 160, 2, 3).mean(axis=(1, 3)).astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    blurred = ((blurred + np.roll(blurred, 1, 0).astype(int) + np.roll(blurred, 1, 1)) // 3).astype(np.uint8)
    with VideoSink(tmp_path / "call.mp4", width=320, height=256, rate=Fraction(30000, 1001), crf=10) as sink:
        for _ in range(3):
            sink.write(blurred)
    status, out, err = run(tmp_path / "call.mp4", "-o", tmp_path / "sharp.mp4")
    assert (status, err) == (0, "")
    assert "3 frames" in out
    with VideoSource(tmp_path / "call.mp4") as before, VideoSource(tmp_path / "sharp.mp4") as after:
        first, second = to_rgb(next(iter(before.frames()))), to_rgb(next(iter(after.frames())))
    assert np.abs(first.astype(int) - second).mean() > 0.5
    assert metrics.structural_similarity(first, second, channel_axis=-1) > 0.85


def test_a_call_keeps_its_sound(run: Run, make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mp4", sound="aac", rotation=90)
    options = ("--codec", "h265", "--crf", 30, "--preset", "ultrafast", "--model", "small")
    assert run(source, "-o", tmp_path / "b.mkv", *options)[0] == 0
    with VideoSource(tmp_path / "b.mkv") as video:
        assert len(video.container.streams.audio) == 2
        assert video.info.rotation == 90
        assert video.stream.codec_context.name == "hevc"
        assert sum(1 for _ in video.frames()) == 12


def test_a_folder_with_a_bad_file(run: Run, photo: Path, make_video: MakeVideo, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    write_picture(read_picture(photo), folder / "a.jpg")
    make_video("b.mp4").rename(folder / "sub/b.mp4")
    (folder / "sub/bad.png").write_bytes(b"bad")
    (folder / "notes.txt").write_text("x")
    status, out, err = run(folder, "-o", tmp_path / "out")
    assert status == 1
    assert out.splitlines()[-1] == "2 files sharpened, 1 failed, 1 file neither picture nor video"
    assert err.splitlines()[-1].startswith(f"  {folder / 'sub/bad.png'}: {folder / 'sub/bad.png'} is not a PNG")
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")} == {
        "a.jpg",
        "sub/b.mp4",
    }
    (folder / "sub/bad.png").unlink()
    status, out, _ = run(folder, "-o", tmp_path / "out", "--force")
    assert (status, out.splitlines()[-1]) == (0, "2 files sharpened, 0 failed, 1 file neither picture nor video")


@pytest.mark.parametrize(
    "case",
    [
        ("missing.mp4", "b.mp4", (), 3, "There is no file"),
        ("missing.png", "b.png", (), 3, "There is no file"),
        ("text.mp4", "b.mp4", (), 3, "is not a picture or video"),
        ("text.png", "b.png", (), 3, "is not a PNG, JPEG, WebP, TIFF or BMP picture"),
        ("text", "b.mp4", (), 3, "is not a picture or video"),
        ("cat.png", "cat.png", (), 4, "can't be replaced by its own result"),
        ("cat.png", "there.png", (), 4, "exists already; add --force"),
        ("cat.png", "no/b.png", (), 4, "is missing; create it first"),
        ("cat.png", "b.xyz", (), 4, "No picture format is known"),
        ("cat.png", "b.png", ("--model", "smal"), 5, "smal"),
        ("a.mp4", "b.mp4", ("--codec", "h2640"), 6, "did you mean h264"),
        ("a.mp4", "b.mp4", ("--crf", "99"), 6, "out of range"),
    ],
)
def test_errors_are_one_sentence_and_a_status(
    run: Run, photo: Path, make_video: MakeVideo, tmp_path: Path, case: tuple[str, str, tuple[str, ...], int, str]
) -> None:
    name, target, options, status, sentence = case
    write_picture(read_picture(photo), tmp_path / "cat.png")
    write_picture(read_picture(photo), tmp_path / "there.png")
    make_video("a.mp4")
    for text in ("text.mp4", "text.png", "text"):
        (tmp_path / text).write_text("words " * 500)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    found, out, err = run(tmp_path / name, "-o", tmp_path / target, *options)
    assert (found, out) == (status, "")
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("clearcall: ")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_damage_is_said(run: Run, make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mkv", pts=range(0, 60060, 1001))
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    status, out, _ = run(source, "-o", tmp_path / "b.mkv")
    assert status == 0
    assert "the source is cut off or damaged before its end; what decodes was sharpened" in out


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_an_interrupted_run_leaves_no_file_at_the_final_name(tmp_path: Path, sent: signal.Signals, status: int) -> None:
    frame = np.ascontiguousarray(np.tile(data.chelsea(), (2, 2, 1))[:480, :640])
    with VideoSink(
        tmp_path / "a.mkv", width=640, height=480, rate=Fraction(30), options={"preset": "ultrafast"}
    ) as sink:
        for _ in range(400):
            sink.write(frame)
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "clearcall", "sharpen", tmp_path / "a.mkv", "-o", out / "b.mkv"]
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # else a process that ignores it passes that on
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, ours)
    while not list(out.glob(".clearcall-*.mkv")):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert not (out / "b.mkv").exists()
    if sent is not signal.SIGKILL:
        assert err.strip() == "clearcall: interrupted; nothing unfinished was left at the output's name"
        assert list(out.iterdir()) == []
