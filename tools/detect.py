"""`Detect`: where in an image the things are that a text names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import cv2
from pydantic import AliasChoices, BeforeValidator, Field

from tools.drawing import Drawing
from tools.errors import ToolInputError
from tools.image import Image
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolResult

MAX_CAPTION = 600
"""Characters; about as many as the released models' 256 tokens hold."""
MAX_SHOWN = 30
"""Objects that are listed and drawn, best first."""


def _caption(value: Any) -> Any:
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return ". ".join(value)
    return value


class DetectArguments(ImageArguments):
    """Arguments of `detect`."""

    caption: Annotated[str, BeforeValidator(_caption, json_schema_input_type=str)] = Field(
        min_length=1,
        max_length=MAX_CAPTION,
        validation_alias=AliasChoices("caption", "text", "text_prompt", "prompt", "query", "labels", "classes"),
        description="what to look for, several things separated by dots: 'red bar. legend'",
    )
    threshold: float = Field(
        0.35,
        ge=0,
        le=1,
        validation_alias=AliasChoices("threshold", "box_threshold"),
        description="leave out objects found with less confidence",
    )
    text_threshold: float = Field(0.25, ge=0, le=1, description="how sure a word must be to name an object")
    nms: float = Field(
        0.8,
        ge=0,
        le=1,
        validation_alias=AliasChoices("nms", "nms_threshold", "iou_threshold"),
        description="of objects of one name that overlap more than this, only the best is kept",
    )


@dataclass(frozen=True, slots=True)
class Detection:
    """One object: its `box` (x1, y1, x2, y2, in pixels), `score` (0 to 1) and the `phrase` of the caption it is."""

    box: tuple[float, float, float, float]
    score: float
    phrase: str


@register_tool
class Detect(Tool):
    """Has no embedded backend: nothing finds what a text names without a model."""

    name = "detect"
    description = "Finds the objects that a caption names: their boxes in pixels, and the image with the boxes drawn."
    arguments = DetectArguments
    aliases = ("grounding_dino", "groundingdino", "grounding_dino_tool")
    family = "perception"
    remote = True


def caption_phrases(caption: str) -> list[str]:
    """The phrases of a caption: lower case, in their order, each once.

    Raises:
        ToolInputError: there are none.
    """
    phrases = [" ".join(phrase.split()) for phrase in re.split(r"[.\n;]+", caption.lower())]
    phrases = list(dict.fromkeys(phrase for phrase in phrases if phrase))
    if not phrases:
        raise ToolInputError("the caption names nothing to look for")
    return phrases


def suppress(detections: Sequence[Detection], overlap: float) -> list[Detection]:
    """The detections, best first, without those that a better one of the same phrase overlaps.

    Args:
        detections: any number.
        overlap: intersection over union above which the lesser one is left out.
    """
    if not detections:
        return []
    boxes = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in (item.box for item in detections)]
    numbers = {phrase: index for index, phrase in enumerate(dict.fromkeys(item.phrase for item in detections))}
    classes = [numbers[item.phrase] for item in detections]
    kept = cv2.dnn.NMSBoxesBatched(boxes, [item.score for item in detections], classes, 0.0, overlap)
    return sorted((detections[int(index)] for index in kept), key=lambda item: -item.score)


def detection_result(image: Image, index: int, detections: Sequence[Detection]) -> ToolResult:
    """What the policy is shown: a numbered list, and the image with the numbered boxes.

    Args:
        image: the image that was looked at.
        index: its number in the episode.
        detections: best first.
    """
    width, height = image.size
    data = {
        "boxes": [[round(value, 1) for value in item.box] for item in detections],
        "scores": [round(item.score, 4) for item in detections],
        "phrases": [item.phrase for item in detections],
        "size": [width, height],
    }
    if not detections:
        return ToolResult(text=f"Nothing found in image {index} ({width} x {height} pixels).", data=data)
    drawing = Drawing(image.pil())
    rows = [f"{len(detections)} found in image {index} ({width} x {height} pixels):"]
    for number, item in enumerate(detections[:MAX_SHOWN], 1):
        rows.append(f"{number}. {item.phrase} {item.score:.2f} {[round(value) for value in item.box]}")
        drawing.box(item.box, f"{number} {item.phrase}", number - 1)
    if len(detections) > MAX_SHOWN:
        rows.append(f"... and {len(detections) - MAX_SHOWN} more")
    return ToolResult(text="\n".join(rows), images=(drawing.image(),), data=data)
