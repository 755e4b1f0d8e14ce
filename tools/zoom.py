"""`Zoom`: cuts a region out of an image and enlarges it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import PIL.Image
from pydantic import AliasChoices, Field, FiniteFloat

from tools.errors import ToolInputError
from tools.image import Image
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image

MIN_SIDE = 14
"""Smaller regions are grown to this many pixels: half a patch of the Qwen-VL image encoder."""
TARGET_SIDE = 448
"""A region's longer side is enlarged to about this many pixels."""
MAX_SCALE = 6.0
"""Enlarging further only blurs."""


class ZoomArguments(ImageArguments):
    """Arguments of `zoom`."""

    bbox_2d: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] = Field(
        validation_alias=AliasChoices("bbox_2d", "bbox"),
        description="region [x1, y1, x2, y2] in pixels, or all four between 0 and 1 as fractions of the image",
    )


@register_tool
class Zoom(Tool):
    """Crops a region and enlarges it with Lanczos resampling."""

    name = "zoom"
    description = "Cuts the region bbox_2d out of an image and shows it enlarged."
    arguments = ZoomArguments
    aliases = ("image_zoom_in_tool",)

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One enlarged picture per call."""
        return run_each(_zoom, calls)


def region_pixels(
    bbox: tuple[float, float, float, float], size: tuple[int, int], min_side: int = MIN_SIDE
) -> tuple[int, int, int, int]:
    """The whole pixels of `bbox` inside an image.

    Args:
        bbox: x1, y1, x2, y2 in pixels, or all within [0, 1] as fractions of the image.
        size: the image's width and height in pixels.
        min_side: smaller regions grow around their centre to this many pixels, as far as the image allows.

    Returns:
        left, top, right, bottom in pixels; right and bottom are not part of the region.

    Raises:
        ToolInputError: the corners are in the wrong order, or the region lies outside the image.
    """
    shown = ", ".join(f"{value:g}" for value in bbox)
    x1, y1, x2, y2 = bbox
    if x2 <= x1 or y2 <= y1:
        raise ToolInputError(f"bbox_2d [{shown}] is empty: expected x1 < x2 and y1 < y2")
    width, height = size
    if all(0 <= value <= 1 for value in bbox):
        x1, y1, x2, y2 = x1 * width, y1 * height, x2 * width, y2 * height
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        raise ToolInputError(f"bbox_2d [{shown}] lies outside the image, which is {width} x {height} pixels")
    left, right = _grown(max(0.0, x1), min(float(width), x2), min(min_side, width), width)
    top, bottom = _grown(max(0.0, y1), min(float(height), y2), min(min_side, height), height)
    return left, top, right, bottom


def _grown(low: float, high: float, side: int, limit: int) -> tuple[int, int]:
    start, end = math.floor(low), math.ceil(high)
    if end - start < side:
        start = min(max(0, round((low + high - side) / 2)), limit - side)
        end = start + side
    return start, end


def _zoom(call: ToolCall) -> ToolResult:
    arguments = ZoomArguments.model_validate(dict(call.arguments))
    source = selected_image(call, arguments).pil()
    box = region_pixels(arguments.bbox_2d, source.size)
    picture = source.crop(box)
    scale = min(MAX_SCALE, max(1.0, TARGET_SIDE / max(picture.size), 2 * MIN_SIDE / min(picture.size)))
    if scale > 1:
        enlarged = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(enlarged, PIL.Image.Resampling.LANCZOS)
    shown = ", ".join(map(str, box))
    return ToolResult(
        text=f"Region [{shown}] of image {arguments.image}, enlarged {scale:.3g} times.",
        images=(Image.from_pil(picture),),
        data={"bbox_2d": list(box), "scale": scale},
    )
