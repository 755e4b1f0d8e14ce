"""Boxes and points as a policy writes them, in pixels or in fractions, and the pixels that they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, FiniteFloat

from tools.errors import ToolInputError

MIN_SIDE = 14
"""Smaller regions are grown to this many pixels: half a patch of the Qwen-VL image encoder."""

Box = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
"""x1, y1, x2, y2."""
Point = tuple[FiniteFloat, FiniteFloat]
"""x, y."""
PixelBox = tuple[int, int, int, int]
"""left, top, right, bottom in pixels; right and bottom are not part of the region."""

BOX_HELP = "[x1, y1, x2, y2] in pixels, or all four between 0 and 1 as fractions of the image"
"""How a box argument describes itself."""
POINTS_HELP = "[[x, y], ...] in pixels, or all between 0 and 1 as fractions of the image"
"""How an argument of points describes itself."""


def one_or_many(value: Any) -> Any:
    """A single box or point as a list of one; anything else unchanged."""
    flat = isinstance(value, list | tuple) and value and all(isinstance(item, int | float) for item in value)
    return [value] if flat else value


def number_or_many(value: Any) -> Any:
    """A single number as a list of one; anything else unchanged."""
    return [value] if isinstance(value, int) else value


Boxes = Annotated[list[Box], BeforeValidator(one_or_many)]
"""Boxes; one alone may stand without its list."""
Points = Annotated[list[Point], BeforeValidator(one_or_many)]
"""Points; one alone may stand without its list."""


def region_pixels(bbox: Box, size: tuple[int, int], min_side: int = MIN_SIDE, name: str = "bbox_2d") -> PixelBox:
    """The whole pixels of `bbox` inside an image.

    Args:
        bbox: x1, y1, x2, y2 in pixels, or all within [0, 1] as fractions of the image.
        size: the image's width and height in pixels.
        min_side: smaller regions grow around their centre to this many pixels, as far as the image allows.
        name: the argument's name, for the message.

    Returns:
        left, top, right, bottom in pixels; right and bottom are not part of the region.

    Raises:
        ToolInputError: the corners are in the wrong order, or the region lies outside the image.
    """
    shown = ", ".join(f"{value:g}" for value in bbox)
    x1, y1, x2, y2 = bbox
    if x2 <= x1 or y2 <= y1:
        raise ToolInputError(f"{name} [{shown}] is empty: expected x1 < x2 and y1 < y2")
    width, height = size
    if all(0 <= value <= 1 for value in bbox):
        x1, y1, x2, y2 = x1 * width, y1 * height, x2 * width, y2 * height
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        raise ToolInputError(f"{name} [{shown}] lies outside the image, which is {width} x {height} pixels")
    left, right = _grown(max(0.0, x1), min(float(width), x2), min(min_side, width), width)
    top, bottom = _grown(max(0.0, y1), min(float(height), y2), min(min_side, height), height)
    return left, top, right, bottom


def pixel_points(points: Sequence[Point], size: tuple[int, int]) -> list[tuple[float, float]]:
    """The points in pixels: each 0 <= x <= width - 1 and 0 <= y <= height - 1.

    Args:
        points: in pixels, or all coordinates within [0, 1] as fractions of the image. Right and bottom edges count
            as inside and mean the last pixel.
        size: the image's width and height in pixels.

    Raises:
        ToolInputError: a point lies outside the image.
    """
    width, height = size
    if all(0 <= value <= 1 for point in points for value in point):
        points = [(x * width, y * height) for x, y in points]
    for x, y in points:
        if not (0 <= x <= width and 0 <= y <= height):
            raise ToolInputError(f"point [{x:g}, {y:g}] lies outside the image, which is {width} x {height} pixels")
    return [(min(float(x), width - 1.0), min(float(y), height - 1.0)) for x, y in points]


def _grown(low: float, high: float, side: int, limit: int) -> tuple[int, int]:
    start, end = math.floor(low), math.ceil(high)
    if end - start < side:
        start = min(max(0, round((low + high - side) / 2)), limit - side)
        end = start + side
    return start, end
