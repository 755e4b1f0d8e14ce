"""`Mark`: a flat coloured region of a chart, and the colours a chart is painted with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Colour = tuple[int, int, int]
"""RGB, 0 to 255."""

NEAR_WHITE = 236
"""Pixels whose darkest channel is above this are background (white, stripes)."""
SAME_COLOUR = 10
"""Largest channel difference between pixels of one flat colour."""
RUN = 4
"""Colours without so many equal pixels beside each other are blurred edges of text."""
MAX_COLOURS = 28


@dataclass(frozen=True, slots=True)
class Mark:
    """A connected region of one colour.

    Attributes:
        x1, y1, x2, y2: its box in pixels; x2 and y2 are not part of it.
        area: its pixels.
        colour: its colour.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    area: int
    colour: Colour

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.y2 - self.y1

    @property
    def x(self) -> float:
        """Middle."""
        return (self.x1 + self.x2) / 2

    @property
    def y(self) -> float:
        """Middle."""
        return (self.y1 + self.y2) / 2

    @property
    def fill(self) -> float:
        """Part of the box that the region covers."""
        return self.area / max(1.0, self.width * self.height)


def chart_colours(pixels: np.ndarray, min_pixels: int = 36) -> list[Colour]:
    """The flat colours of a picture that are not background, most frequent first.

    Args:
        pixels: uint8 [height, width, 3].
        min_pixels: rarer colours are left out.
    """
    flat = pixels.reshape(-1, 3)
    flat = flat[flat.min(axis=1) <= NEAR_WHITE].astype(np.int64)
    bins = (flat[:, 0] >> 2) << 12 | (flat[:, 1] >> 2) << 6 | flat[:, 2] >> 2
    counts = np.bincount(bins, minlength=1 << 18)
    sums = [np.bincount(bins, weights=flat[:, channel], minlength=1 << 18) for channel in range(3)]
    colours: list[Colour] = []
    for index in np.argsort(-counts, kind="stable")[: 6 * MAX_COLOURS].tolist():
        if counts[index] < min_pixels or len(colours) >= MAX_COLOURS:
            break
        red, green, blue = (round(total[index] / counts[index]) for total in sums)
        if all(colour_distance((red, green, blue), other) > 2 * SAME_COLOUR for other in colours):
            colours.append((red, green, blue))
    return colours


def hexadecimal(colour: Colour) -> str:
    """As `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def colour_distance(one: Colour, other: Colour) -> int:
    """Largest channel difference."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def colour_mask(pixels: np.ndarray, colour: Colour, tolerance: int = SAME_COLOUR) -> np.ndarray:
    """uint8 [height, width]: 1 where a pixel has that colour."""
    low = np.clip(np.array(colour) - tolerance, 0, 255)
    high = np.clip(np.array(colour) + tolerance, 0, 255)
    return (cv2.inRange(pixels, low, high) > 0).astype(np.uint8)


def marks_of(pixels: np.ndarray, colour: Colour, min_area: int = 6) -> list[Mark]:
    """Connected regions of one colour with at least `min_area` pixels; none when it has no run of `RUN` pixels."""
    mask = colour_mask(pixels, colour)
    if not cv2.erode(mask, np.ones((1, RUN), np.uint8)).any():
        return []
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    marks = []
    for x, y, w, h, area in stats[1:count].tolist():
        if area >= min_area:
            marks.append(Mark(x, y, x + w, y + h, area, colour))
    return marks


def is_grey(colour: Colour) -> bool:
    """Whether the three channels are about equal."""
    return max(colour) - min(colour) <= 12


def is_tint(colour: Colour, strong: Colour) -> bool:
    """Whether a colour is `strong` mixed with white, as anti-aliased edges are."""
    depth = [255 - c for c in strong]
    if max(depth) < 20 or colour == strong:
        return False
    share = sum(d * (255 - c) for d, c in zip(depth, colour, strict=True)) / sum(d * d for d in depth)
    off = max(abs((255 - c) - share * d) for d, c in zip(depth, colour, strict=True))
    return 0.03 <= share < 0.97 and off <= 14
