"""Pictures with 16 bits per channel, which Pillow would cut down to 8: PNG through FFmpeg, TIFF through tifffile."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clearcall.errors import InputError

SUFFIXES: Final = frozenset({".png", ".tif", ".tiff"})
"""The suffixes (lower case) of formats that hold 16 bits per channel."""

_BITS_PER_SAMPLE: Final = 258
_KEPT_TIFF_TAGS: Final = (270, 271, 272, 305, 306, 315, 33432)  # description, make, model ... copyright
_PNG_FORMATS: Final = {1: "gray16be", 2: "ya16be", 3: "rgb48be", 4: "rgba64be"}
_PNG_HEADER_BYTES: Final = 33
_PNG_DEPTH_OFFSET: Final = 24
_METRES_PER_INCH: Final = 0.0254


def is_deep(path: Path, image: Image.Image) -> bool:
    """Whether a picture holds more than 8 bits per channel (of which Pillow may show only 8).

    Args:
        path: The file.
        image: The same file as opened by Pillow.

    Returns:
        True for 16-bit PNG and TIFF.
    """
    if image.format == "TIFF":
        bits: tuple[int, ...] = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
        return max(bits) > 8
    if image.format != "PNG":
        return False
    with path.open("rb") as file:
        return file.read(_PNG_DEPTH_OFFSET + 1)[_PNG_DEPTH_OFFSET] > 8


def read(path: Path, image: Image.Image) -> NDArray[np.uint16]:
    """Read every bit of a 16-bit PNG or TIFF file.

    Args:
        path: The file.
        image: The same file as opened by Pillow, for its format.

    Returns:
        HxWxC uint16 with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels.

    Raises:
        InputError: The file is of a rare kind (12 or 32 bits, CMYK, tiles with LZW).
        ValueError: The file is damaged.
    """
    channels = _decode("png", path) if image.format == "PNG" else _read_tiff(path)
    if channels.dtype != np.uint16 or channels.shape[2] not in _PNG_FORMATS:
        raise InputError(
            f"{path} holds {channels.shape[2]} channels of {channels.dtype}; save it as RGB with 8 or 16 bits."
        )
    return channels


def write(
    channels: NDArray[np.uint16],
    path: Path,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write 16 bits per channel to PNG or TIFF.

    Args:
        channels: HxWxC uint16 with 1, 2, 3 or 4 channels as ``read`` gives them.
        path: A path with one of ``SUFFIXES``. In TIFF, grey with alpha becomes RGB with alpha, which more
            programs can read.
        icc: ICC profile to embed.
        exif: EXIF data to embed; in TIFF only its main texts (description, make, model, software, date,
            artist, copyright) are kept.
        dpi: Pixels per inch across and down.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "deep.png"
        >>> write(np.full((2, 3, 3), 40_000, np.uint16), path)
        >>> with Image.open(path) as image:
        ...     is_deep(path, image), read(path, image)[0, 0, 0].item()
        (True, 40000)
    """
    if path.suffix.lower() == ".png":
        path.write_bytes(_encode_png(channels, _png_chunks(icc, exif, dpi)))
    else:
        _write_tiff(channels, path, icc, exif, dpi)


def _decode(codec: Literal["png", "tiff"], path: Path) -> NDArray[Any]:
    import av

    frames = av.CodecContext.create(codec, "r").decode(av.Packet(path.read_bytes()))
    if not frames or len(frames[0].planes) != 1:
        raise ValueError("no picture with interleaved channels in it")
    plane, pixels = frames[0].planes[0], frames[0].format
    dtype = np.dtype(">u2" if pixels.is_big_endian else "<u2")
    lines = np.frombuffer(bytes(plane), dtype).reshape(plane.height, plane.line_size // 2)
    count = len(pixels.components)
    channels = lines[:, : plane.width * count].reshape(plane.height, plane.width, count)
    return np.asarray(channels, dtype=np.uint16)


def _read_tiff(path: Path) -> NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = cast("tifffile.TiffPage", file.pages[0])
        if page.photometric not in {tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK}:
            raise InputError(f"{path} holds 16-bit channels that are neither RGB nor grey; save it as RGB.")
        try:
            channels = page.asarray()
        except (KeyError, ValueError) as error:
            if page.is_tiled:
                raise InputError(f"{path} has compressed 16-bit tiles; save it without them.") from error
            return _decode("tiff", path)
    is_planar = channels.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    return np.atleast_3d(np.moveaxis(channels, 0, -1) if is_planar else channels)


def _encode_png(channels: NDArray[np.uint16], chunks: bytes) -> bytes:
    import av

    height, width, count = channels.shape
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, _PNG_FORMATS[count]
    encoder.time_base = Fraction(1)
    frame = av.VideoFrame(width, height, _PNG_FORMATS[count])
    _fill(frame, channels)
    png = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    return png[:_PNG_HEADER_BYTES] + chunks + png[_PNG_HEADER_BYTES:]


def _fill(frame: Any, channels: NDArray[np.uint16]) -> None:
    """Copy big-endian rows into the frame's only plane, whose lines may be padded."""
    plane = frame.planes[0]
    rows = channels.astype(">u2").view(np.uint8).reshape(channels.shape[0], -1)
    lines = np.zeros((channels.shape[0], plane.line_size), np.uint8)
    lines[:, : rows.shape[1]] = rows
    plane.update(lines)


def _png_chunks(icc: bytes | None, exif: bytes | None, dpi: tuple[float, float] | None) -> bytes:
    chunks = b""
    if icc:
        chunks += _png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if dpi:
        per_metre = (round(value / _METRES_PER_INCH) for value in dpi)
        chunks += _png_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1))
    if exif:
        chunks += _png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    return chunks


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _write_tiff(
    channels: NDArray[np.uint16],
    path: Path,
    icc: bytes | None,
    exif: bytes | None,
    dpi: tuple[float, float] | None,
) -> None:
    import tifffile

    tags = Image.Exif()
    tags.load(exif or b"")
    texts = [(tag, "s", 0, str(tags[tag]), True) for tag in _KEPT_TIFF_TAGS if tag in tags]
    if channels.shape[2] == 2:
        channels = channels[..., [0, 0, 0, 1]]
    count = channels.shape[2]
    tifffile.imwrite(
        path,
        channels[..., 0] if count == 1 else channels,
        photometric="rgb" if count >= 3 else "minisblack",
        planarconfig="contig" if count > 1 else None,
        extrasamples=["unassalpha"] if count == 4 else None,
        compression="zlib",
        iccprofile=icc,
        resolution=dpi,
        resolutionunit="INCH" if dpi else None,
        extratags=texts,
        metadata=None,
        software=False,
    )
