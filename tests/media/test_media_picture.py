"""Pictures come back with every bit, upright, and with what belongs to them."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageCms, ImageOps

from clearcall.errors import InputError, OutputError
from clearcall.media.picture import PICTURE_SUFFIXES, Picture, read_picture, write_picture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS_8 = (".png", ".webp", ".tif", ".bmp")


def noise(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    is_grey = draw(st.booleans())
    colour = draw(arrays.arrays(dtype, (height, width, 1 if is_grey else 3)))
    alpha = draw(st.none() | arrays.arrays(dtype, (height, width)))
    return Picture(np.ascontiguousarray(np.broadcast_to(colour, (height, width, 3))), alpha, is_grey)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(picture=pictures(), suffix=st.sampled_from(LOSSLESS_8))
def test_what_is_written_is_read(tmp_path: Path, picture: Picture, suffix: str) -> None:
    if suffix == ".bmp":
        picture = replace(picture, alpha=None)
    path = tmp_path / f"picture{suffix}"
    write_picture(picture, path)
    back = read_picture(path)
    keeps_depth = suffix in {".png", ".tif"}
    is_cut = picture.pixels.dtype == np.uint16 and not keeps_depth
    pixels, alpha = (
        None if part is None else (np.rint(part / 257).astype(np.uint8) if is_cut else part)
        for part in (picture.pixels, picture.alpha)
    )
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.pixels.dtype == (np.uint8 if is_cut else picture.pixels.dtype)
    if suffix == ".webp" and alpha is not None and alpha.min() == 255:
        alpha = None  # WebP doesn't store an alpha that hides nothing
    np.testing.assert_array_equal(back.alpha, alpha)
    is_deep_tiff_with_alpha = suffix == ".tif" and picture.pixels.dtype == np.uint16 and alpha is not None
    assert back.is_grey == (picture.is_grey and suffix != ".webp" and not is_deep_tiff_with_alpha)


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
def test_every_suffix_can_be_written_and_read(tmp_path: Path, suffix: str) -> None:
    smooth = np.broadcast_to(np.linspace(0, 250, 32, dtype=np.uint8)[None, :, None], (16, 32, 3))
    path = tmp_path / f"PICTURE{suffix.upper()}"
    write_picture(Picture(np.ascontiguousarray(smooth)), path)
    assert np.abs(read_picture(path).pixels.astype(int) - smooth).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_exif_orientation_is_applied_and_reset_and_the_rest_kept(tmp_path: Path, orientation: int, suffix: str) -> None:
    image = Image.fromarray(np.kron(noise(4, 5, 3), np.ones((8, 8, 1), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A maker"
    exif[0x8769] = {0x9003: "2024:01:02 03:04:05"}
    path = tmp_path / f"turned{suffix}"
    image.save(path, exif=exif.tobytes(), **({"lossless": True} if suffix == ".webp" else {}))
    with Image.open(path) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, upright)
    write_picture(picture, tmp_path / f"upright{suffix}")
    with Image.open(tmp_path / f"upright{suffix}") as again:
        assert again.getexif().get(0x0112, 1) == 1
        assert again.getexif()[0x010F] == "A maker"
        assert again.getexif().get_ifd(0x8769)[0x9003] == "2024:01:02 03:04:05"
        assert again.size == upright.shape[1::-1]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_kept_with_profile_and_resolution(tmp_path: Path, suffix: str, channels: int) -> None:
    deep = noise(5, 7, channels, dtype=np.uint16)
    colour = deep[..., : channels - (channels % 2 == 0)]
    picture = Picture(
        np.ascontiguousarray(np.broadcast_to(colour, (5, 7, 3))),
        deep[..., -1] if channels % 2 == 0 else None,
        is_grey=channels <= 2,
        icc=SRGB,
        dpi=(300.0, 150.0),
    )
    path = tmp_path / f"deep{suffix}"
    write_picture(picture, path)
    back = read_picture(path)
    np.testing.assert_array_equal(back.pixels, picture.pixels)
    np.testing.assert_array_equal(back.alpha, picture.alpha)
    assert (back.pixels.dtype, back.icc) == (np.uint16, SRGB)
    assert back.dpi == pytest.approx((300, 150), abs=0.02)
    if suffix == ".png" or channels != 2:
        assert back.is_grey == picture.is_grey
    if suffix == ".tif" and channels != 2:
        np.testing.assert_array_equal(np.atleast_3d(tifffile.imread(path)), deep)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_orientation_of_a_16_bit_picture(tmp_path: Path, suffix: str) -> None:
    deep = noise(3, 5, 3, dtype=np.uint16)
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "A maker", "2024:01:02 03:04:05"
    path = tmp_path / f"deep{suffix}"
    if suffix == ".png":
        exif[0x0112] = 6
        write_picture(Picture(deep, exif=exif.tobytes()), path)
    else:
        tags = [(274, "H", 1, 6, True), (271, "s", 0, "A maker", True), (306, "s", 0, exif[0x0132], True)]
        tifffile.imwrite(path, deep, photometric="rgb", extratags=tags, metadata=None)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, np.rot90(deep, -1))
    write_picture(picture, tmp_path / f"upright{suffix}")
    again = read_picture(tmp_path / f"upright{suffix}")
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    with Image.open(tmp_path / f"upright{suffix}") as image:
        assert image.getexif()[0x010F] == "A maker"
        assert image.getexif()[0x0132] == "2024:01:02 03:04:05"
        assert 0x0112 not in image.getexif()


@pytest.mark.parametrize(
    "layout",
    [
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16)},
        {"planarconfig": "separate"},
        {"byteorder": ">"},
        {"compression": "lzma"},
    ],
    ids=str,
)
def test_16_bit_tiffs_of_other_programs(tmp_path: Path, layout: dict[str, object]) -> None:
    deep = noise(20, 33, 3, dtype=np.uint16)
    stored = np.moveaxis(deep, -1, 0) if "planarconfig" in layout else deep
    tifffile.imwrite(tmp_path / "deep.tif", stored, photometric="rgb", **layout)
    np.testing.assert_array_equal(read_picture(tmp_path / "deep.tif").pixels, deep)


def test_a_16_bit_tiff_with_lzw(tmp_path: Path) -> None:
    """Written by FFmpeg: tifffile, the first choice, can't read it without another package."""
    import av

    deep = noise(20, 33, 3, dtype=np.uint16)
    with av.open(str(tmp_path / "deep.tiff"), "w", format="image2") as container:
        stream = container.add_stream("tiff", 1, options={"compression_algo": "lzw"})
        stream.codec_context.width, stream.codec_context.height = 33, 20
        stream.codec_context.pix_fmt = "rgb48le"
        frame = av.VideoFrame.from_ndarray(deep, "rgb48le")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    np.testing.assert_array_equal(read_picture(tmp_path / "deep.tiff").pixels, deep)


def test_transparency_of_palettes_and_colour_keys_becomes_alpha(tmp_path: Path) -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.putdata([0, 1, 2])
    palette.save(tmp_path / "palette.png", transparency=1)
    key = Image.new("RGB", (2, 1), (1, 2, 3))
    key.save(tmp_path / "key.png", transparency=(1, 2, 3))
    picture = read_picture(tmp_path / "palette.png")
    assert picture.pixels.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 0, 255]]
    assert not read_picture(tmp_path / "key.png").alpha.any()


def test_bilevel_and_plain_palettes(tmp_path: Path) -> None:
    Image.new("1", (2, 2), 1).save(tmp_path / "bilevel.png")
    Image.new("P", (2, 2)).save(tmp_path / "palette.bmp")
    assert read_picture(tmp_path / "bilevel.png").is_grey
    assert read_picture(tmp_path / "bilevel.png").pixels.tolist() == [[[255] * 3] * 2] * 2
    assert read_picture(tmp_path / "palette.bmp").pixels.shape == (2, 2, 3)


def test_cmyk_becomes_srgb_and_loses_its_profile(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "cmyk.jpg", icc_profile=SRGB)
    picture = read_picture(tmp_path / "cmyk.jpg")
    assert picture.pixels.min() >= 250
    assert picture.icc is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_the_icc_profile_is_kept(tmp_path: Path, suffix: str) -> None:
    write_picture(Picture(noise(8, 8, 3), icc=SRGB), tmp_path / f"a{suffix}")
    assert read_picture(tmp_path / f"a{suffix}").icc == SRGB


def test_jpeg_is_written_at_quality_95_with_full_chroma(tmp_path: Path) -> None:
    write_picture(Picture(noise(32, 32, 3), dpi=(300.0, 300.0)), tmp_path / "a.jpg")
    Image.fromarray(noise(32, 32, 3)).save(tmp_path / "reference.jpg", quality=95, subsampling=0)
    with Image.open(tmp_path / "a.jpg") as written, Image.open(tmp_path / "reference.jpg") as reference:
        assert written.quantization == reference.quantization
        assert written.layer == reference.layer
        assert written.info["dpi"] == (300, 300)


def test_webp_stays_lossless_or_lossy(tmp_path: Path) -> None:
    image = Image.fromarray(noise(32, 32, 3))
    for name, options in (("lossless.webp", {"lossless": True}), ("lossy.webp", {"quality": 80})):
        image.save(tmp_path / name, **options)
        write_picture(read_picture(tmp_path / name), tmp_path / f"out-{name}")
    np.testing.assert_array_equal(read_picture(tmp_path / "out-lossless.webp").pixels, np.asarray(image))
    assert read_picture(tmp_path / "out-lossy.webp").is_lossy


def test_the_main_picture_of_a_cameras_mpo_is_read(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (8, 8), "blue")
    first.save(tmp_path / "camera.jpg", format="MPO", save_all=True, append_images=[second])
    picture = read_picture(tmp_path / "camera.jpg")
    assert picture.pixels.shape == (16, 16, 3)
    assert picture.is_lossy


def test_a_large_picture_of_odd_size(tmp_path: Path) -> None:
    pixels = np.zeros((4321, 7681, 3), np.uint8)
    pixels[-1, -1] = 200
    write_picture(Picture(pixels), tmp_path / "large.bmp")
    assert read_picture(tmp_path / "large.bmp").pixels[-1, -1].tolist() == [200, 200, 200]


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def deep_png() -> bytes:
    image = Image.fromarray(noise(40, 40, dtype=np.uint16))
    return saved(image, "PNG")


NOISE = Image.fromarray(noise(40, 40, 3))
BAD = {
    "text.png": (b"not a picture at all", "is not a PNG, JPEG, WebP, TIFF or BMP picture"),
    "empty.jpg": (b"", "is not a PNG, JPEG, WebP, TIFF or BMP picture"),
    "cut.png": (saved(NOISE, "PNG")[:2000], "truncated"),
    "cut.jpg": (saved(NOISE, "JPEG")[:700], "truncated"),
    "cut.webp": (saved(NOISE, "WEBP")[:300], "truncated|damaged"),
    "cut.bmp": (saved(NOISE, "BMP")[:700], "truncated"),
    "cut.tif": (saved(NOISE, "TIFF", compression="tiff_deflate")[:3000], "truncated|damaged"),
    "cut-deep.png": (deep_png()[:1500], "truncated|damaged"),
    "nothing.png": (png_of(0, 0), "is not a PNG|truncated|damaged"),
    "bomb.png": (png_of(60_000, 60_000), "too many pixels"),
    "pages.tif": (saved(NOISE, "TIFF", save_all=True, append_images=[NOISE]), "holds 2 pictures"),
    "animated.png": (saved(NOISE, "PNG", save_all=True, append_images=[NOISE.rotate(90)]), "holds 2 pictures"),
    "animated.webp": (saved(NOISE, "WEBP", save_all=True, append_images=[NOISE.rotate(90)]), "holds 2 pictures"),
    "float.tif": (saved(Image.new("F", (4, 4)), "TIFF"), "is a F picture"),
    "gif.png": (saved(NOISE, "GIF"), "is not a PNG"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_one_clear_sentence(tmp_path: Path, name: str) -> None:
    data, sentence = BAD[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=sentence) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "sentence"), [("missing.png", "There is no file"), (".", "is a folder")])
def test_no_picture_there(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_picture(tmp_path / name)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_an_input_error_or_a_picture_that_can_be_written(tmp_path: Path, data: st.DataObject) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x8769] = "A maker", {0x9003: "2024:01:02 03:04:05"}
    small = NOISE.resize((8, 8))
    whole = data.draw(
        st.sampled_from(
            [saved(NOISE, "PNG"), saved(small, "JPEG", exif=exif.tobytes()), saved(small, "TIFF"), deep_png()]
        )
    )
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(damaged[: data.draw(st.integers(1, len(whole)))])
    with contextlib.suppress(InputError):
        picture = read_picture(path)
        assert picture.pixels.ndim == 3
        write_picture(picture, tmp_path / "rescued.tif")


def test_what_a_format_can_not_hold(tmp_path: Path) -> None:
    clear = Picture(noise(4, 4, 3), alpha=noise(4, 4))
    with pytest.raises(OutputError, match=r"can't hold the picture's transparency; write it as \.png"):
        write_picture(clear, tmp_path / "a.jpg")
    with pytest.raises(OutputError, match=r"No picture format is known for the suffix '\.xyz'"):
        write_picture(clear, tmp_path / "a.xyz")
    with pytest.raises(OutputError, match="WebP pictures can't be longer than 16383 pixels"):
        write_picture(Picture(np.zeros((1, 16384, 3), np.uint8)), tmp_path / "a.webp")
