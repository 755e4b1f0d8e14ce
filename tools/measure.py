"""`Measure`: distances, lengths, areas and colours, counted in pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AliasChoices, BeforeValidator, Field

from tools.colour import colour_name, dominant_colours
from tools.errors import ToolInputError
from tools.image import Image
from tools.region import BOX_HELP, POINTS_HELP, Box, Points, pixel_points, region_pixels
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image

_SPELLINGS = {"color": "colour", "dominant_colors": "dominant_colours", "colors": "dominant_colours"}


def _spelling(value: Any) -> Any:
    return _SPELLINGS.get(value, value) if isinstance(value, str) else value


_Operation = Literal["distance", "length", "area", "colour", "dominant_colours"]
Operation = Annotated[_Operation, BeforeValidator(_spelling, json_schema_input_type=_Operation)]


class MeasureArguments(ImageArguments):
    """Arguments of `measure`."""

    operation: Operation = Field(
        validation_alias=AliasChoices("operation", "task"),
        description="distance of two points, length of a line through points, area of the polygon of points, "
        "colour at a point, dominant_colours of the image or region",
    )
    points: Points = Field(
        default_factory=list,
        max_length=200,
        validation_alias=AliasChoices("points", "point"),
        description=POINTS_HELP,
    )
    region: Box | None = Field(
        None, validation_alias=AliasChoices("region", "bbox_2d", "bbox", "box"), description=BOX_HELP
    )
    count: int = Field(5, ge=1, le=16, description="how many dominant colours at most")


@register_tool
class Measure(Tool):
    """Measures on the pixels as they are; nothing is recognised."""

    name = "measure"
    description = "Measures an image: distance, length, area in pixels, the colour at a point, the dominant colours."
    arguments = MeasureArguments
    family = "perception"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One measurement per call."""
        return run_each(_measure, calls)


def polygon_area(points: Sequence[tuple[float, float]]) -> float:
    """Area of a polygon from its corners in order (the shoelace formula; for one that does not cross itself)."""
    corners = [*points, points[0]]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(corners))) / 2


def _measure(call: ToolCall) -> ToolResult:
    arguments = MeasureArguments.model_validate(dict(call.arguments))
    image = selected_image(call, arguments)
    return _OPERATIONS[arguments.operation](image, arguments)


def _points(
    image: Image, arguments: MeasureArguments, least: int, most: int | None = None
) -> list[tuple[float, float]]:
    number = len(arguments.points)
    if number < least or (most is not None and number > most):
        wanted = f"{least} points" if most is None else f"{most} point{'s' if most > 1 else ''}"
        raise ToolInputError(f"{arguments.operation} needs {'at least ' if most is None else ''}{wanted}, not {number}")
    return pixel_points(arguments.points, image.size)


def _distance(image: Image, arguments: MeasureArguments) -> ToolResult:
    (x1, y1), (x2, y2) = _points(image, arguments, 2, 2)
    pixels, dx, dy = math.hypot(x2 - x1, y2 - y1), x2 - x1, y2 - y1
    return ToolResult(
        text=f"Distance: {pixels:.1f} pixels ({dx:+.1f} right, {dy:+.1f} down).",
        data={"pixels": pixels, "dx": dx, "dy": dy},
    )


def _length(image: Image, arguments: MeasureArguments) -> ToolResult:
    points = _points(image, arguments, 2)
    parts = [math.dist(first, second) for first, second in pairwise(points)]
    return ToolResult(
        text=f"Length: {sum(parts):.1f} pixels in {len(parts)} part{'s' if len(parts) > 1 else ''}.",
        data={"pixels": sum(parts), "parts": parts},
    )


def _area(image: Image, arguments: MeasureArguments) -> ToolResult:
    points = _points(image, arguments, 3)
    pixels = polygon_area(points)
    if pixels == 0:
        raise ToolInputError("the points lie on one line: their polygon has no area")
    share = pixels / (image.size[0] * image.size[1])
    return ToolResult(
        text=f"Area: {pixels:.1f} square pixels, {share:.1%} of the image.", data={"pixels": pixels, "share": share}
    )


def _colour(image: Image, arguments: MeasureArguments) -> ToolResult:
    ((x, y),) = _points(image, arguments, 1, 1)
    at = (int(x), int(y))
    red, green, blue = image.pil().getpixel(at)  # type: ignore[misc]  # of an RGB picture: three numbers
    rgb, shown = (red, green, blue), f"#{red:02x}{green:02x}{blue:02x}"
    name = colour_name(rgb)
    return ToolResult(
        text=f"Colour at [{at[0]}, {at[1]}]: {shown} ({name}).",
        data={"point": list(at), "rgb": list(rgb), "hex": shown, "name": name},
    )


def _dominant(image: Image, arguments: MeasureArguments) -> ToolResult:
    picture = image.pil()
    if arguments.region is not None:
        picture = picture.crop(region_pixels(arguments.region, image.size, min_side=1, name="region"))
    colours = dominant_colours(np.asarray(picture), arguments.count)
    entries = [{"rgb": list(c.rgb), "hex": c.hex, "name": c.name, "share": round(c.share, 4)} for c in colours]
    lines = [f"{c.hex} ({c.name}) {c.share:.1%}" for c in colours]
    return ToolResult(text="\n".join(lines), data={"colours": entries})


_OPERATIONS: dict[str, Callable[[Image, MeasureArguments], ToolResult]] = {
    "distance": _distance,
    "length": _length,
    "area": _area,
    "colour": _colour,
    "dominant_colours": _dominant,
}
