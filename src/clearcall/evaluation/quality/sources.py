"""Pictures and clips as truth, and what is shown of them behind a link."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from clearcall.degrade import Profile, Traffic, degrade_clip
from clearcall.degrade.link import PICTURE_RATE, picture_views, receive_picture
from clearcall.degrade.scale import resize
from clearcall.errors import InputError
from clearcall.evaluation.cases import find_sharp
from clearcall.frame import Frame, to_8_bit
from clearcall.media.picture import PICTURE_SUFFIXES, read_picture
from clearcall.media.video import VIDEO_SUFFIXES, VideoSource, to_rgb

SENT_SECONDS = Fraction(5, 2)
"""So much of a clip, from its start, is sent: its rate control has settled before the end."""
MEASURED_FRAMES = 16
"""So many frames are measured, the last ones that are sent."""
_DEFAULT_RATE = Fraction(30)


@dataclass(frozen=True)
class Source:
    """A picture or clip to measure on, not yet read.

    Attributes:
        name: Its path within the folder.
        category: What is shown, as in ``"people"``.
        path: The file.
    """

    name: str
    category: str
    path: Path

    @property
    def is_clip(self) -> bool:
        """Whether it is a video file."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True)
class Moment:
    """One frame: the truth, as received (of the size in which it was sent), and as shown."""

    truth: Frame
    received: Frame
    shown: Frame


@dataclass(frozen=True)
class Sent:
    """A source behind one link: consecutive frames, and the bitrate that it took (0 without a codec)."""

    profile: Profile
    moments: Sequence[Moment]
    kbps: float


def find_sources(folder: Path) -> list[Source]:
    """List the pictures and clips of a folder, sub-folders too, sorted by name.

    Raises:
        InputError: The folder is missing, or holds neither.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to measure on; name one with sharp pictures or clips.")
    found = [Source(*about) for about in find_sharp(folder, PICTURE_SUFFIXES | VIDEO_SUFFIXES)]
    if not found:
        raise InputError(f"The folder {folder} holds neither a picture nor a video; name one with sharp ones.")
    return found


def some_of_each(sources: Sequence[Source], limit: int) -> list[Source]:
    """Take at most so many sources of each category, evenly spread over them; always the same ones.

    Example:
        >>> found = [Source(name, name[0], Path(name)) for name in ("a1", "a2", "a3", "a4", "b1")]
        >>> [source.name for source in some_of_each(found, 2)]
        ['a1', 'a3', 'b1']
    """
    chosen = []
    for category in {source.category for source in sources}:
        of_it = [source for source in sources if source.category == category]
        count = min(limit, len(of_it))
        chosen += [of_it[index * len(of_it) // count] for index in range(count)]
    return sorted(chosen, key=sources.index)


def send(source: Source, profiles: Sequence[Profile], seed: int = 0) -> Iterator[Sent]:
    """Send a source through links, one after another.

    Of a picture, which moves as in a hand, the last frame is kept, which lies on the truth; the frames of its movement
    are made once for all profiles whose ``views`` are the same. Of a clip the first 2.5 s are sent and the last 16
    frames of them kept.

    Args:
        source: A picture or clip.
        profiles: The links.
        seed: For what is random in the degradation.

    Yields:
        One result for each profile, in their order.

    Raises:
        InputError: The file can't be read.
    """
    if source.is_clip:
        yield from (_send_clip(source.path, profile, seed) for profile in profiles)
        return
    truth = to_8_bit(read_picture(source.path).pixels)
    made_for, views = None, list[Frame]()
    for profile in profiles:
        if made_for != profile.views:
            made_for, views = profile.views, list(picture_views(truth, profile, seed))
        traffic = Traffic()
        received = receive_picture(views, profile, traffic)
        yield Sent(profile, [_moment(truth, received, profile)], traffic.kbps(profile.sent_rate(PICTURE_RATE)))


def _moment(truth: Frame, received: Frame, profile: Profile) -> Moment:
    return Moment(truth, received, resize(received, truth.shape[1], truth.shape[0], profile.up))


@dataclass
class _Truth:
    """Frames of a clip, kept until their degraded twins come out of the link."""

    source: VideoSource
    count: int
    waiting: deque[Frame] = field(default_factory=deque)

    def __iter__(self) -> Iterator[Frame]:
        size = None
        for frame in islice(self.source.frames(), self.count):
            truth = np.asarray(to_8_bit(to_rgb(frame)))
            size = size or truth.shape
            if truth.shape != size:
                raise InputError(f"The frames of {self.source.path} change their size; give a clip of one size.")
            self.waiting.append(truth)
            yield truth


def _send_clip(path: Path, profile: Profile, seed: int) -> Sent:
    traffic = Traffic()
    with VideoSource(path) as source:
        rate = source.info.rate or _DEFAULT_RATE
        truths = _Truth(source, max(round(SENT_SECONDS * rate), MEASURED_FRAMES))
        last: deque[tuple[Frame, Frame]] = deque(maxlen=MEASURED_FRAMES)
        for received in degrade_clip(truths, rate, profile, seed, as_sent=True, traffic=traffic):
            last.append((truths.waiting.popleft(), received))
    moments = [_moment(truth, received, profile) for truth, received in last]
    return Sent(profile, moments, traffic.kbps(profile.sent_rate(rate)))
