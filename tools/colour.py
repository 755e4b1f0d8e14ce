"""`Colour`s of a picture: their names, and which of them cover the most of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import ImageColor

NAMED = (
    *("black", "white", "gray", "silver", "red", "maroon", "orange", "gold", "yellow", "olive", "lime", "green"),
    *(
        "yellowgreen",
        "teal",
        "cyan",
        "skyblue",
        "steelblue",
        "blue",
        "navy",
        "purple",
        "magenta",
        "pink",
        "brown",
        "tan",
        "beige",
    ),
)
"""Names that a colour may get: everyday ones of the CSS names, with their CSS values."""
_CHARTS = {
    "blue": "#1f77b4",
    "orange": "#ff7f0e",
    "green": "#2ca02c",
    "red": "#d62728",
    "purple": "#9467bd",
    "brown": "#8c564b",
    "pink": "#e377c2",
    "gray": "#7f7f7f",
    "olive": "#bcbd22",
    "cyan": "#17becf",
}
"""The colours of most charts (matplotlib's ten), and what one calls them."""
_ANCHORS = [*((name, name) for name in NAMED), *_CHARTS.items()]
_VALUES = np.array([ImageColor.getrgb(value)[:3] for _, value in _ANCHORS], dtype=float)

SAME = 48.0
"""Colours nearer than this (Euclidean, RGB of 0 to 255) count as one: shades of anti-aliasing and JPEG."""
MAX_SAMPLES = 1_000_000


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour that covers `share` (0 to 1) of a picture; `rgb` (0 to 255) is the mean of its most frequent shade."""

    rgb: tuple[int, int, int]
    share: float

    @property
    def hex(self) -> str:
        """As `#rrggbb`."""
        return "#" + "".join(f"{value:02x}" for value in self.rgb)

    @property
    def name(self) -> str:
        """The nearest everyday name."""
        return colour_name(self.rgb)


def colour_name(rgb: tuple[int, int, int]) -> str:
    """The name of the nearest known colour, by distance in RGB weighted as the eye does ("redmean")."""
    red = (rgb[0] + _VALUES[:, 0]) / 2
    delta = (_VALUES - rgb) ** 2
    distance = (2 + red / 256) * delta[:, 0] + 4 * delta[:, 1] + (2 + (255 - red) / 256) * delta[:, 2]
    return _ANCHORS[int(distance.argmin())][0]


def dominant_colours(pixels: np.ndarray, count: int) -> list[Colour]:
    """The colours that cover the most, largest share first.

    Pixels are counted in cubes of 16 x 16 x 16 colours; a cube's mean joins the first larger one within `SAME`.

    Args:
        pixels: uint8 [height, width, 3], RGB; large pictures are sampled on a regular grid.
        count: at most this many.
    """
    step = max(1, int(np.ceil(np.sqrt(pixels.shape[0] * pixels.shape[1] / MAX_SAMPLES))))
    flat = pixels[::step, ::step].reshape(-1, 3)
    cubes = (flat >> 4).astype(np.int32) @ np.array([256, 16, 1], dtype=np.int32)
    counts = np.bincount(cubes, minlength=4096)
    sums = np.stack([np.bincount(cubes, weights=flat[:, channel], minlength=4096) for channel in range(3)], axis=1)
    merged: list[tuple[np.ndarray, int]] = []  # mean of the largest cube, pixels of all
    for cube in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]:
        mean = sums[cube] / counts[cube]
        near = next((i for i, (first, _) in enumerate(merged) if np.linalg.norm(first - mean) < SAME), None)
        if near is None:
            merged.append((mean, int(counts[cube])))
        else:
            first, number = merged[near]
            merged[near] = (first, number + int(counts[cube]))
    merged.sort(key=lambda entry: -entry[1])
    return [
        Colour((round(first[0]), round(first[1]), round(first[2])), number / len(flat))
        for first, number in merged[:count]
    ]
