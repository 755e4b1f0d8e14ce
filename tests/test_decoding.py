"""What a picture looks like once decoded, whatever it was saved as, and that its size says the same."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections import OrderedDict

import numpy as np
import PIL.Image
import pytest

from tools.errors import ImageError
from tools.image import Image

RED, BLUE = (255, 0, 0), (0, 0, 255)


def encoded(picture: PIL.Image.Image, kind: str, **options: object) -> Image:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return Image.from_bytes(buffer.getvalue())


def flag() -> PIL.Image.Image:
    """40 x 20: the left half red, the right half blue."""
    picture = PIL.Image.new("RGB", (40, 20), RED)
    picture.paste(BLUE, (20, 0, 40, 20))
    return picture


def near(pixel: object, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(np.asarray(pixel, dtype=int) - colour).max() <= 12)


# Where the stored left half lies once the picture is upright (EXIF 2.32, table of tag 0x0112).
SIDES = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", SIDES)
def test_orientation_turns_pixels_and_size(kind: str, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    image = encoded(flag(), kind, exif=exif)
    side = SIDES[orientation]
    size = (40, 20) if side in ("left", "right") else (20, 40)
    assert image.size == image.pil().size == size
    middle = {"left": (3, 10), "right": (36, 10), "top": (10, 3), "bottom": (10, 36)}
    assert near(image.pil().getpixel(middle[side]), RED)
    assert near(image.pil().getpixel((size[0] - 1 - middle[side][0], size[1] - 1 - middle[side][1])), BLUE)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_impossible_orientations_are_upright(orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    assert encoded(flag(), "JPEG", exif=exif).pil().size == (40, 20)


def test_damaged_exif_is_no_damaged_picture() -> None:
    image = encoded(flag(), "PNG", exif=b"Exif\0\0MM\0*\0\0\xff")
    assert image.size == image.pil().size == (40, 20)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_and_not_clipped(kind: str) -> None:
    grey = np.array([[0, 257, 0x4040, 0x8080, 0xFFFF]], dtype=np.uint16)
    assert np.asarray(encoded(PIL.Image.fromarray(grey), kind).pil())[0, :, 0].tolist() == [0, 1, 64, 128, 255]


def test_deeper_greys_and_fractions_keep_their_order() -> None:
    wide = PIL.Image.fromarray(np.array([[-5, 0, 100_000, 200_000]], dtype=np.int32))
    assert np.asarray(encoded(wide, "TIFF").pil())[0, :, 0].tolist() == [0, 0, 128, 255]
    fractions = PIL.Image.fromarray(np.array([[-1.0, 0.0, 1.0, np.nan]], dtype=np.float32))
    assert np.asarray(encoded(fractions, "TIFF").pil())[0, :, 0].tolist() == [0, 128, 255, 128]
    flat = PIL.Image.fromarray(np.full((2, 2), 7.0, dtype=np.float32))
    assert encoded(flat, "TIFF").pil().getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_is_white(mode: str) -> None:
    picture = PIL.Image.new("RGBA", (4, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (0, 0, 0, 255))
    if mode == "P":
        palette = PIL.Image.new("P", (4, 1), 0)
        palette.putpalette([0, 0, 0, 0, 0, 0])
        palette.putpixel((1, 0), 1)
        image = encoded(palette, "PNG", transparency=0)
    else:
        image = encoded(picture.convert(mode), "PNG")
    assert list(image.pil().convert("L").tobytes()) == [255, 0, 255, 255]


def test_half_transparent_is_half_way_to_white() -> None:
    assert encoded(PIL.Image.new("RGBA", (1, 1), (0, 0, 0, 128)), "PNG").pil().getpixel((0, 0)) == (127, 127, 127)


def test_a_transparent_colour_of_an_rgb_picture_is_white() -> None:
    image = encoded(flag(), "PNG", transparency=RED)
    assert image.pil().getpixel((0, 0)) == (255, 255, 255) and image.pil().getpixel((39, 0)) == BLUE


def test_palette_one_bit_and_cmyk() -> None:
    assert encoded(flag().quantize(4), "PNG").pil().getpixel((0, 0)) == RED
    assert encoded(PIL.Image.new("1", (3, 3), 1), "PNG").pil().getpixel((0, 0)) == (255, 255, 255)
    assert near(encoded(flag().convert("CMYK"), "JPEG", quality=100).pil().getpixel((3, 3)), RED)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    image = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, lossless=True)
    assert near(image.pil().getpixel((4, 4)), RED)


def _png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize("size", [(20_000, 20_000), (8_000, 8_000), (60_000_000, 1)])
def test_huge_pictures_are_refused_unread(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError):
        Image.from_bytes(_png_header(*size), "huge.png")


def test_one_pixel() -> None:
    image = encoded(PIL.Image.new("L", (1, 1), 9), "PNG")
    assert (image.size, image.pil().getpixel((0, 0))) == ((1, 1), (9, 9, 9))


@pytest.mark.filterwarnings("ignore")  # Pillow warns of most of it
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "PPM"])
def test_damaged_bytes_raise_image_errors_only(kind: str) -> None:
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, kind)
    whole, draw = buffer.getvalue(), random.Random(0)
    refused = 0
    for attempt in range(120):
        data = bytearray(whole[: draw.randrange(1, len(whole))] if attempt % 2 else whole)
        for _ in range(draw.randrange(4)):
            data[draw.randrange(min(len(data), 300))] = draw.randrange(256)
        try:
            image = Image.from_bytes(bytes(data))
            assert image.pil().size == image.size
        except ImageError:
            refused += 1
    assert refused >= 40


def test_a_truncated_picture_names_itself() -> None:
    data = encoded(flag().resize((400, 400)), "PNG").data
    image = Image.from_bytes(data[: len(data) // 2])
    assert image.size == (400, 400)
    with pytest.raises(ImageError, match=image.hash[:12]):
        image.pil()


def test_decoded_pictures_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.image._decoded", OrderedDict())
    monkeypatch.setattr("tools.image.MAX_DECODED_PIXELS", 250)
    first, second, third = (encoded(PIL.Image.new("L", (10, 10), shade), "PNG") for shade in (1, 2, 3))
    kept = first.pil()
    second.pil()
    assert first.pil() is kept and Image.from_bytes(first.data).pil() is kept
    third.pil()  # 300 pixels: the second has to go, which was not used for the longest
    assert first.pil() is kept
    monkeypatch.setattr("tools.image.MAX_DECODED_PIXELS", 50)
    assert second.pil() is second.pil()  # one is always kept
    assert first.pil() is not kept
