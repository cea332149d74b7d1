"""Whole folders of results or none: filled beside the final name, moved there when complete."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearcall.errors import OutputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_folder(path: Path, force: bool) -> Iterator[Path]:
    """Give an empty folder beside ``path`` and move it there when the block ends well.

    With ``force``, files of the same names in an existing folder are replaced; everything else in it stays. On
    any exception, Ctrl-C too, the new folder is removed and ``path`` is left as it was.

    Args:
        path: The final folder. The folder that holds it must exist.
        force: Allow ``path`` to exist and to hold something.

    Yields:
        The folder to write into.

    Raises:
        OutputError: ``path`` is a file, or holds something (without ``force``), or can't be written, or the disk
            is full.

    Example:
        >>> import tempfile
        >>> home = Path(tempfile.mkdtemp())
        >>> with atomic_folder(home / "results", force=False) as unfinished:
        ...     _ = (unfinished / "note.txt").write_text("whole")
        >>> [str(file.relative_to(home)) for file in home.rglob("*")]
        ['results', 'results/note.txt']
    """
    check_folder(path, force)
    final = path.resolve()
    unfinished = final.with_name(f".clearcall-{secrets.token_hex(4)}")
    try:
        unfinished.mkdir()
        yield unfinished
        _move(unfinished, final)
    except OSError as error:
        raise OutputError(_sentence(path, error)) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def check_folder(path: Path, force: bool) -> None:
    """Refuse a folder for results that can't be used, before any work is done for it.

    Args:
        path: The final folder.
        force: Whether it may hold something already.

    Raises:
        OutputError: It is a file, holds something (without ``force``), or the folder around it is missing or
            can't be written.

    Example:
        >>> check_folder(Path("not-there"), force=False)
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file, not a folder for results; choose another name with --output.")
    if not path.resolve().parent.is_dir():
        raise OutputError(f"The folder {path.parent} for {path.name} is missing; create it first.")
    if not os.access(path if path.exists() else path.resolve().parent, os.W_OK):
        raise OutputError(f"{path} can't be written (no permission); choose another place with --output.")
    if path.is_dir() and not force and any(path.iterdir()):
        raise OutputError(
            f"The folder {path} holds files already; add --force to replace the results in it, or choose another "
            "name with --output."
        )


def _move(unfinished: Path, final: Path) -> None:
    if not final.exists():
        unfinished.replace(final)
        return
    for file in sorted(unfinished.rglob("*")):
        place = final / file.relative_to(unfinished)
        if file.is_dir():
            place.mkdir(exist_ok=True)
        else:
            file.replace(place)


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return (
            f"There is no room left to write {path} ({error.strerror}); free some space or choose another disk with "
            "--output."
        )
    return f"Can't write {path}: {error.strerror or error}; choose another place with --output."
