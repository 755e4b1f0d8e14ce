"""`Image`: an encoded image, addressed by the hash of its bytes, decoded lazily, stored once per process."""

from __future__ import annotations

import hashlib
import io
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image

from tools import decoding
from tools.errors import ImageError

MAX_PIXELS = 50_000_000
"""Images above this many pixels are refused as decompression bombs. The largest ChartQA chart has under 4 million."""

MAX_DECODED = 256
"""Pictures that are kept decoded in a process."""
MAX_DECODED_PIXELS = 250_000_000
"""Pixels that they may have together, at 4 bytes each."""

_PNG = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
)
"""One filter and runs only: a third of the time that trying every filter takes, and about the same size."""
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)

_decoded: OrderedDict[str, PIL.Image.Image] = OrderedDict()
"""Decoded pictures by image hash, the most recently used last."""
_store: weakref.WeakValueDictionary[str, Image] = weakref.WeakValueDictionary()
_lock = threading.Lock()


class Image:
    """An immutable encoded image (PNG, JPEG, ...). Equal bytes are the same object within a process.

    Attributes:
        hash: sha256 of the encoded bytes, hexadecimal.
    """

    __slots__ = ("__weakref__", "_data", "_load", "_size", "hash")

    hash: str
    _data: bytes | None
    _load: Callable[[], bytes] | None
    _size: tuple[int, int] | None

    def __new__(cls, hash: str, data: bytes | None = None, load: Callable[[], bytes] | None = None) -> Image:
        with _lock:
            image = _store.get(hash)
            if image is None:
                image = super().__new__(cls)
                image.hash, image._data, image._load, image._size = hash, data, load, None
                _store[hash] = image
            return image

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "image") -> Image:
        """Wraps encoded bytes after reading the header.

        Raises:
            ImageError: `name` is not an image, or has more than `MAX_PIXELS` pixels.
        """
        image = cls(hashlib.sha256(data).hexdigest(), data)
        if image._size is None:
            image._size = _read_size(data, name)
        return image

    @classmethod
    def from_path(cls, path: str | Path) -> Image:
        """Reads an image file; the bytes are kept as they are. Raises `ImageError` naming the path."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ImageError(f"{path}: image cannot be read: {error.strerror or error}") from error
        return cls.from_bytes(data, str(path))

    @classmethod
    def from_pil(cls, picture: PIL.Image.Image, jpeg: bool = False) -> Image:
        """Encodes a Pillow picture: without loss as PNG (fast compression), or as JPEG of high quality.

        Args:
            picture: RGB is encoded fastest; PNG takes any mode that Pillow can write.
            jpeg: for what was cut from a JPEG, where PNG would cost ten times the time and bytes.
        """
        if picture.mode != "RGB":
            buffer = io.BytesIO()
            picture.save(buffer, "PNG", compress_level=1)
            return cls.from_bytes(buffer.getvalue())
        pixels = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)
        suffix, options = (".jpg", _JPEG) if jpeg else (".png", _PNG)
        return cls.from_bytes(cv2.imencode(suffix, pixels, options)[1].tobytes())

    @property
    def is_jpeg(self) -> bool:
        """Whether it is encoded as JPEG."""
        return self.data[:2] == b"\xff\xd8"

    @property
    def data(self) -> bytes:
        """The encoded bytes (loaded from the store on first use)."""
        if self._data is None:
            if self._load is None:
                raise ImageError(f"image {self.hash[:12]}: its bytes are not in this process")
            self._data = self._load()
            self._load = None
        return self._data

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, the way up it is meant to be seen (`tools.decoding`)."""
        if self._size is None:
            self._size = _read_size(self.data, f"image {self.hash[:12]}")
        return self._size

    def pil(self) -> PIL.Image.Image:
        """The decoded picture in RGB (`tools.decoding` says how). Shared: copy it before drawing on it.

        Raises:
            ImageError: the pixel data are corrupt or truncated.
        """
        return _decode(self)

    def __repr__(self) -> str:
        return f"Image({self.hash[:12]})"

    def __hash__(self) -> int:
        return hash(self.hash)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and other.hash == self.hash

    def __copy__(self) -> Image:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Image:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (Image, (self.hash, self.data))


def _read_size(data: bytes, name: str) -> tuple[int, int]:
    try:
        width, height = decoding.read_size(data)
    except decoding.UNREADABLE as error:
        raise ImageError(f"{name}: not a readable image: {error}") from error
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name}: {width}x{height} pixels, more than the {MAX_PIXELS:,} allowed")
    return width, height


def _decode(image: Image) -> PIL.Image.Image:
    """The picture from the cache, or decoded into it; the least recently used ones make room."""
    image.size  # refuses decompression bombs before any pixel is decoded  # noqa: B018
    with _lock:
        picture = _decoded.get(image.hash)
        if picture is not None:
            _decoded.move_to_end(image.hash)
            return picture
    try:
        picture = decoding.decode(image.data)
    except decoding.UNREADABLE as error:
        raise ImageError(f"image {image.hash[:12]}: corrupt pixel data: {error}") from error
    with _lock:
        picture = _decoded.setdefault(image.hash, picture)
        pixels = sum(kept.width * kept.height for kept in _decoded.values())
        while len(_decoded) > 1 and (len(_decoded) > MAX_DECODED or pixels > MAX_DECODED_PIXELS):
            _, dropped = _decoded.popitem(last=False)
            pixels -= dropped.width * dropped.height
    return picture
