"""`Enhance`: makes an image or a region of it easier to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import PIL.Image
from pydantic import AliasChoices, BeforeValidator, Field

from tools.drawing import MAX_SIDE, fitted
from tools.errors import ToolInputError
from tools.image import Image
from tools.region import BOX_HELP, Box, region_pixels
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image
from tools.zoom import enlarged

_SPELLINGS = {"binarize": "binarise", "threshold": "binarise", "super_resolution": "upscale", "upsample": "upscale"}
_DONE = {"contrast": "contrast raised", "denoise": "noise removed", "binarise": "black and white"}


def _spelling(value: Any) -> Any:
    return _SPELLINGS.get(value, value) if isinstance(value, str) else value


_Operation = Literal["contrast", "denoise", "binarise", "upscale"]
Operation = Annotated[_Operation, BeforeValidator(_spelling, json_schema_input_type=_Operation)]


class EnhanceArguments(ImageArguments):
    """Arguments of `enhance`."""

    operation: Operation = Field(validation_alias=AliasChoices("operation", "task"), description="what to do")
    factor: int = Field(
        2, ge=2, le=4, validation_alias=AliasChoices("factor", "scale"), description="of upscale: how many times larger"
    )
    region: Box | None = Field(
        None,
        validation_alias=AliasChoices("region", "bbox_2d", "bbox", "box"),
        description=f"{BOX_HELP}; default: everything",
    )


@register_tool
class Enhance(Tool):
    """OpenCV: adaptive contrast, non-local means, adaptive threshold, bicubic enlargement."""

    name = "enhance"
    description = "Shows an image or a region of it with more contrast, less noise, in black and white, or enlarged."
    arguments = EnhanceArguments
    family = "perception"
    remote = True

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One picture per call."""
        return run_each(self._enhance, calls)

    def upscale(self, picture: PIL.Image.Image, factor: int) -> PIL.Image.Image:
        """The picture enlarged `factor` times.

        Raises:
            ToolInputError: it is too large for that.
        """
        return enlarged(picture, factor)

    def _enhance(self, call: ToolCall) -> ToolResult:
        arguments = EnhanceArguments.model_validate(dict(call.arguments))
        image = selected_image(call, arguments)
        picture = image.pil()
        left, top, right, bottom = 0, 0, *image.size
        if arguments.region is not None:
            left, top, right, bottom = region_pixels(arguments.region, image.size, name="region")
            picture = picture.crop((left, top, right, bottom))
        if arguments.operation == "upscale":
            picture, done = self._upscaled(picture, arguments.factor), f"enlarged {arguments.factor} times"
        else:
            pixels = _FILTERS[arguments.operation](np.array(fitted(picture)))
            picture, done = PIL.Image.fromarray(pixels), _DONE[arguments.operation]
        what = "Image" if arguments.region is None else f"Region [{left}, {top}, {right}, {bottom}] of image"
        return ToolResult(
            text=f"{what} {arguments.image}, {done}, {picture.width} x {picture.height} pixels.",
            images=(Image.from_pil(picture),),
            data={"bbox_2d": [left, top, right, bottom], "size": list(picture.size)},
        )

    def _upscaled(self, picture: PIL.Image.Image, factor: int) -> PIL.Image.Image:
        width, height = picture.width * factor, picture.height * factor
        if max(width, height) > MAX_SIDE:
            raise ToolInputError(f"{factor} times larger is {width} x {height} pixels: give a smaller region")
        return self.upscale(picture, factor)


def raise_contrast(pixels: np.ndarray) -> np.ndarray:
    """Adaptive histogram equalisation (CLAHE) of the lightness. uint8 [height, width, 3], RGB, in and out."""
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    lab[:, :, 0] = cv2.createCLAHE(clipLimit=4.0, tileGridSize=(8, 8)).apply(np.ascontiguousarray(lab[:, :, 0]))
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def remove_noise(pixels: np.ndarray) -> np.ndarray:
    """Non-local means: grain goes, edges and small print stay. uint8 [height, width, 3], RGB, in and out."""
    return cv2.fastNlMeansDenoisingColored(pixels, None, 8, 8, 5, 15)


def binarise(pixels: np.ndarray) -> np.ndarray:
    """Black where darker than the surroundings' mean, else white. uint8 [height, width, 3], RGB, in and out."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    block = max(3, min(grey.shape) // 4) | 1
    black_or_white = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block, 7)
    return cv2.cvtColor(black_or_white, cv2.COLOR_GRAY2RGB)


_FILTERS = {"contrast": raise_contrast, "denoise": remove_noise, "binarise": binarise}
