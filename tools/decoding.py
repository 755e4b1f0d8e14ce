"""From encoded bytes to RGB pixels: the way up, the bit depth, transparency and the first frame, settled in one place.

What a picture looks like is decided here once, so that its size, its pixels and every box on it agree:

- EXIF orientation is applied (to the size as well);
- deeper greys are scaled to 8 bits, not clipped;
- transparent pixels are shown on white, as a page or a browser shows them;
- an animation is its first frame.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import PIL.Image
from PIL import ExifTags

UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    RuntimeError,
    TypeError,
    LookupError,
    EOFError,
    struct.error,
    zlib.error,
    PIL.Image.DecompressionBombError,
)
"""What Pillow's decoders raise for bytes that are damaged or no image."""

_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""EXIF orientation to what sets the picture upright (EXIF 2.32, tag 0x0112); 1 is upright."""
_SIDEWAYS = (5, 6, 7, 8)
_DEEP = 65535


def read_size(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels of the upright picture, from the header alone. Raises one of `UNREADABLE`."""
    with PIL.Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
        return (height, width) if _orientation(picture) in _SIDEWAYS else (width, height)


def decode(data: bytes) -> PIL.Image.Image:
    """The upright picture in RGB. Raises one of `UNREADABLE`."""
    with PIL.Image.open(io.BytesIO(data)) as picture:
        turn = _TURNS.get(_orientation(picture))
        pixels = _rgb(picture)
    return pixels if turn is None else pixels.transpose(turn)


def _orientation(picture: PIL.Image.Image) -> int:
    """The EXIF orientation, 1 where there is none to apply. Reads no pixels."""
    if picture.format == "TIFF":  # Pillow turns these itself
        return 1
    try:
        # The class's own method: that of PNG decodes the pixels in search of EXIF data behind them.
        return int(PIL.Image.Image.getexif(picture).get(ExifTags.Base.Orientation, 1))
    except UNREADABLE:  # damaged EXIF data do not make a picture unreadable
        return 1


def _rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture.convert("RGB")
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _from_deep(picture)
    if picture.has_transparency_data:
        drawn = picture.convert("RGBA")
        page = PIL.Image.new("RGBA", drawn.size, "white")
        return PIL.Image.alpha_composite(page, drawn).convert("RGB")
    return picture.convert("RGB")


def _from_deep(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A grey of more than 8 bits or of fractions: 0 stays black; white is 65535, or the largest value above that."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float64))
    if picture.mode == "F":  # fractions have no agreed white: the darkest value is black, the brightest white
        values = values - values.min()
        white = values.max() or 1.0
    else:
        white = max(float(_DEEP), values.max())
    grey = np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8)
    return PIL.Image.fromarray(grey).convert("RGB")
