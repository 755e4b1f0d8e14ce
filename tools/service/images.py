"""`ImageStore`: the images that clients uploaded or tools returned, by hash; those used last are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import cache

import PIL.Image

from tools.image import Image


class ImageStore:
    """Images up to a number of encoded bytes. To be used from one event loop only."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._images: OrderedDict[str, Image] = OrderedDict()

    def put(self, image: Image) -> None:
        """Keeps an image, in place of those that were not used for longest. The newest one always stays."""
        if image.hash in self._images:
            self._images.move_to_end(image.hash)
            return
        self._images[image.hash] = image
        self._bytes += len(image.data)
        while self._bytes > self._max_bytes and len(self._images) > 1:
            self._bytes -= len(self._images.popitem(last=False)[1].data)

    def find(self, hashes: Iterable[str | None]) -> tuple[tuple[Image, ...], list[str]]:
        """The images (None: a blank one in its place), and the hashes of those that are not here."""
        found, missing = [], []
        for hash in hashes:
            image = blank() if hash is None else self._images.get(hash)
            if image is None:
                missing.append(str(hash))
                continue
            if hash is not None:
                self._images.move_to_end(hash)
            found.append(image)
        return tuple(found), missing


@cache
def blank() -> Image:
    """One grey pixel, where a call does not look."""
    return Image.from_pil(PIL.Image.new("RGB", (1, 1), "grey"))
