"""Pictures on disk: PNG, JPEG, WebP, TIFF and BMP in and out, at 8 or 16 bits, upright, with what belongs to them."""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from clearcall.errors import ClearcallError, InputError, OutputError
from clearcall.frame import Frame, to_8_bit
from clearcall.media import deep

PICTURE_SUFFIXES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".dib"}
)
"""The suffixes (lower case) of files that are read and written as pictures."""

for _library in ("PIL", "tifffile"):  # else Python prints what they log about a damaged file
    logging.getLogger(_library).addHandler(logging.NullHandler())

_FORMATS: Final = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB")
_OF_THE_OLD_FILE: Final = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 290, 291, 317, 320, 322, 323, 324, 325}
    | {338, 339, 347, 512, 513, 514, 529, 530, 531, 532, 700, 34675, 37724}
)
"""TIFF tags that tell how the old file's pixels were stored, its orientation, profile and XMP."""

_WITHOUT_ALPHA: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib"})
_WEBP_LONGEST_SIDE: Final = 16383
_GREY_MODES: Final = frozenset({"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N"})
_ALPHA_MODES: Final = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_TURNED: Final = frozenset({5, 6, 7, 8})
"""The EXIF orientations that swap width and height."""
_UNREADABLE_MODES: Final = frozenset({"I", "F", "LAB", "HSV"})


@dataclass(frozen=True)
class Picture:
    """A picture as it looks, upright, with what else its file held.

    Attributes:
        pixels: HWC RGB, uint8 or uint16 (full range of the type), the three channels equal where grey.
        alpha: HxW of the same type as ``pixels`` (largest = opaque), or None.
        is_grey: The file held one brightness per pixel and shall again.
        icc: The ICC profile that the pixels are in, or None for sRGB.
        exif: EXIF data without the orientation (already applied), or None.
        dpi: Pixels per inch across and down, or None.
        is_lossy: The file was coded with losses (JPEG, lossy WebP).
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    is_grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    is_lossy: bool = False


def read_picture(path: Path) -> Picture:
    """Read a picture, whatever its colour mode, and turn it upright.

    16 bits per channel are kept. CMYK becomes sRGB (through its profile where it has one), palettes become
    RGB, and of the several pictures in a camera's MPO file the main one is read.

    Args:
        path: A PNG, JPEG, WebP, TIFF or BMP file; its content decides, not its name.

    Returns:
        The picture.

    Raises:
        InputError: The file is missing, isn't a picture of these kinds, is damaged, animated, too large to
            be safe, or of a kind that can't be sharpened (32 bits per channel, LAB).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                _refuse_unfit(image, path)
                return _read_opened(image, path)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the name.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, not a picture.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a PNG, JPEG, WebP, TIFF or BMP picture, or is damaged.") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} has too many pixels to be opened safely ({error}).") from error
    except ClearcallError:
        raise
    except Exception as error:  # a damaged file can make Pillow fail with any kind of error
        raise InputError(f"{path} can't be read as a picture ({error}); it may be truncated.") from error


def read_frame(path: Path) -> Frame:
    """Read a picture as uint8 HWC RGB; deeper ones are rounded to 8 bits, transparency is dropped.

    Args:
        path: A picture; see :func:`read_picture`.

    Returns:
        The pixels.

    Raises:
        InputError: The file can't be read.
    """
    return to_8_bit(read_picture(path).pixels)


def read_size(path: Path) -> tuple[int, int]:
    """Read how large a picture is, upright, from its header alone.

    Args:
        path: A picture; its content decides, not its name.

    Returns:
        Width and height in pixels.

    Raises:
        InputError: The file is missing or isn't a picture of the kinds that :func:`read_picture` reads.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                # asking a PNG for EXIF data decodes all of it, unless they stand before its pixels
                exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
                turned = exif.get(ExifTags.Base.Orientation, 1) in _TURNED
                return (image.height, image.width) if turned else image.size
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the name.") from error
    except Exception as error:  # a damaged file can make Pillow fail with any kind of error
        raise InputError(f"{path} is not a PNG, JPEG, WebP, TIFF or BMP picture, or is damaged.") from error


def write_picture(picture: Picture, path: Path) -> None:
    """Write a picture in the format that the path's suffix names.

    JPEG is written at quality 95 without chroma subsampling; WebP so, too, if the source was lossy, else
    lossless; TIFF with Deflate, or plain where it has camera settings or a place in its EXIF data. 16 bits are
    kept in PNG and TIFF and rounded to 8 in the other formats.

    Args:
        picture: What to write.
        path: Where to; an existing file is overwritten.

    Raises:
        OutputError: The suffix is none of ``PICTURE_SUFFIXES``, or the format can't hold the picture's size
            or transparency.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "grey.png"
        >>> write_picture(Picture(np.full((2, 3, 3), 7, np.uint8), is_grey=True), path)
        >>> read_picture(path).pixels[0, 0], read_picture(path).is_grey
        (array([7, 7, 7], dtype=uint8), True)
    """
    suffix = path.suffix.lower()
    _check_fit(picture, suffix)
    if picture.pixels.dtype == np.uint16 and suffix in deep.SUFFIXES:
        deep.write(_channels(picture), path, icc=picture.icc, exif=picture.exif, dpi=picture.dpi)
        return
    path.write_bytes(_encode(picture, suffix))


def _refuse_unfit(image: Image.Image, path: Path) -> None:
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise InputError(
            f"{path} holds {getattr(image, 'n_frames', 1)} pictures (animated or with pages); "
            "save them as single pictures or as a video."
        )
    if image.mode in _UNREADABLE_MODES:
        raise InputError(
            f"{path} is a {image.mode} picture, which can't be sharpened; save it with 8 or 16 bits as RGB."
        )


def _read_opened(image: Image.Image, path: Path) -> Picture:
    is_deep = deep.is_deep(path, image)
    if not is_deep:
        image.load()  # a TIFF turns itself upright here, and forgets its orientation
    exif = image.getexif()
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    for tag in _OF_THE_OLD_FILE & set(exif):
        del exif[tag]
    icc = image.info.get("icc_profile")
    dpi = image.info.get("dpi")
    if is_deep:
        pixels, alpha, is_grey = _split(deep.read(path, image))
    else:
        flat, icc = _to_plain_mode(image, icc)
        pixels, alpha, is_grey = _split(np.atleast_3d(np.asarray(flat)))
    return Picture(
        pixels=_upright(pixels, orientation),
        alpha=None if alpha is None else _upright(alpha, orientation),
        is_grey=is_grey,
        icc=icc,
        exif=exif.tobytes() if len(exif) else None,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and all(value > 0 for value in dpi) else None,
        is_lossy=_is_lossy(image, path),
    )


def _encode(picture: Picture, suffix: str) -> bytes:
    image = Image.fromarray(np.squeeze(to_8_bit(_channels(picture)), axis=_grey_axis(picture)))
    encoded = io.BytesIO()
    try:
        image.save(encoded, Image.registered_extensions()[suffix], **_save_options(picture, suffix))
    except Exception as error:
        raise OutputError(f"The picture can't be written as {suffix} ({error}); try another suffix.") from error
    return encoded.getvalue()


def _to_plain_mode(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Convert to L, LA, RGB or RGBA; the profile stays only where it still fits the pixels."""
    has_alpha = image.mode in _ALPHA_MODES or "transparency" in image.info
    if image.mode == "CMYK":
        return _cmyk_to_srgb(image, icc), None
    if image.mode in _GREY_MODES:
        return image.convert("LA" if has_alpha else "L"), icc
    return image.convert("RGBA" if has_alpha else "RGB"), icc


def _cmyk_to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    if icc is None:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")


def _split(channels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None, bool]:
    """HxWx1, 2, 3 or 4 channels -> RGB, alpha or None, and whether it was grey."""
    count = channels.shape[2]
    alpha = channels[..., -1].copy() if count in {2, 4} else None
    if count <= 2:
        return np.repeat(channels[..., :1], 3, axis=2), alpha, True
    return np.ascontiguousarray(channels[..., :3]), alpha, False


def _channels(picture: Picture) -> NDArray[Any]:
    """Put the picture's channels together again: HxWx1, 2, 3 or 4."""
    colour = _luma(picture.pixels)[..., None] if picture.is_grey else picture.pixels
    return colour if picture.alpha is None else np.dstack([colour, picture.alpha])


def _luma(pixels: NDArray[Any]) -> NDArray[Any]:
    """BT.601 brightness in exact integers, so that equal channels come back unchanged."""
    weights = np.array([19595, 38470, 7471], np.uint64)
    return ((pixels @ weights + 32768) >> np.uint64(16)).astype(pixels.dtype)


def _grey_axis(picture: Picture) -> tuple[int, ...]:
    return (2,) if picture.is_grey and picture.alpha is None else ()


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an EXIF orientation (1 to 8; anything else counts as 1)."""
    if orientation in _TURNED:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _is_lossy(image: Image.Image, path: Path) -> bool:
    if image.format != "WEBP":
        return image.format in {"JPEG", "MPO"}
    with path.open("rb") as file:
        return b"VP8L" not in file.read(64)


def _check_fit(picture: Picture, suffix: str) -> None:
    if suffix not in PICTURE_SUFFIXES:
        raise OutputError(
            f"No picture format is known for the suffix {suffix!r}; use one of {', '.join(sorted(PICTURE_SUFFIXES))}."
        )
    if picture.alpha is not None and suffix in _WITHOUT_ALPHA:
        raise OutputError(f"{suffix} files can't hold the picture's transparency; write it as .png, .webp or .tiff.")
    if suffix == ".webp" and max(picture.pixels.shape[:2]) > _WEBP_LONGEST_SIDE:
        raise OutputError(f"WebP pictures can't be longer than {_WEBP_LONGEST_SIDE} pixels; write it as .png or .tiff.")


def _has_inner_tables(exif: bytes | None) -> bool:
    """Whether EXIF data has tables of its own (camera settings, place), which Pillow can't write beside Deflate."""
    tags = Image.Exif()
    tags.load(exif or b"")
    return ExifTags.IFD.Exif in tags or ExifTags.IFD.GPSInfo in tags


def _save_options(picture: Picture, suffix: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if picture.dpi is not None and suffix != ".webp":
        options["dpi"] = picture.dpi
    if suffix in {".bmp", ".dib"}:
        return options
    options |= {"icc_profile": picture.icc, "exif": picture.exif or b""}
    if suffix == ".webp":
        options |= {"quality": 95, "exact": True, "lossless": not picture.is_lossy}
    elif suffix in {".tif", ".tiff"}:
        options["compression"] = "raw" if _has_inner_tables(picture.exif) else "tiff_deflate"
    elif suffix != ".png":
        options |= {"quality": 95, "subsampling": 0}
    return options
