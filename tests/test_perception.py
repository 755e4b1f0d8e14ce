"""What every perception tool must do with any picture and with bad input, whichever backend serves it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from envs.protocol import ParsedCall, call_names, parse_turn
from tools.drawing import MAX_SIDE
from tools.errors import ErrorCode, Fault, ImageError, ModelError
from tools.image import Image
from tools.registry import get_tool, registered_tools, select_backend
from tools.tool import Tool, ToolCall, ToolResult

CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ocr": ("ocr", "", {}),
    "ocr detect": ("ocr", "", {"mode": "detect"}),
    "ocr region": ("ocr", "", {"mode": "read_region", "region": [0, 0, 0.5, 0.5]}),
    "ocr table": ("ocr", "", {"mode": "table"}),
    "ocr math": ("ocr", "", {"mode": "math"}),
    "zoom": ("zoom", "", {"bbox_2d": [0, 0, 0.6, 0.6]}),
    "rotate": ("rotate", "", {"angle": 30}),
    "rotate quarter": ("rotate", "", {"angle": -90}),
    "mark": ("mark", "", {"boxes": [[0, 0, 0.5, 0.5]], "points": [0.5, 1], "grid": 3, "labels": ["here", "there"]}),
    "measure colour": ("measure", "", {"operation": "colour", "points": [1, 1]}),
    "measure colours": ("measure", "", {"operation": "dominant_colours", "region": [0, 0, 0.5, 1]}),
    "enhance contrast": ("enhance", "", {"operation": "contrast"}),
    "enhance denoise": ("enhance", "", {"operation": "denoise"}),
    "enhance binarise": ("enhance", "", {"operation": "binarise", "region": [0, 0, 1, 0.5]}),
    "enhance upscale": ("enhance", "", {"operation": "upscale", "region": [0, 0, 0.2, 0.2]}),
    "upscale by model": ("enhance", "swin2sr", {"operation": "upscale", "region": [0, 0, 0.2, 0.2]}),
    "segment point": ("segment", "", {"points": [0.3, 0.3]}),
    "segment box": ("segment", "", {"box": [0.1, 0.1, 0.9, 0.9]}),
    "segment mask": ("segment", "", {"mask": [[0, 0], [0.9, 0], [0.9, 0.9], [0, 0.9]]}),
    "segment by model": ("segment", "sam2", {"box": [0.1, 0.1, 0.9, 0.9], "points": [0.3, 0.3]}),
    "segment text": ("segment", "sam2", {"text": "red bar"}),
    "detect": ("detect", "grounding_dino", {"caption": "red bar. legend", "threshold": 0.0}),
}
SIZES = {"one pixel": (1, 1), "row": (500, 1), "column": (2, 300), "page": (120, 90), "large": (2300, 700)}


@pytest.fixture(scope="module")
def tools(tiny_detector: str, tiny_segmenter: str, tiny_upscaler: str) -> dict[tuple[str, str], Tool]:
    settings = {
        "grounding_dino": {"model": tiny_detector},
        "sam2": {"model": tiny_segmenter, "detector": tiny_detector},
        "swin2sr": {"model": tiny_upscaler},
    }
    keys = {(name, backend) for name, backend, _ in CALLS.values()}
    return {(name, backend): select_backend(name, backend, settings.get(backend)).build() for name, backend in keys}


def scene(width: int, height: int) -> PIL.Image.Image:
    picture = PIL.Image.new("RGB", (width, height), "white")
    draw = PIL.ImageDraw.Draw(picture)
    draw.rectangle((width // 5, height // 5, width // 2, height // 2), fill=(200, 30, 30))
    draw.text((width // 2, height // 2), "Total 100", "black")
    return picture


def encoded(picture: PIL.Image.Image, kind: str = "PNG", **options: object) -> Image:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return Image.from_bytes(buffer.getvalue())


def kinds() -> dict[str, Image]:
    """The scene as every unusual kind of picture."""
    page = scene(120, 90)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    deep = np.asarray(page.convert("L")).astype(np.uint16) * 257
    clear = page.convert("RGBA")
    clear.putalpha(page.convert("L"))
    return {
        "cmyk": encoded(page.convert("CMYK"), "JPEG"),
        "palette": encoded(page.quantize(8)),
        "16-bit": encoded(PIL.Image.fromarray(deep)),
        "animated": encoded(page, "GIF", save_all=True, append_images=[page.rotate(90)], duration=50),
        "rotated": encoded(page, "JPEG", exif=exif),
        "transparent": encoded(clear),
        "one bit": encoded(page.convert("1")),
    }


def run(tools: Mapping[tuple[str, str], Tool], case: str, image: Image) -> ToolResult:
    name, backend, arguments = CALLS[case]
    (result,) = tools[name, backend].run([ToolCall(name, arguments, (image,))])
    return result


def check(result: ToolResult) -> None:
    """A result, or the policy's error; small pictures; data that JSON can carry."""
    assert not isinstance(result.error, Fault)
    if result.error is not None:
        assert result.error.code is ErrorCode.ARGUMENT_CONTENT and 0 < len(result.error.message) < 200
        return
    assert result.text and len(result.text) < 4000
    json.dumps(result.data, allow_nan=False)
    for image in result.images:
        assert max(image.size) <= MAX_SIDE and image.pil().size == image.size


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("size", SIZES)
def test_any_size(tools: dict[tuple[str, str], Tool], case: str, size: str) -> None:
    image = Image.from_pil(scene(*SIZES[size]))
    first = run(tools, case, image)
    check(first)
    if size == "page":
        assert first.error is None
        second = run(tools, case, image)
        assert (second.text, second.data, second.images) == (first.text, first.data, first.images)


@pytest.mark.parametrize("case", CALLS)
def test_any_kind_of_picture(tools: dict[tuple[str, str], Tool], case: str) -> None:
    for image in kinds().values():
        result = run(tools, case, image)
        check(result)
        assert result.error is None or case.startswith("segment")


@pytest.mark.parametrize("case", CALLS)
def test_a_truncated_picture_is_our_error(tools: dict[tuple[str, str], Tool], case: str) -> None:
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    data = encoded(noise).data
    with pytest.raises(ImageError):
        run(tools, case, Image.from_bytes(data[: len(data) // 2]))


@pytest.mark.parametrize("case", CALLS)
def test_a_missing_image_is_the_policys_error(tools: dict[tuple[str, str], Tool], case: str) -> None:
    name, backend, arguments = CALLS[case]
    image = Image.from_pil(scene(120, 90))
    (one, two) = tools[name, backend].run(
        [ToolCall(name, {**arguments, "image": 7}, (image,)), ToolCall(name, arguments, (image,))]
    )
    assert isinstance(one.error, ModelError) and "no image 7" in one.error.message
    assert two.error is None


BOXES = [
    ("ocr", "region", {}),
    ("zoom", "bbox_2d", {}),
    ("enhance", "region", {"operation": "contrast"}),
    ("measure", "region", {"operation": "dominant_colours"}),
    ("mark", "boxes", {}),
    ("segment", "box", {}),
]
POINTS = [("measure", "points", {"operation": "colour"}), ("mark", "points", {}), ("segment", "points", {})]
BAD_BOXES = ["[300, 0, 400, 50]", "[-9, -9, -1, -1]", "[5, 5, 5, 50]", "[50, 5, 5, 50]", "[0, 0, 0, 0]",
             "[1e300, 0, 1e301, 5]", "[NaN, 0, 1, 1]", "[0, 0, 1, Infinity]", "[1, 2, 3]", "[]", '"all"', "null0",
             "[0, 0, 1, 1e999]", "{}", '["a", 0, 1, 1]']  # fmt: skip
BAD_POINTS = ["[300, 5]", "[-1, 5]", "[5, 1e300]", "[NaN, 5]", "[5]", "[[5, 5, 5]]", '"middle"']


def policy_error(name: str, arguments: str) -> ModelError:
    """The error of a call as the policy writes it, from the parser or from the tool."""
    tool = get_tool(name)
    turn = parse_turn(f'<tool_call>{{"name": "{name}", "arguments": {arguments}}}</tool_call>', call_names([tool]))
    if isinstance(turn, ParsedCall):
        (result,) = tool().run([ToolCall(turn.name, turn.arguments, (Image.from_pil(scene(120, 90)),))])
        assert isinstance(result.error, ModelError), result
        return result.error
    assert isinstance(turn, ModelError)
    return turn


@pytest.mark.parametrize(("name", "argument", "more"), BOXES)
@pytest.mark.parametrize("box", BAD_BOXES)
def test_bad_boxes_are_the_policys_error(name: str, argument: str, more: dict[str, Any], box: str) -> None:
    arguments = json.dumps({**more, argument: "BOX"}).replace('"BOX"', box)
    assert policy_error(name, arguments).code in (
        ErrorCode.ARGUMENT_CONTENT,
        ErrorCode.ARGUMENT_FORMAT,
        ErrorCode.SCHEMA,
    )


@pytest.mark.parametrize(("name", "argument", "more"), POINTS)
@pytest.mark.parametrize("point", BAD_POINTS)
def test_bad_points_are_the_policys_error(name: str, argument: str, more: dict[str, Any], point: str) -> None:
    arguments = json.dumps({**more, argument: "POINT"}).replace('"POINT"', point)
    assert policy_error(name, arguments).code in (
        ErrorCode.ARGUMENT_CONTENT,
        ErrorCode.ARGUMENT_FORMAT,
        ErrorCode.SCHEMA,
    )


@pytest.mark.parametrize(("name", "argument"), [("detect", "caption"), ("segment", "text"), ("segment", "caption")])
def test_a_caption_of_10_kb_is_the_policys_error(name: str, argument: str) -> None:
    turn = f'<tool_call>{{"name": "{name}", "arguments": {{"{argument}": "{"x" * 10_000}"}}}}</tool_call>'
    error = parse_turn(turn, call_names([get_tool(name)]))
    assert isinstance(error, ModelError) and error.code is ErrorCode.ARGUMENT_FORMAT and len(error.message) < 300


@pytest.mark.parametrize(
    "name", sorted(name for name, tool in registered_tools().items() if tool.family == "perception")
)
def test_wrong_argument_names_are_e2(name: str) -> None:
    call = f'<tool_call>{{"name": "{name}", "arguments": {{"picture_number": 0}}}}</tool_call>'
    error = parse_turn(call, call_names([get_tool(name)]))
    assert isinstance(error, ModelError) and error.code is ErrorCode.ARGUMENT_NAME
    schema = get_tool(name).schema()
    json.dumps(schema)
    assert all("description" in field for field in schema["parameters"]["properties"].values())


@pytest.mark.parametrize(
    ("alias", "name", "arguments"),
    [
        ("image_zoom_in_tool", "zoom", {"bbox_2d": [1, 2, 30, 40], "label": "the legend"}),
        ("image_rotate_tool", "rotate", {"angle": 90}),
        ("grounding_dino", "detect", {"caption": "a cat", "box_threshold": 0.35, "text_threshold": 0.25}),
        ("easyocr", "ocr", {"task": "detect_and_recognize", "languages": ["en", "ch_sim"], "min_confidence": 0.5}),
        ("easyocr", "ocr", {"task": "detect_only"}),
        ("easyocr", "ocr", {"task": "recognize_only"}),
        ("easyocr", "ocr", {"task": "extract_math"}),
        ("easyocr", "ocr", {"task": "extract_table"}),
        ("easyocr", "ocr", {"task": "extract_by_region", "bbox": [1, 2, 30, 40]}),
        ("sam2", "segment", {"task": "point", "point": [1, 2], "label": 1}),
        ("sam2", "segment", {"point_coords": [[1, 2]], "point_labels": [1]}),
        ("sam2", "segment", {"task": "multi_point", "multi_point": [[1, 2], [3, 4]], "labels": [1, 0]}),
        ("sam2", "segment", {"task": "box", "bbox": [1, 2, 30, 40]}),
        ("sam2", "segment", {"task": "refinement", "mask_input": [[1, 1], [9, 1], [9, 9]], "point": [1, 2]}),
    ],
)
def test_upstreams_names_and_spellings(alias: str, name: str, arguments: dict[str, Any]) -> None:
    turn = f'<tool_call>{{"name": "{alias}", "arguments": {json.dumps(arguments)}}}</tool_call>'
    assert parse_turn(turn, call_names([get_tool(name)])) == ParsedCall(name, arguments)
    assert get_tool(alias).name == name


def test_remote_where_the_models_are() -> None:
    perception = {name: tool.remote for name, tool in registered_tools().items() if tool.family == "perception"}
    assert {name for name, remote in perception.items() if remote} == {"ocr", "detect", "segment", "enhance"}
    assert len(perception) == 8
