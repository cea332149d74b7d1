"""Pictures and videos on disk: size, sound, times, transparency, whole files or none."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clearcall.degrade import PROFILES, Profile, degrade_clip
from clearcall.degrade.files import degrade_file
from clearcall.degrade.scale import resize
from clearcall.errors import InputError, OutputError
from clearcall.media.colour import to_rgb
from clearcall.media.picture import Picture, read_picture, write_picture

HALF = PROFILES["h264-half-crf23"]
TICKS_OF_FRAMES = [0, 3, 6, 9, 15, 18, 21, 24, 27, 33, 36, 39]
"""Variable frame rate, in ninetieths of a second."""


def coarse(height: int, width: int, seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (max(1, height // 10), max(1, width // 10), 3), dtype=np.uint8)
    return resize(small, width, height, "bicubic")


def write_call(path: Path, width: int = 64, height: int = 48) -> Path:
    """A clip with sound and a variable frame rate."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", 30)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = Fraction(1, 90)
        video.options = {"crf": "10"}
        audio = container.add_stream("aac", 48000, layout="mono")
        for number, ticks in enumerate(TICKS_OF_FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(coarse(height, width), number, axis=1), format="rgb24")
            frame.pts, frame.time_base = ticks, Fraction(1, 90)
            container.mux(video.encode(frame))
        tone = (0.3 * np.sin(np.arange(24000) / 20)).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        sound.sample_rate, sound.pts = 48000, 0
        container.mux(audio.encode(sound))
        container.mux(video.encode(None) + audio.encode(None))
    return path


def packets(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(**{kind: 0}) if packet.size]


def frames(path: Path) -> list[tuple[Fraction, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(frame.pts * frame.time_base, to_rgb(frame)) for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_keeps_its_sound_and_times(tmp_path: Path, suffix: str):
    source, target = write_call(tmp_path / f"call{suffix}"), tmp_path / f"received{suffix}"
    sent = degrade_file(source, target, HALF)
    assert (sent.frames, sent.width, sent.height, sent.notes) == (12, 32, 24, ())
    assert sent.kbps > 1.0
    assert [time for time, _ in frames(target)] == [time for time, _ in frames(source)]
    assert packets(target, "audio") == packets(source, "audio")


def test_what_is_written_is_what_the_viewer_sees(tmp_path: Path):
    source, target = write_call(tmp_path / "call.mkv"), tmp_path / "received.mkv"
    degrade_file(source, target, HALF)
    expected = list(degrade_clip([rgb for _, rgb in frames(source)], Fraction(30), HALF))
    errors = [seen.astype(float) - want for (_, seen), want in zip(frames(target), expected, strict=True)]
    assert np.sqrt(np.mean(np.square(errors))) < 5.0


def test_left_out_frames_are_written_as_repeats(tmp_path: Path):
    source, target = write_call(tmp_path / "call.mkv"), tmp_path / "received.mkv"
    sent = degrade_file(source, target, Profile(name="slow", codec="vp8", crf=10, max_rate=5))
    received = frames(target)
    assert len(received) == 12
    assert sent.rate == 5
    assert np.abs(received[1][1].astype(int) - received[0][1]).mean() < 2.0


def test_as_sent_leaves_the_sent_size(tmp_path: Path):
    source, target = write_call(tmp_path / "call.mp4"), tmp_path / "sent.mp4"
    degrade_file(source, target, HALF, as_sent=True)
    assert {rgb.shape for _, rgb in frames(target)} == {(24, 32, 3)}
    assert packets(target, "audio") == packets(source, "audio")


def test_an_odd_sized_video(tmp_path: Path):
    source = tmp_path / "odd.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("ffv1", 25)
        video.width, video.height, video.pix_fmt = 35, 27, "bgr0"
        container.mux(video.encode(av.VideoFrame.from_ndarray(coarse(27, 35), format="rgb24").reformat(format="bgr0")))
        container.mux(video.encode(None))
    degrade_file(source, tmp_path / "out.mkv", HALF)
    assert frames(tmp_path / "out.mkv")[0][1].shape == (27, 35, 3)


def test_progress_counts_frames(tmp_path: Path):
    calls: list[tuple[int, int | None]] = []
    source = write_call(tmp_path / "call.mp4")
    degrade_file(source, tmp_path / "out.mp4", HALF, on_progress=lambda done, total: calls.append((done, total)))
    assert [done for done, _ in calls] == list(range(1, 13))


def test_a_picture_keeps_transparency_greyness_and_profile(tmp_path: Path):
    alpha = np.arange(40 * 60, dtype=np.uint8).reshape(40, 60)
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    grey = np.repeat(coarse(40, 60)[..., :1], 3, axis=2)
    write_picture(Picture(grey, alpha=alpha, is_grey=True, dpi=(300.0, 300.0)), source)
    sent = degrade_file(source, target, HALF)
    seen = read_picture(target)
    assert (sent.frames, sent.width, sent.height) == (1, 30, 20)
    assert seen.is_grey
    assert seen.dpi == pytest.approx((300.0, 300.0), abs=0.1)
    assert (seen.alpha == alpha).all()
    assert (seen.pixels != grey).any()


def test_as_sent_pictures_shrink_with_their_transparency(tmp_path: Path):
    write_picture(Picture(coarse(40, 61), alpha=np.full((40, 61), 77, np.uint8)), tmp_path / "in.png")
    degrade_file(tmp_path / "in.png", tmp_path / "out.png", PROFILES["bicubic-x2"], as_sent=True)
    seen = read_picture(tmp_path / "out.png")
    assert seen.pixels.shape == (20, 30, 3)
    assert (seen.alpha == 77).all()


def test_a_deep_picture_becomes_an_8_bit_one(tmp_path: Path):
    write_picture(Picture(coarse(16, 24).astype(np.uint16) * 257), tmp_path / "in.png")
    degrade_file(tmp_path / "in.png", tmp_path / "out.png", PROFILES["clean"])
    seen = read_picture(tmp_path / "out.png").pixels
    assert seen.dtype == np.uint8
    assert (seen == coarse(16, 24)).all()


@pytest.mark.parametrize("name", ["missing.mp4", "missing.png", "words.mp4", "words.jpg", "cut.mp4"])
def test_bad_sources_leave_nothing_behind(tmp_path: Path, name: str):
    if name.startswith("words"):
        (tmp_path / name).write_text("not a film")
    if name.startswith("cut"):
        (tmp_path / name).write_bytes(write_call(tmp_path / "call.mp4").read_bytes()[:600])
    target = (tmp_path / "out").with_suffix(Path(name).suffix)
    with pytest.raises(InputError, match=name.split(".", maxsplit=1)[0]):
        degrade_file(tmp_path / name, target, HALF)
    assert not target.exists()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".clearcall")]


def test_an_existing_target_is_kept(tmp_path: Path):
    source, target = write_call(tmp_path / "call.mp4"), tmp_path / "out.mp4"
    target.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        degrade_file(source, target, HALF)
    assert target.read_text() == "mine"
    degrade_file(source, target, HALF, force=True)
    assert len(frames(target)) == 12


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path):
    def interrupt(done: int, _total: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    source = write_call(tmp_path / "call.mp4")
    with pytest.raises(KeyboardInterrupt):
        degrade_file(source, tmp_path / "out.mp4", HALF, on_progress=interrupt)
    assert [file.name for file in tmp_path.iterdir()] == ["call.mp4"]
