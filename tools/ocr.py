"""`Ocr`: the text of an image or of one region of it, with boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import PIL.Image
from pydantic import AliasChoices, BeforeValidator, Field

from tools.chart.text import Word, read_words
from tools.chart.text import detect as detect_quads
from tools.errors import ToolInputError
from tools.image import Image
from tools.region import Box, PixelBox, region_pixels
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image
from tools.word_layout import mathematics, table
from tools.zoom import MAX_SCALE, TARGET_SIDE, enlarged

MARGIN = 8
"""White pixels around a region that is read on its own: text that touches the border is read badly."""

_UPSTREAM = {
    "detect_and_recognize": "read",
    "recognize_only": "read",
    "detect_only": "detect",
    "extract_by_region": "read_region",
    "extract_table": "table",
    "extract_math": "math",
}


def _mode(value: Any) -> Any:
    return _UPSTREAM.get(value, value) if isinstance(value, str) else value


def _languages(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_Mode = Literal["read", "detect", "read_region", "table", "math"]
Mode = Annotated[_Mode, BeforeValidator(_mode, json_schema_input_type=_Mode)]
Languages = Annotated[
    list[Annotated[str, Field(max_length=20)]],
    BeforeValidator(_languages, json_schema_input_type=list[str]),
]


class OcrArguments(ImageArguments):
    """Arguments of `ocr`."""

    mode: Mode = Field(
        "read",
        validation_alias=AliasChoices("mode", "task"),
        description="read: text and boxes; detect: boxes only; read_region: the region alone, enlarged; "
        "table: rows and columns; math: numbers and formulas only",
    )
    region: Box | None = Field(
        None,
        validation_alias=AliasChoices("region", "bbox_2d", "bbox", "box"),
        description="[x1, y1, x2, y2] in pixels, or all four between 0 and 1 as fractions; default: everything",
    )
    min_confidence: float = Field(0.5, ge=0, le=1, description="leave out text that was read with less confidence")
    languages: Languages = Field(
        default_factory=list,
        max_length=10,
        validation_alias=AliasChoices("languages", "language", "lang"),
        description="codes of the languages to read (en, ch_sim, ...); default: all that can be read",
    )


@register_tool
class Ocr(Tool):
    """Reads printed text with RapidOCR. An image is read once per process; a region selects among its words."""

    name = "ocr"
    description = "Reads the text in an image or in a region of it: one line per text, with its box in pixels."
    arguments = OcrArguments
    aliases = ("easyocr",)
    family = "perception"
    remote = True
    version = "3"
    languages: ClassVar[tuple[str, ...]] = ("en", "ch_sim", "ch_tra", "ja", "de", "es", "fr", "it", "pt")
    """Languages that the embedded weights read: those whose letters are all among their characters."""

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One list of words per call."""
        return run_each(self._serve, calls)

    def words(self, image: Image) -> Sequence[Word]:
        """Every word of an image, in reading order."""
        return read_words(image)

    def boxes(self, image: Image) -> Sequence[PixelBox]:
        """Boxes around the text of an image, in reading order, without reading it."""
        quads = detect_quads(np.ascontiguousarray(np.asarray(image.pil())[:, :, ::-1]))
        return [_around(quad.tolist()) for quad in quads]

    def known_languages(self) -> Sequence[str]:
        """Codes of the languages that it reads."""
        return self.languages

    def _serve(self, call: ToolCall) -> ToolResult:
        arguments = OcrArguments.model_validate(dict(call.arguments))
        image = selected_image(call, arguments)
        known = self.known_languages()
        if unknown := [code for code in arguments.languages if code not in known]:
            raise ToolInputError(f"cannot read {', '.join(unknown)}; languages: {', '.join(known)}")
        region = None
        if arguments.region is not None:
            region = region_pixels(arguments.region, image.size, name="region")
        if arguments.mode == "detect":
            return _found([box for box in self.boxes(image) if _inside(box, region)])
        if arguments.mode == "read_region":
            words = _in_region(self.words, image, region or (0, 0, *image.size))
        else:
            words = [word for word in self.words(image) if _inside(word.box, region)]
        words = [word for word in words if word.confidence >= arguments.min_confidence]
        return _SHOWN.get(arguments.mode, _words)(words)


def _in_region(read: Callable[[Image], Sequence[Word]], image: Image, region: PixelBox) -> list[Word]:
    """The words of a region that is cut out, enlarged and read on its own; boxes in pixels of the image."""
    left, top, right, bottom = region
    cut = image.pil().crop(region)
    scale = min(MAX_SCALE, max(1.0, TARGET_SIDE / max(cut.size)))
    cut = enlarged(cut, scale) if scale > 1 else cut
    page = PIL.Image.new("RGB", (cut.width + 2 * MARGIN, cut.height + 2 * MARGIN), "white")
    page.paste(cut, (MARGIN, MARGIN))
    words = []
    for word in read(Image.from_pil(page)):
        corners = [
            (
                min(max((x - MARGIN) / scale + left, float(left)), float(right)),
                min(max((y - MARGIN) / scale + top, float(top)), float(bottom)),
            )
            for x, y in word.quad
        ]
        words.append(Word(word.text, (corners[0], corners[1], corners[2], corners[3]), word.confidence))
    return words


def _words(words: Sequence[Word]) -> ToolResult:
    text = "\n".join(f"{word.text} {_box(word)}" for word in words) or "No text found."
    return ToolResult(text=text, data={"words": [_entry(word) for word in words]})


def _found(boxes: Sequence[PixelBox]) -> ToolResult:
    text = "\n".join(str(list(box)) for box in boxes) or "No text found."
    return ToolResult(text=text, data={"boxes": [list(box) for box in boxes]})


def _table(words: Sequence[Word]) -> ToolResult:
    rows = table(words)
    text = "\n".join(" | ".join(row) for row in rows) or "No table found."
    columns, *body = rows or [[]]
    return ToolResult(text=text, data={"columns": columns, "rows": body})


def _math(words: Sequence[Word]) -> ToolResult:
    found = mathematics(words)
    text = "\n".join(f"{element.ascii} {_box(element.word)}" for element in found) or "No mathematics found."
    entries = [{**_entry(element.word), "ascii": element.ascii, "kind": element.kind} for element in found]
    return ToolResult(text=text, data={"elements": entries})


_SHOWN = {"table": _table, "math": _math}


def _entry(word: Word) -> dict[str, Any]:
    return {"text": word.text, "box": _box(word), "confidence": round(word.confidence, 3)}


def _box(word: Word) -> list[int]:
    return [round(value) for value in word.box]


def _around(quad: Sequence[Sequence[float]]) -> PixelBox:
    xs, ys = zip(*quad, strict=True)
    return round(min(xs)), round(min(ys)), round(max(xs)), round(max(ys))


def _inside(box: Sequence[float], region: PixelBox | None) -> bool:
    """Whether a box's middle lies in the region; None: everywhere."""
    if region is None:
        return True
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return region[0] <= x < region[2] and region[1] <= y < region[3]
