"""Where the file of a teacher's weights is: a path, or an address that is downloaded once into a cache."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from clearcall.errors import InputError, OutputError
from clearcall.media.atomic import atomic_output

TIMEOUT = 30.0
"""Seconds without an answer after which a download is given up."""
_CHUNK = 1 << 20
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def find_weights(weights: str, sha256: str = "") -> Path:
    """Find the file of a teacher's weights, downloading it if it is an address.

    Args:
        weights: A path, or an https address (http for this machine only).
        sha256: The file's checksum in hexadecimal, if known.

    Returns:
        The path of a file whose checksum is right.

    Raises:
        InputError: No such file, another checksum, or the download failed; the sentence names the file to put in
            its place.
        OutputError: The cache can't be written.
    """
    if "://" in weights:
        return _fetched(weights, sha256.lower())
    path = Path(weights).expanduser()
    if not path.is_file():
        raise InputError(f"There is no file {path} with a teacher's weights; check teacher.weights.")
    check_sha256(path, sha256)
    return path


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file whose checksum is another; an empty one allows any file.

    Raises:
        InputError: The checksums differ.
    """
    if not expected:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.lower():
        raise InputError(f"{path} has the SHA-256 {found}, not {expected.lower()}; get the file again, or mend sha256.")


def cached_path(address: str) -> Path:
    """Where a downloaded file is kept: ``XDG_CACHE_HOME/clearcall/teachers``, apart from others of the same name.

    Example:
        >>> cached_path("https://example.org/naf.pth").name
        '0401beb561ea-naf.pth'
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clearcall" / "teachers"
    name = re.sub(r"[^\w.-]", "_", unquote(urlsplit(address).path.rpartition("/")[2])) or "weights"
    return cache / f"{hashlib.sha256(address.encode()).hexdigest()[:12]}-{name}"


def _fetched(address: str, sha256: str) -> Path:
    _check_address(address)
    path = cached_path(address)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The cache {path.parent} can't be made: {error.strerror}.") from error
        _download(address, path, sha256)
    check_sha256(path, sha256)
    return path


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise InputError(f"Teachers' weights are downloaded over https only, not from {address}; give an https address.")


class _OnlySafe(urllib.request.HTTPRedirectHandler):
    """Follows redirections only to addresses that could have been asked for."""

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(address: str, path: Path, sha256: str) -> None:
    """Download beside the final name; only a complete file with the right checksum gets it."""
    try:
        with (
            urllib.request.build_opener(_OnlySafe).open(address, timeout=TIMEOUT) as response,
            atomic_output(path, force=True) as unfinished,
        ):
            with unfinished.open("wb") as file:
                size = _copy(response, file)
            _check_download(unfinished, size, response.headers.get("Content-Length"))
            check_sha256(unfinished, sha256)
    except (urllib.error.URLError, http.client.HTTPException, _IncompleteError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"{address} can't be downloaded ({reason}); get the file by other means and put it at {path}, "
            "or give its path in teacher.weights."
        ) from error


class _IncompleteError(Exception):
    """What came isn't the file."""


def _copy(response: IO[bytes], file: IO[bytes]) -> int:
    size = 0
    while chunk := response.read(_CHUNK):
        size += file.write(chunk)
    return size


def _check_download(path: Path, size: int, announced: str | None) -> None:
    if announced is not None and int(announced) != size:
        raise _IncompleteError(f"{size} of {announced} bytes came")
    with path.open("rb") as file:
        if file.read(64).lstrip().startswith(b"<"):
            raise _IncompleteError("a web page came instead of a file")
