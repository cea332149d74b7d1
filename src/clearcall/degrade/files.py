"""Pictures and videos on disk, as the viewer at the other end of a thin link would see them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from clearcall.degrade.codec import Traffic
from clearcall.degrade.link import PICTURE_RATE, Profile, degrade_clip, degrade_picture
from clearcall.degrade.scale import resize
from clearcall.frame import Frame, to_8_bit
from clearcall.media.atomic import atomic_output
from clearcall.media.encoder import Encoding
from clearcall.media.picture import PICTURE_SUFFIXES, Picture, read_picture, write_picture
from clearcall.media.remux import RemuxSink
from clearcall.media.video import FrameTime, VideoSource, to_rgb

Report = Callable[[int, int | None], None]
"""Called with the frames done so far and their total (None when it is not known)."""

VISUALLY_LOSSLESS = Encoding(crf=12)
_DEFAULT_RATE = Fraction(30)


@dataclass(frozen=True)
class Sent:
    """What went over the link for one file.

    Attributes:
        frames: Frames of the file.
        width: Pixels across, as sent.
        height: Pixels down, as sent.
        rate: Frames a second, as sent.
        kbps: Bitrate in kbit/s; 0 without a codec.
        notes: What couldn't be kept of the file, or was wrong with it; a phrase each.
    """

    frames: int
    width: int
    height: int
    rate: Fraction
    kbps: float
    notes: tuple[str, ...] = ()


def degrade_file(
    source: Path,
    target: Path,
    profile: Profile,
    *,
    seed: int = 0,
    as_sent: bool = False,
    force: bool = False,
    on_progress: Report | None = None,
) -> Sent:
    """Send a picture or a video over a thin link and write what arrives.

    A picture becomes an 8-bit one, with all else of its file kept. A video keeps its sound, subtitles, metadata and
    times, and is written so finely (CRF 12) that no further loss is seen.

    Args:
        source: A picture (told by its suffix) or any video that FFmpeg opens.
        target: The file to write; its suffix names the format.
        profile: The link.
        seed: The same seed gives the same pixels.
        as_sent: Leave frames at the size in which they were sent.
        force: Replace ``target`` if it exists.
        on_progress: Called after each frame.

    Returns:
        What was sent.

    Raises:
        InputError: The source can't be read.
        OutputError: The target can't be written, or can't hold what is in the source.
    """
    traffic = Traffic()
    if source.suffix.lower() in PICTURE_SUFFIXES:
        picture = read_picture(source)
        with atomic_output(target, force) as unfinished:
            write_picture(_degraded(picture, profile, seed, as_sent, traffic), unfinished)
        height, width = picture.pixels.shape[:2]
        rate = profile.sent_rate(PICTURE_RATE)
        return Sent(1, *profile.sent_size(width, height), rate, traffic.kbps(rate))
    return _degrade_video(source, target, profile, seed, as_sent, force, on_progress)


def _degraded(picture: Picture, profile: Profile, seed: int, as_sent: bool, traffic: Traffic) -> Picture:
    pixels = degrade_picture(to_8_bit(picture.pixels), profile, seed, as_sent=as_sent, traffic=traffic)
    if picture.alpha is None:
        return replace(picture, pixels=pixels)
    height, width = pixels.shape[:2]
    alpha = np.repeat(to_8_bit(picture.alpha)[..., None], 3, axis=2)
    return replace(picture, pixels=pixels, alpha=resize(alpha, width, height, profile.down)[..., 0])


def _degrade_video(
    source: Path,
    target: Path,
    profile: Profile,
    seed: int,
    as_sent: bool,
    force: bool,
    on_progress: Report | None,
) -> Sent:
    traffic = Traffic()
    with atomic_output(target, force) as unfinished, VideoSource(source) as video:
        info = video.info
        size = profile.sent_size(info.width, info.height)
        if as_sent:  # the sink makes its video as large as the source says that it is
            video.info = replace(info, width=size[0], height=size[1])
        rate = info.rate or _DEFAULT_RATE
        with RemuxSink(unfinished, video, VISUALLY_LOSSLESS) as sink:
            times: deque[FrameTime] = deque()
            frames = _frames(video, sink, times, (info.width, info.height))
            count = 0
            for shown in degrade_clip(frames, rate, profile, seed, as_sent=as_sent, traffic=traffic):
                sink.write(shown, times.popleft())
                count += 1
                if on_progress is not None:
                    on_progress(count, info.frames)
            sink.finish()
    sent_rate = profile.sent_rate(rate)
    return Sent(count, *size, sent_rate, traffic.kbps(sent_rate), _notes(video, sink))


def _frames(video: VideoSource, sink: RemuxSink, times: deque[FrameTime], size: tuple[int, int]) -> Iterator[Frame]:
    """Decode; pass sound and the like on to the sink, and remember when each frame is shown."""
    for item in video.read(sink.copied):
        if not isinstance(item, av.VideoFrame):
            sink.copy(item)
            continue
        times.append(FrameTime.of(item))
        frame = to_8_bit(to_rgb(item))
        yield frame if frame.shape[1::-1] == size else resize(frame, *size, "bicubic")


def _notes(video: VideoSource, sink: RemuxSink) -> tuple[str, ...]:
    notes = list(sink.notes)
    if video.damaged:
        notes.append(f"{video.damaged} damaged frame{'s' * (video.damaged > 1)} passed over")
    if video.is_truncated:
        notes.append("the source is cut off or damaged before its end; what decodes was sent")
    return tuple(notes)
