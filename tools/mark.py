"""`Mark`: draws boxes, points and a grid on an image, so that the policy can point at what it means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AliasChoices, Field, StringConstraints

from tools.drawing import Drawing
from tools.errors import ToolInputError
from tools.region import BOX_HELP, POINTS_HELP, Boxes, Points, pixel_points, region_pixels
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image

MAX_MARKS = 100
"""Boxes, and points, in one call."""
MAX_CELLS = 40
"""Cells of the grid along each side."""

Label = Annotated[str, StringConstraints(max_length=80)]


class MarkArguments(ImageArguments):
    """Arguments of `mark`."""

    boxes: Boxes = Field(
        default_factory=list,
        max_length=MAX_MARKS,
        validation_alias=AliasChoices("boxes", "bboxes", "bbox_2d", "bbox", "box"),
        description=f"boxes, each {BOX_HELP}",
    )
    points: Points = Field(
        default_factory=list,
        max_length=MAX_MARKS,
        validation_alias=AliasChoices("points", "point", "point_2d"),
        description=POINTS_HELP,
    )
    labels: list[Label] = Field(
        default_factory=list,
        max_length=2 * MAX_MARKS,
        description="text at each box, then at each point; default: numbers",
    )
    grid: int = Field(0, ge=0, le=MAX_CELLS, description="draw a grid of that many cells along each side")


@register_tool
class Mark(Tool):
    """Draws in colours that differ from mark to mark; the grid's lines carry their coordinates."""

    name = "mark"
    description = "Draws boxes, points and a grid with coordinates on an image and shows it."
    arguments = MarkArguments
    family = "perception"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One marked picture per call."""
        return run_each(_mark, calls)


def _mark(call: ToolCall) -> ToolResult:
    arguments = MarkArguments.model_validate(dict(call.arguments))
    image = selected_image(call, arguments)
    if not (arguments.boxes or arguments.points or arguments.grid):
        raise ToolInputError("nothing to mark: give boxes, points or grid")
    boxes = [region_pixels(box, image.size, min_side=1, name="box") for box in arguments.boxes]
    points = pixel_points(arguments.points, image.size)
    number = len(boxes) + len(points)
    labels = arguments.labels or [str(index + 1) for index in range(number)]
    if len(labels) != number:
        raise ToolInputError(f"{len(labels)} labels for {number} boxes and points: expected one each, or none")
    drawing = Drawing(image.pil())
    if arguments.grid:
        drawing.grid(arguments.grid, image.size)
    for index, box in enumerate(boxes):
        drawing.box(box, labels[index], index)
    for index, point in enumerate(points, len(boxes)):
        drawing.point(point, labels[index], index)
    return ToolResult(
        text=f"Image {arguments.image} with {_counted(arguments, len(boxes), len(points))}.",
        images=(drawing.image(),),
        data={"boxes": [list(box) for box in boxes], "points": [list(point) for point in points], "labels": labels},
    )


def _counted(arguments: MarkArguments, boxes: int, points: int) -> str:
    parts = [f"{count} {noun}{'' if count == 1 else ending}"
             for count, noun, ending in ((boxes, "box", "es"), (points, "point", "s")) if count]  # fmt: skip
    if arguments.grid:
        parts.append(f"a grid of {arguments.grid} x {arguments.grid} cells, its lines labelled in pixels")
    return " and ".join(parts)
