"""`segment`: masks as data, the embedded regions, SAM 2.1, and texts that Grounding DINO finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tools.errors import ErrorCode, ModelError, ToolInputError
from tools.image import Image
from tools.mask import MAX_CORNERS, Mask, from_polygon, from_run_lengths, run_lengths
from tools.models.sam2 import Sam2, Sam2Settings
from tools.registry import select_backend
from tools.segment import Segment
from tools.tool import Tool, ToolCall, ToolResult


def bars() -> Image:
    """200 x 120: a red bar of 40 x 80, a blue one of 40 x 50 and a red square of 20 x 20, on white."""
    picture = PIL.Image.new("RGB", (200, 120), "white")
    draw = PIL.ImageDraw.Draw(picture)
    draw.rectangle((20, 20, 59, 99), fill=(200, 30, 30))
    draw.rectangle((80, 50, 119, 99), fill=(30, 30, 200))
    draw.rectangle((150, 30, 169, 49), fill=(200, 30, 30))
    return Image.from_pil(picture)


def segment(tool: Tool | None = None, /, **arguments: Any) -> ToolResult:
    return (tool or Segment()).run([ToolCall("segment", arguments, (bars(),))])[0]


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_run_lengths_come_back(pixels: np.ndarray) -> None:
    encoded = run_lengths(pixels)
    assert encoded["size"] == list(pixels.shape) and sum(encoded["counts"]) == pixels.size
    assert (from_run_lengths(encoded["counts"], pixels.shape) == pixels).all()


def test_run_lengths_are_cocos() -> None:
    pixels = np.array([[0, 1], [0, 1], [1, 0]], dtype=bool)
    assert run_lengths(pixels) == {"size": [3, 2], "counts": [2, 3, 1]}
    assert run_lengths(~pixels)["counts"] == [0, 2, 3, 1]
    with pytest.raises(ToolInputError, match="5, not to 3 x 2"):
        from_run_lengths([2, 3], (3, 2))


@given(st.integers(0, 30), st.integers(0, 20), st.integers(1, 30), st.integers(1, 20))
def test_a_rectangle_is_its_box_and_polygon(x: int, y: int, width: int, height: int) -> None:
    pixels = np.zeros((60, 80), dtype=bool)
    pixels[y : y + height, x : x + width] = True
    mask = Mask(pixels)
    assert mask.box == (x, y, x + width, y + height) and mask.area == width * height
    if width > 1 and height > 1:
        assert (from_polygon(mask.polygon(), (80, 60)) == pixels).all()


def test_ragged_and_empty_masks() -> None:
    noise = np.random.default_rng(0).random((90, 90)) < 0.7
    assert 3 <= len(Mask(noise).polygon()) <= MAX_CORNERS
    empty = Mask(np.zeros((4, 5), dtype=bool))
    assert (empty.box, empty.polygon(), empty.data()["rle"]["counts"]) == ((0, 0, 0, 0), [], [20])


def test_a_point_takes_the_region_of_its_colour() -> None:
    result = segment(point=[40, 60])
    (mask,) = result.data["masks"]
    assert (mask["area"], mask["box"], mask["score"]) == (3200, [20, 20, 60, 100], None)
    assert mask["coverage"] == pytest.approx(3200 / 24000, abs=1e-5) and result.data["size"] == [200, 120]
    assert result.text.startswith(
        "1. object: area 3200 pixels, 13.3% of image 0, box [20, 20, 60, 100], outline [[20, 20]"
    )
    picture = result.images[0].pil()
    assert picture.getpixel((40, 60)) != (200, 30, 30) and picture.getpixel((100, 60)) == (30, 30, 200)


def test_several_points_and_fractions() -> None:
    assert segment(points=[[40, 60], [100, 70]]).data["masks"][0]["area"] == 3200 + 2000
    assert segment(points=[[0.2, 0.5]]).data == segment(points=[[40, 60]]).data
    background = segment(points=[[5, 5], [40, 60]], labels=[1, 0]).data["masks"][0]
    assert background["area"] == 24000 - 3200 - 2000 - 400


def test_a_box_takes_what_differs_from_its_surroundings() -> None:
    (mask,) = segment(box=[10, 10, 70, 110]).data["masks"]
    assert mask["area"] == pytest.approx(3200, rel=0.05) and mask["box"] == [20, 20, 60, 100]
    assert segment(box=[10, 10, 70, 110]).data["masks"] == [mask]  # the same every time


def test_a_rough_mask_is_refined_and_its_outline_can_come_back() -> None:
    (mask,) = segment(mask=[[15, 15], [65, 15], [65, 90], [15, 90]], points=[[40, 60]]).data["masks"]
    assert mask["box"] == [20, 20, 60, 100]
    again = segment(mask=mask["polygon"]).data["masks"][0]
    assert again["area"] == pytest.approx(mask["area"], rel=0.05)
    assert segment(mask=mask["rle"]).data["masks"][0]["area"] == pytest.approx(mask["area"], rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing to segment"),
        ({"points": [[1, 1]], "labels": [1, 0]}, "2 labels for 1 points"),
        ({"points": [[1, 1]], "labels": [0]}, "every point is labelled 0"),
        ({"text": "the red bar"}, "cannot be segmented here"),
        ({"text": "bar", "points": [[1, 1]]}, "either text"),
        ({"box": [0, 0, 1, 1]}, "cover the whole image"),
        ({"mask": [[1, 1], [5, 5]]}, "at least 3 corners"),
        ({"mask": {"size": [9, 9], "counts": [81]}}, "9 x 9 pixels, but the image is 200 x 120"),
        ({"mask": {"size": [120, 200], "counts": [24000]}}, "the mask is empty"),
        ({"mask": [[0, 0], [5, 0], [5, 5]], "box": [100, 90, 120, 100]}, "no pixel in common"),
    ],
)
def test_what_cannot_be_segmented(arguments: dict[str, Any], message: str) -> None:
    error = segment(**arguments).error
    assert isinstance(error, ModelError) and error.code is ErrorCode.ARGUMENT_CONTENT and message in error.message


@pytest.fixture(scope="module")
def sam2(tiny_segmenter: str, tiny_detector: str) -> Sam2:
    tool = select_backend("segment", "sam2", {"model": tiny_segmenter, "detector": tiny_detector}).build()
    assert isinstance(tool, Sam2)
    return tool


PROMPTS: list[dict[str, Any]] = [
    {"points": [[40, 60]]},
    {"points": [[40, 60], [5, 5]], "labels": [1, 0]},
    {"box": [10, 10, 70, 110]},
    {"box": [10, 10, 70, 110], "points": [[40, 60]]},
    {"mask": [[15, 15], [65, 15], [65, 90], [15, 90]]},
    {"mask": [[15, 15], [65, 15], [65, 90], [15, 90]], "points": [[40, 60]], "box": [10, 10, 70, 110]},
]


def test_sam2_takes_every_prompt_and_heeds_it(sam2: Sam2) -> None:
    results = [segment(sam2, **prompt) for prompt in PROMPTS]
    assert all(result.error is None and 0 <= result.data["masks"][0]["score"] <= 1 for result in results)
    found = [result.data["masks"][0]["rle"]["counts"] for result in results]
    assert all(found[i] != found[j] for i in range(len(found)) for j in range(i))


def test_sam2_serves_a_batch_as_it_serves_each(sam2: Sam2) -> None:
    other = Image.from_pil(bars().pil().resize((90, 130)))
    calls = [ToolCall("segment", prompt, (bars(), other)) for prompt in PROMPTS]
    calls += [
        ToolCall("segment", {"box": [5, 5, 50, 60], "image": 1}, (bars(), other)),
        ToolCall("segment", {}, (other,)),
    ]
    together = sam2.run(calls)
    sam2._kept.clear()
    for call, result in zip(calls, together, strict=True):
        (alone,) = sam2.run([call])
        assert alone.error == result.error
        if result.error is None:
            ours, theirs = (item.data["masks"][0]["area"] for item in (alone, result))
            assert ours == pytest.approx(theirs, abs=3)


def test_sam2_looks_at_an_image_once(sam2: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    segment(sam2, point=[40, 60])
    monkeypatch.setattr(sam2._model, "get_image_embeddings", None)
    assert segment(sam2, point=[100, 60]).error is None


def test_texts_go_through_the_detector(sam2: Sam2, tiny_segmenter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sam2._detector is not None
    found = sam2._detector.find([sam2._detector.search(bars(), "Red bar", 0.0)])[0]
    assert found
    monkeypatch.setattr(sam2, "find", lambda image, text: found[:2])
    result = segment(sam2, text="Red bar")
    assert [mask["label"] for mask in result.data["masks"]] == [item.phrase for item in found[:2]]
    assert result.text.splitlines()[1].startswith(f"2. {found[1].phrase}: area")
    monkeypatch.setattr(sam2, "find", lambda image, text: [])
    assert segment(sam2, text="cat").text == "Nothing found in image 0."
    alone = Sam2(Sam2Settings.model_validate({"model": tiny_segmenter, "detector": "", "dtype": "bfloat16"}))
    error = segment(alone, text="cat").error
    assert isinstance(error, ModelError) and "give a point" in error.message
    assert segment(alone, point=[40, 60]).error is None


def test_both_weights_must_be_here(tiny_segmenter: str) -> None:
    assert "hf download facebook/sam2.1" in str(Sam2.unavailable(Sam2Settings()))
    settings = Sam2Settings.model_validate({"model": tiny_segmenter})
    assert "hf download IDEA-Research" in str(Sam2.unavailable(settings))
    assert Sam2.unavailable(Sam2Settings.model_validate({"model": tiny_segmenter, "detector": ""})) is None
