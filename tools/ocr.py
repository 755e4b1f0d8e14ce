"""`ocr`: the text of an image or of one region of it, with boxes."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, FiniteFloat

from tools.chart.text import Word, read_words
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image
from tools.zoom import region_pixels


class OcrArguments(ImageArguments):
    """Arguments of `ocr`."""

    region: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] | None = Field(
        None, description="[x1, y1, x2, y2] in pixels, or all four between 0 and 1 as fractions; default: everything"
    )
    min_confidence: float = Field(0.5, ge=0, le=1, description="leave out text that was read with less confidence")


@register_tool
class Ocr(Tool):
    """Reads printed text with RapidOCR. An image is read once per process; a region selects among its words."""

    name = "ocr"
    description = "Reads the text in an image or in a region of it: one line per text, with its box in pixels."
    arguments = OcrArguments
    aliases = ("easyocr",)
    version = "2"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One list of words per call."""
        return run_each(_read, calls)


def _read(call: ToolCall) -> ToolResult:
    arguments = OcrArguments.model_validate(dict(call.arguments))
    image = selected_image(call, arguments)
    words = [word for word in read_words(image) if word.confidence >= arguments.min_confidence]
    if arguments.region is not None:
        left, top, right, bottom = region_pixels(arguments.region, image.size)
        words = [w for w in words if left <= w.centre[0] < right and top <= w.centre[1] < bottom]
    text = "\n".join(f"{word.text} {_box(word)}" for word in words) or "No text found."
    entries = [{"text": w.text, "box": _box(w), "confidence": round(w.confidence, 3)} for w in words]
    return ToolResult(text=text, data={"words": entries})


def _box(word: Word) -> list[int]:
    return [round(value) for value in word.box]
