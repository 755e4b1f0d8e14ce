"""`Drawing`: boxes, points, grids, labels and masks drawn on a copy of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from tools.image import Image

MAX_SIDE = 2048
"""Pictures that tools make have no longer side than this, in pixels; image encoders of today see less."""

COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#17becf", "#e377c2", "#8c564b")
"""One for each marked thing, in turn."""
GRID_COLOUR = "#808080"
MASK_OPACITY = 0.45


def fitted(picture: PIL.Image.Image, max_side: int = MAX_SIDE) -> PIL.Image.Image:
    """The picture, reduced if its longer side has more than `max_side` pixels."""
    longer = max(picture.size)
    if longer <= max_side:
        return picture
    size = [max(1, round(side * max_side / longer)) for side in picture.size]
    return picture.resize((size[0], size[1]), PIL.Image.Resampling.LANCZOS, reducing_gap=2.0)


class Drawing:
    """A picture being drawn on. Coordinates are pixels of the original, even where the copy is reduced.

    Args:
        picture: RGB; it is not changed.
    """

    def __init__(self, picture: PIL.Image.Image) -> None:
        self._picture = fitted(picture).copy()
        self._scale = (self._picture.width / picture.width, self._picture.height / picture.height)
        self._draw = PIL.ImageDraw.Draw(self._picture)
        longer = max(self._picture.size)
        self._line = max(1, round(longer / 300))
        self._font = PIL.ImageFont.load_default(min(28, max(10, round(longer / 45))))

    @property
    def reduced(self) -> bool:
        """Whether the picture is drawn smaller than it was."""
        return self._scale != (1.0, 1.0)

    def box(self, box: Sequence[float], label: str = "", index: int = 0) -> None:
        """Outlines `box` (x1, y1, x2, y2) in the colour of `index`, its label above it or, at the top edge, inside."""
        (x1, y1), (x2, y2) = self._at(box[0], box[1]), self._at(box[2], box[3])
        colour = COLOURS[index % len(COLOURS)]
        self._draw.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=colour, width=self._line)
        self._label((x1, y1), label, colour)

    def point(self, point: Sequence[float], label: str = "", index: int = 0) -> None:
        """A dot with a white rim at `point` (x, y), its label above."""
        x, y = self._at(point[0], point[1])
        colour, radius = COLOURS[index % len(COLOURS)], 2 * self._line
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline="white")
        self._label((x + radius, y - radius), label, colour)

    def grid(self, cells: int, size: tuple[int, int]) -> None:
        """Lines that part the picture into `cells` x `cells`, each with its coordinate in pixels of the original."""
        width, height = size
        for index in range(1, cells):
            x, y = width * index / cells, height * index / cells
            column, row = self._at(x, 0)[0], self._at(0, y)[1]
            self._draw.line((column, 0, column, self._picture.height), fill=GRID_COLOUR)
            self._draw.line((0, row, self._picture.width, row), fill=GRID_COLOUR)
            self._label((column, 0), str(round(x)), GRID_COLOUR)
            self._label((0, row), str(round(y)), GRID_COLOUR)

    def mask(self, mask: np.ndarray, index: int = 0) -> None:
        """Tints the pixels of `mask` (bool [height, width] of the original) in the colour of `index`."""
        area = PIL.Image.fromarray(mask.astype(np.uint8) * round(255 * MASK_OPACITY))
        area = area.resize(self._picture.size, PIL.Image.Resampling.NEAREST)
        self._picture.paste(PIL.Image.new("RGB", self._picture.size, COLOURS[index % len(COLOURS)]), (0, 0), area)

    def image(self) -> Image:
        """What was drawn, encoded."""
        return Image.from_pil(self._picture)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return x * self._scale[0], y * self._scale[1]

    def _label(self, corner: tuple[float, float], text: str, colour: str) -> None:
        """White text on the colour, above `corner` and inside the picture."""
        if not text:
            return
        left, top, right, bottom = self._draw.textbbox((0, 0), text, self._font)
        width, height = right - left + 4, bottom - top + 4
        x = max(0.0, min(corner[0], self._picture.width - width))
        y = corner[1] - height if corner[1] >= height else min(corner[1], max(0.0, self._picture.height - height))
        self._draw.rectangle((x, y, x + width, y + height), fill=colour)
        self._draw.text((x + 2 - left, y + 2 - top), text, "white", self._font)
