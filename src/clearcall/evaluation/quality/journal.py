"""A run's memory on disk: one JSON line for each thing measured, so that a run goes on where it was interrupted."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from clearcall.errors import OutputError

NAME = "journal.jsonl"
_HEADER = "run"


class Journal:
    """Lines that only ever get more; use it in a ``with`` block.

    A line that was cut off by a crash is dropped on opening; a line is on the disk when ``add`` returns.

    Args:
        path: The file; made where it is missing.
        about: What the run measures. A file that was made with something else is refused.

    Attributes:
        entries: What is there already: (kind, content).

    Raises:
        OutputError: The file was made with other settings, isn't a journal, or can't be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / NAME
        >>> with Journal(path, {"seed": 0}) as journal:
        ...     journal.add("record", {"name": "a.png"})
        >>> with Journal(path, {"seed": 0}) as journal:
        ...     journal.entries
        [('record', {'name': 'a.png'})]
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._path = path
        whole = _whole_lines(path)
        self.entries = [_read(path, line) for line in whole.splitlines()]
        try:
            self._file = path.open("ab")
            self._file.truncate(len(whole))
        except OSError as error:
            raise OutputError(f"Can't write {path} ({error.strerror}); choose another folder with -o.") from error
        if not self.entries:
            self.add(_HEADER, about)
        elif self.entries.pop(0) != (_HEADER, json.loads(json.dumps(about))):
            self._file.close()
            raise OutputError(
                f"{path.parent} holds a run on other files or with other models or settings; "
                "choose another folder with -o, or start anew with --force."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """Append an entry.

        Raises:
            OutputError: It can't be written.
        """
        try:
            self._file.write(json.dumps({"kind": kind, **content}).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"Can't write {self._path} ({error.strerror}); free some space, then go on.") from error


def read_entries(path: Path) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """What a journal that isn't written to any more holds.

    Args:
        path: The file.

    Returns:
        What the run measured, and the entries: (kind, content).

    Raises:
        OutputError: Not the journal of a run.
    """
    entries = [_read(path, line) for line in _whole_lines(path).splitlines()]
    if not entries or entries[0][0] != _HEADER:
        raise OutputError(f"{path} is not the journal of a run; name the folder of one.")
    return entries[0][1], entries[1:]


def _read(path: Path, line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        content = json.loads(line)
        return content.pop("kind"), content
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{path} is not the journal of a run; choose another folder with -o, or start anew with --force."
        ) from error


def _whole_lines(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise OutputError(f"Can't read {path} ({error.strerror}); choose another folder with -o.") from error
    return content[: content.rfind(b"\n") + 1]
