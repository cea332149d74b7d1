"""Whole files or none: write beside the final name, rename when complete."""

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
def atomic_output(path: Path, force: bool) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it when the block ends well.

    The temporary file exists already (empty) and has the same suffix. On any exception, Ctrl-C too, it is
    removed and ``path`` is left as it was.

    Args:
        path: The final name. Its folder must exist.
        force: Replace a file that is already there (its permissions are kept).

    Yields:
        The path to write to.

    Raises:
        OutputError: ``path`` exists (without ``force``) or isn't an ordinary file, its folder is missing or
            can't be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_output(folder / "note.txt", force=False) as unfinished:
        ...     _ = unfinished.write_text("whole")
        >>> [(file.name, file.read_text()) for file in folder.iterdir()]
        [('note.txt', 'whole')]
    """
    try:
        check_output(path, force)
        final = path.resolve()
        unfinished = _create_beside(final)
    except OSError as error:
        raise OutputError(f"Can't write {path}: {error.strerror}; choose another place with -o.") from error
    try:
        yield unfinished
        _finish(unfinished, final, force)
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise OutputError(
            f"There is no room left to write {path}; free some space or choose another disk with -o."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def check_output(path: Path, force: bool) -> None:
    """Refuse an output name that can't be used, before any work is done for it.

    Args:
        path: The final name.
        force: Whether an ordinary file that is already there may be replaced.

    Raises:
        OutputError: The folder is missing, or something that may not be replaced is there.

    Example:
        >>> check_output(Path("not-there.png"), force=False)
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give a file name.")
    if path.exists():
        if not path.is_file():
            raise OutputError(f"{path} is not an ordinary file; choose another name.")
        if not force:
            raise OutputError(f"{path} exists already; add --force to replace it, or choose another name.")
    if not path.parent.is_dir():
        raise OutputError(f"The folder {path.parent} for {path.name} is missing; create it first.")


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error of the system or of FFmpeg says that there is no room to write.

    Args:
        error: Any error.

    Returns:
        True for a full disk, a quota or a limit on the size of files.

    Example:
        >>> is_disk_full(OSError(errno.ENOSPC, "No space left on device"))
        True
    """
    return getattr(error, "errno", None) in _FULL


def _create_beside(final: Path) -> Path:
    """Create an empty file with a fresh short name and the permissions that the final file shall have."""
    unfinished = final.with_name(f".clearcall-{secrets.token_hex(4)}{final.suffix}")
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    if final.exists():
        shutil.copymode(final, unfinished)
    return unfinished


def _finish(unfinished: Path, final: Path, force: bool) -> None:
    """Move the complete file to its name; never over a file that appeared meanwhile, unless forced."""
    if not force:
        check_output(final, force)
    unfinished.replace(final)
