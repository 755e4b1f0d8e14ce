"""`Rotate`: turns an image."""

from __future__ import annotations

from collections.abc import Sequence

import PIL.Image
from pydantic import AliasChoices, Field, FiniteFloat

from tools.drawing import fitted
from tools.image import Image
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image

_QUARTERS = {
    90: PIL.Image.Transpose.ROTATE_90,
    180: PIL.Image.Transpose.ROTATE_180,
    270: PIL.Image.Transpose.ROTATE_270,
}


class RotateArguments(ImageArguments):
    """Arguments of `rotate`."""

    angle: FiniteFloat = Field(
        ge=-3600,
        le=3600,
        validation_alias=AliasChoices("angle", "degrees"),
        description="degrees, counter-clockwise; negative: clockwise",
    )


@register_tool
class Rotate(Tool):
    """Turns by any angle; the picture grows so that nothing is cut off, its new corners are white."""

    name = "rotate"
    description = "Shows an image turned counter-clockwise by an angle in degrees."
    arguments = RotateArguments
    aliases = ("image_rotate_tool",)
    family = "perception"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One turned picture per call."""
        return run_each(_rotate, calls)


def _rotate(call: ToolCall) -> ToolResult:
    arguments = RotateArguments.model_validate(dict(call.arguments))
    image = selected_image(call, arguments)
    angle = arguments.angle % 360
    picture = fitted(image.pil())
    if angle in _QUARTERS:
        picture = picture.transpose(_QUARTERS[int(angle)])
    elif angle:
        picture = fitted(picture.rotate(angle, PIL.Image.Resampling.BICUBIC, expand=True, fillcolor="white"))
    width, height = picture.size
    return ToolResult(
        text=f"Image {arguments.image} turned by {arguments.angle:g} degrees, now {width} x {height} pixels.",
        images=(Image.from_pil(picture, jpeg=image.is_jpeg),),
        data={"angle": arguments.angle, "size": [width, height]},
    )
