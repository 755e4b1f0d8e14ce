"""Regions, their order and limits, and the enlarged picture."""

from __future__ import annotations

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tools.errors import ErrorCode, ModelError, ToolInputError
from tools.image import Image
from tools.tool import ToolCall, ToolResult
from tools.zoom import MIN_SIDE, Zoom, ZoomArguments, region_pixels


def chequered() -> Image:
    picture = PIL.Image.new("RGB", (200, 100), "white")
    picture.paste((255, 0, 0), (100, 50, 200, 100))
    return Image.from_pil(picture)


def zoom(bbox: list[float], **more: object) -> ToolResult:
    return Zoom().run([ToolCall("zoom", {"bbox_2d": bbox, **more}, (chequered(),))])[0]


@pytest.mark.parametrize("bbox", [[100, 50, 200, 100], [0.5, 0.5, 1, 1], [100, 50, 900, 900]])
def test_pixels_fractions_and_overhang_give_the_same_region(bbox: list[float]) -> None:
    result = zoom(bbox)
    assert result.data["bbox_2d"] == [100, 50, 200, 100]
    (picture,) = result.images
    assert picture.size == (448, 224)
    assert picture.pil().getcolors() == [(448 * 224, (255, 0, 0))]
    assert result.text == "Region [100, 50, 200, 100] of image 0, enlarged 4.48 times."


def test_whole_image() -> None:
    assert zoom([0, 0, 1, 1]).data["bbox_2d"] == [0, 0, 200, 100]


@pytest.mark.parametrize(
    ("bbox", "message"),
    [
        ([100, 50, 100, 90], "empty"),
        ([100, 50, 20, 90], "x1 < x2"),
        ([300, 0, 400, 50], "outside the image, which is 200 x 100"),
        ([-50, -50, -1, -1], "outside"),
    ],
)
def test_impossible_regions_are_the_models_error(bbox: list[float], message: str) -> None:
    error = zoom(bbox).error
    assert isinstance(error, ModelError) and error.code is ErrorCode.ARGUMENT_CONTENT
    assert message in error.message


def test_missing_image_is_the_models_error() -> None:
    error = zoom([0, 0, 1, 1], image=3).error
    assert isinstance(error, ModelError) and "no image 3" in error.message


def test_one_bad_call_does_not_spoil_the_batch() -> None:
    calls = [ToolCall("zoom", {"bbox_2d": box}, (chequered(),)) for box in ([5, 5, 1, 1], [0, 0, 50, 50])]
    bad, good = Zoom().run(calls)
    assert bad.error and not good.error and good.images


def test_arguments() -> None:
    assert ZoomArguments.model_validate({"bbox": [1, 2, 3, 4]}).bbox_2d == (1, 2, 3, 4)
    for wrong in ({"bbox_2d": [1, 2, 3]}, {"bbox_2d": [1, 2, 3, float("nan")]}, {"box": [1, 2, 3, 4]}):
        with pytest.raises(ValidationError):
            ZoomArguments.model_validate(wrong)
    assert list(Zoom.schema()["parameters"]["properties"]) == ["image", "bbox_2d"]


def test_large_regions_are_reduced_and_the_whole_image_is_itself() -> None:
    large, whole = Image.from_pil(PIL.Image.new("RGB", (4096, 64))), Image.from_pil(PIL.Image.new("RGB", (500, 300)))
    (result,) = Zoom().run([ToolCall("zoom", {"bbox_2d": [0, 0, 1, 0.5]}, (large,))])
    assert result.text == "Region [0, 0, 4096, 32] of image 0, reduced to 50%."
    assert result.images[0].size == (2048, 16)
    (result,) = Zoom().run([ToolCall("zoom", {"bbox_2d": [0, 0, 1, 1]}, (whole,))])
    assert result.images == (whole,)


def test_what_is_cut_from_a_jpeg_stays_one() -> None:
    photograph = Image.from_pil(PIL.Image.new("RGB", (500, 300), (200, 30, 30)), jpeg=True)
    (result,) = Zoom().run([ToolCall("zoom", {"bbox_2d": [0, 0, 90, 90], "label": "sky"}, (photograph,))])
    assert photograph.is_jpeg and result.images[0].is_jpeg and not chequered().is_jpeg
    red, green, blue = result.images[0].pil().getpixel((9, 9))
    assert abs(red - 200) < 6 and abs(green - 30) < 6 and abs(blue - 30) < 6


numbers = st.floats(-500, 1500)


@given(st.tuples(numbers, numbers, numbers, numbers), st.tuples(st.integers(1, 900), st.integers(1, 900)))
def test_region_lies_inside_and_is_never_tiny(bbox: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    try:
        left, top, right, bottom = region_pixels(bbox, size)
    except ToolInputError:
        return
    assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
    assert right - left >= min(MIN_SIDE, size[0]) and bottom - top >= min(MIN_SIDE, size[1])
