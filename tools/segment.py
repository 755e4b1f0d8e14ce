"""`Segment`: the pixels of the object that points, a box, a rough mask or a text mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from tools.detect import MAX_CAPTION, Detection
from tools.drawing import Drawing
from tools.errors import ErrorCode, ModelError, ToolInputError
from tools.image import Image
from tools.mask import Mask, from_polygon, from_run_lengths
from tools.opencv_segmentation import segment as opencv_segment
from tools.region import (
    BOX_HELP,
    POINTS_HELP,
    Box,
    PixelBox,
    Point,
    Points,
    number_or_many,
    pixel_points,
    region_pixels,
)
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, selected_image

MAX_OBJECTS = 10
"""Objects of a text that are segmented, best first."""
MAX_POINTS = 50


class RunLengths(BaseModel):
    """A mask as this tool's data have it (COCO's uncompressed run lengths)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: tuple[int, int]
    """Height and width."""
    counts: list[Annotated[int, Field(ge=0)]]


class SegmentArguments(ImageArguments):
    """Arguments of `segment`."""

    points: Points = Field(
        default_factory=list,
        max_length=MAX_POINTS,
        validation_alias=AliasChoices("points", "point", "point_coords", "multi_point", "input_points", "point_2d"),
        description=f"points on the object, {POINTS_HELP}",
    )
    labels: Annotated[list[Literal[0, 1]], BeforeValidator(number_or_many)] = Field(
        default_factory=list,
        max_length=MAX_POINTS,
        validation_alias=AliasChoices("labels", "label", "point_labels", "input_labels"),
        description="for each point 1: on the object, 0: not on it; default: all on it",
    )
    box: Box | None = Field(
        None,
        validation_alias=AliasChoices("box", "bbox_2d", "bbox", "region", "input_box"),
        description=f"box around the object, {BOX_HELP}",
    )
    mask: Annotated[list[Point], Field(max_length=200)] | RunLengths | None = Field(
        None,
        validation_alias=AliasChoices("mask", "mask_input", "polygon"),
        description="rough mask to refine: the corners of a polygon, as this tool returns them",
    )
    text: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_CAPTION,
        validation_alias=AliasChoices("text", "caption", "prompt"),
        description="what to segment, in words, instead of pointing at it",
    )
    task: SkipJsonSchema[Literal["point", "multi_point", "box", "mask", "refinement", "text"] | None] = None
    """Upstream's name of the kind of prompt. The prompt that is given says it already, so it changes nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """What points at one object, in pixels of the image.

    Attributes:
        points: (x, y) each.
        labels: for each point whether it is on the object.
        box: around the object.
        mask: bool [height, width], roughly the object.
        label: the phrase it was found by.
    """

    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[bool, ...] = ()
    box: PixelBox | None = None
    mask: np.ndarray | None = None
    label: str = ""


@register_tool
class Segment(Tool):
    """OpenCV: the region of one colour around the points, or what stands out from the surroundings of a box."""

    name = "segment"
    description = "Segments the object at points, in a box, or named by a text: its area, box and outline, drawn."
    arguments = SegmentArguments
    aliases = ("sam2", "sam", "sam2_tool")
    family = "perception"
    remote = True

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One or several masks per call."""
        results: dict[int, ToolResult] = {}
        wanted: dict[int, tuple[Image, list[Prompt]]] = {}
        indices: dict[int, int] = {}
        for position, call in enumerate(calls):
            try:
                arguments = SegmentArguments.model_validate(dict(call.arguments))
                image = selected_image(call, arguments)
                wanted[position] = (image, self._prompts(image, arguments))
                indices[position] = arguments.image
            except ToolInputError as error:
                results[position] = _refused(error)
        for position, masks in zip(wanted, self.segment(list(wanted.values())), strict=True):
            image = wanted[position][0]
            if isinstance(masks, ToolInputError):
                results[position] = _refused(masks)
            else:
                results[position] = _shown(image, indices[position], masks)
        return [results[position] for position in range(len(calls))]

    def segment(self, wanted: Sequence[tuple[Image, list[Prompt]]]) -> list[list[Mask] | ToolInputError]:
        """The masks of each image's prompts, or why there are none."""
        found: list[list[Mask] | ToolInputError] = []
        for image, prompts in wanted:
            try:
                found.append([_with_opencv(image, prompt) for prompt in prompts])
            except ToolInputError as error:
                found.append(error)
        return found

    def find(self, image: Image, text: str) -> list[Detection]:
        """The objects that a text names. The embedded backend cannot tell: raises `ToolInputError`."""
        raise ToolInputError("text cannot be segmented here: give a point on the object or a box around it")

    def _prompts(self, image: Image, arguments: SegmentArguments) -> list[Prompt]:
        pointed = bool(arguments.points) or arguments.box is not None or arguments.mask is not None
        if arguments.text is not None:
            if pointed:
                raise ToolInputError("give either text, or points, box and mask")
            found = self.find(image, arguments.text)[:MAX_OBJECTS]
            boxes = [region_pixels(item.box, image.size, min_side=1) for item in found]
            return [Prompt(box=box, label=item.phrase) for box, item in zip(boxes, found, strict=True)]
        if not pointed:
            raise ToolInputError("nothing to segment: give points, box, mask or text")
        points = pixel_points(arguments.points, image.size)
        labels = arguments.labels or [1] * len(points)
        if len(labels) != len(points):
            raise ToolInputError(f"{len(labels)} labels for {len(points)} points: expected one each, or none")
        if points and not any(labels) and arguments.box is None and arguments.mask is None:
            raise ToolInputError("every point is labelled 0: give one that is on the object")
        box = None if arguments.box is None else region_pixels(arguments.box, image.size, min_side=1, name="box")
        return [Prompt(tuple(points), tuple(label == 1 for label in labels), box, _mask(arguments, image))]


def _with_opencv(image: Image, prompt: Prompt) -> Mask:
    pixels = np.asarray(image.pil())
    return Mask(opencv_segment(pixels, prompt.points, prompt.labels, prompt.box, prompt.mask), None, prompt.label)


def _mask(arguments: SegmentArguments, image: Image) -> np.ndarray | None:
    if arguments.mask is None:
        return None
    width, height = image.size
    if isinstance(arguments.mask, RunLengths):
        if arguments.mask.size != (height, width):
            shown = " x ".join(map(str, reversed(arguments.mask.size)))
            raise ToolInputError(f"the mask is {shown} pixels, but the image is {width} x {height}")
        pixels = from_run_lengths(arguments.mask.counts, (height, width))
    else:
        pixels = from_polygon(pixel_points(arguments.mask, image.size), image.size)
    if not pixels.any():
        raise ToolInputError("the mask is empty")
    return pixels


def _shown(image: Image, index: int, masks: Sequence[Mask]) -> ToolResult:
    entries = [mask.data() for mask in masks]
    data = {"masks": entries, "size": list(image.size)}
    if not masks:
        return ToolResult(text=f"Nothing found in image {index}.", data=data)
    drawing, rows = Drawing(image.pil()), []
    for number, (mask, entry) in enumerate(zip(masks, entries, strict=True), 1):
        drawing.mask(mask.pixels, number - 1)
        drawing.box(mask.box, str(number) if len(masks) > 1 else "", number - 1)
        name = f"{number}. {mask.label or 'object'}"
        score = "" if mask.score is None else f", score {mask.score:.2f}"
        rows.append(
            f"{name}: area {mask.area} pixels, {mask.area / mask.pixels.size:.1%} of image {index}, "
            f"box {list(mask.box)}{score}, outline {entry['polygon']}"
        )
    return ToolResult(text="\n".join(rows), images=(drawing.image(),), data=data)


def _refused(error: ToolInputError) -> ToolResult:
    return ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, str(error)))
