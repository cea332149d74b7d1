"""Many files at once: which become which, and one bad file doesn't stop the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from clearcall.errors import ClearcallError, InputError, OutputError
from clearcall.media.encoder import Encoding
from clearcall.media.picture import PICTURE_SUFFIXES
from clearcall.media.pipe import STANDARD
from clearcall.media.video import VIDEO_SUFFIXES
from clearcall.runtime.picture import sharpen_picture
from clearcall.runtime.video import FileResult, Report, SharpensFrames, sharpen_video


@dataclass(frozen=True)
class Job:
    """One file to sharpen into another.

    Attributes:
        source: The file to read.
        target: The file to write.
    """

    source: Path
    target: Path


@dataclass(frozen=True)
class Plan:
    """What a call on several files and folders comes to.

    Attributes:
        jobs: The files to sharpen, in order.
        ignored: How many files in the folders are neither pictures nor videos.
        makes_folders: Whether the results need folders that may have to be created.
    """

    jobs: tuple[Job, ...]
    ignored: int = 0
    makes_folders: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a job: a result or an error.

    Attributes:
        job: The job.
        result: Counts, time and notes; None if it failed.
        error: Why it failed; None if it didn't.
    """

    job: Job
    result: FileResult | None = None
    error: ClearcallError | None = None


def plan(sources: Sequence[Path], target: Path) -> Plan:
    """Work out which file becomes which.

    A single file becomes ``target``, or a file of the same name in it if it is a folder. Several files go into
    the folder ``target``. The files of a folder keep their layout below ``target``; hidden files, and those
    already below ``target``, are left alone. ``-`` is standard input or output, for one video.

    Args:
        sources: Files and folders. Files that are missing are found out when their turn comes.
        target: A file or folder; folders are created when they are needed.

    Returns:
        The plan.

    Raises:
        InputError: Nothing to sharpen in a folder.
        OutputError: ``target`` is a file where a folder is needed, or the source itself, or two files would
            become the same.

    Example:
        >>> plan([Path("a.png"), Path("b.mp4")], Path("sharp")).jobs[1]
        Job(source=PosixPath('b.mp4'), target=PosixPath('sharp/b.mp4'))
    """
    _check_pipes(sources, target)
    is_single_file = len(sources) == 1 and not sources[0].is_dir()
    if is_single_file:
        jobs = [Job(sources[0], target / sources[0].name if target.is_dir() else target)]
        ignored = 0
    else:
        _check_folder(target)
        jobs, ignored = _gather(sources, target)
    for job in jobs:
        _refuse_same(job)
    _refuse_clashes(jobs)
    return Plan(tuple(jobs), ignored, makes_folders=not is_single_file)


def sharpen_files(
    work: Plan,
    sharpener: SharpensFrames,
    *,
    strength: float = 1.0,
    encoding: Encoding | None = None,
    force: bool = False,
    watch: Callable[[Job], AbstractContextManager[Report | None]] | None = None,
) -> Iterator[Outcome]:
    """Do a plan's jobs one after another; the failure of one doesn't stop the others.

    Args:
        work: The plan.
        sharpener: What sharpens a frame.
        strength: 0 leaves frames as they are, 1 is the model's output, up to 2 exaggerates it.
        encoding: Codec, quality and preset of videos.
        force: Replace files that exist.
        watch: Gives, around each job, what its progress is reported to.

    Yields:
        What became of each job, when it is done.
    """
    for job in work.jobs:
        with (watch or (lambda _: nullcontext()))(job) as report:
            try:
                if work.makes_folders:
                    _make_folder(job.target.parent)
                result = _sharpen_file(job, sharpener, strength, encoding, force, report)
            except ClearcallError as error:
                outcome = Outcome(job, error=error)
            else:
                outcome = Outcome(job, result)
        yield outcome


def _sharpen_file(
    job: Job,
    sharpener: SharpensFrames,
    strength: float,
    encoding: Encoding | None,
    force: bool,
    report: Report | None,
) -> FileResult:
    if job.source.suffix.lower() in PICTURE_SUFFIXES:
        return sharpen_picture(job.source, job.target, sharpener, strength=strength, force=force)
    return sharpen_video(
        job.source,
        job.target,
        sharpener,
        strength=strength,
        encoding=encoding,
        force=force,
        on_progress=report,
    )


def _check_pipes(sources: Sequence[Path], target: Path) -> None:
    if STANDARD in sources and len(sources) > 1:
        raise InputError("Standard input can't be sharpened together with files; give it a run of its own.")
    if STANDARD in sources and target.is_dir():
        raise OutputError(f"{target} is a folder; give what comes from standard input a file name.")
    if target == STANDARD and (len(sources) > 1 or sources[0].is_dir()):
        raise OutputError("Standard output takes one video; several files need a folder to go to.")
    if target == STANDARD and sources[0].suffix.lower() in PICTURE_SUFFIXES:
        raise OutputError(f"Standard output takes a video, as y4m; give {sources[0]} a file name with -o.")


def _check_folder(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target} is a file; several files need a folder to go to.")


def _gather(sources: Sequence[Path], target: Path) -> tuple[list[Job], int]:
    jobs: list[Job] = []
    ignored = 0
    for source in sources:
        if not source.is_dir():
            jobs.append(Job(source, target / source.name))
            continue
        files = list(_visible_files(source, target))
        media = [file for file in files if file.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES]
        if not media:
            raise InputError(f"There are no pictures or videos in the folder {source}.")
        root = target if len(sources) == 1 else target / source.resolve().name
        jobs.extend(Job(file, root / file.relative_to(source)) for file in media)
        ignored += len(files) - len(media)
    return jobs, ignored


def _visible_files(folder: Path, target: Path) -> Iterator[Path]:
    """Files below a folder in order of name, without hidden ones and without the results of another run."""
    results = target.resolve()
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.resolve() == results:
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _visible_files(path, target)


def _refuse_same(job: Job) -> None:
    if job.target.exists() and job.source.exists() and job.target.samefile(job.source):
        raise OutputError(f"{job.source} can't be replaced by its own result; choose another place with -o.")


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    counts = Counter(job.target for job in jobs)
    target, count = max(counts.items(), key=lambda entry: entry[1])
    if count > 1:
        names = " and ".join(str(job.source) for job in jobs if job.target == target)
        raise OutputError(f"{names} would both become {target}; sharpen them into different folders.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} can't be created ({error.strerror}).") from error
