"""`detect`: captions, overlapping boxes, what is shown, and Grounding DINO."""

from __future__ import annotations

import PIL.Image
import PIL.ImageDraw
import pytest
from pydantic import ValidationError

from tools.detect import MAX_SHOWN, Detect, DetectArguments, Detection, caption_phrases, detection_result, suppress
from tools.errors import ErrorCode, ModelError, ToolInputError, ToolUnavailableError
from tools.image import Image
from tools.models.grounding_dino import GroundingDino, GroundingDinoSettings
from tools.registry import backends_of, select_backend
from tools.tool import ToolCall, ToolResult


def picture(width: int = 80, height: int = 60) -> Image:
    canvas = PIL.Image.new("RGB", (width, height), "white")
    PIL.ImageDraw.Draw(canvas).rectangle((width // 4, height // 4, width // 2, height // 2), fill="red")
    return Image.from_pil(canvas)


def test_captions_become_phrases() -> None:
    assert caption_phrases("  A Red  BAR. the legend.\nA red bar; axis ") == ["a red bar", "the legend", "axis"]
    assert DetectArguments.model_validate({"labels": ["a cat", "a remote"]}).caption == "a cat. a remote"
    with pytest.raises(ToolInputError, match="nothing to look for"):
        caption_phrases(" . . ")
    for wrong in ({}, {"caption": ""}, {"caption": "cat", "threshold": 1.5}, {"caption": "cat", "nms": float("nan")}):
        with pytest.raises(ValidationError):
            DetectArguments.model_validate(wrong)


def test_lesser_boxes_of_the_same_phrase_are_suppressed() -> None:
    best, worse = Detection((0, 0, 100, 100), 0.9, "bar"), Detection((0, 0, 100, 85), 0.8, "bar")  # overlap 0.85
    other, apart = Detection((0, 0, 100, 100), 0.7, "box"), Detection((0, 0, 100, 75), 0.95, "bar")  # 0.75 of the best
    assert suppress([worse, other, best], 0.8) == [best, other]
    assert suppress([best, apart], 0.8) == [apart, best]
    assert suppress([best, worse, other], 1.0) == [best, worse, other]
    assert suppress([], 0.8) == []


def test_what_the_policy_is_shown() -> None:
    result = detection_result(picture(), 2, [Detection((19.6, 15.2, 40.1, 30.0), 0.913, "red bar")])
    assert result.text == "1 found in image 2 (80 x 60 pixels):\n1. red bar 0.91 [20, 15, 40, 30]"
    assert result.data == {
        "boxes": [[19.6, 15.2, 40.1, 30.0]],
        "scores": [0.913],
        "phrases": ["red bar"],
        "size": [80, 60],
    }
    assert result.images[0].size == (80, 60) and result.images[0] != picture()
    nothing = detection_result(picture(), 0, [])
    assert (nothing.text, nothing.images) == ("Nothing found in image 0 (80 x 60 pixels).", ())
    many = detection_result(picture(), 0, [Detection((0, 0, 9, 9), 0.5, "dot")] * (MAX_SHOWN + 5))
    assert many.text.endswith("... and 5 more") and len(many.data["boxes"]) == MAX_SHOWN + 5


def test_there_is_no_embedded_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(backends_of("detect")) == ["grounding_dino", "remote"] and Detect.remote
    with pytest.raises(ToolUnavailableError, match="hf download IDEA-Research/grounding-dino-tiny"):
        select_backend("detect", "grounding_dino")


@pytest.fixture(scope="module")
def tool(tiny_detector: str) -> GroundingDino:
    built = select_backend("detect", "grounding_dino", {"model": tiny_detector}).build()
    assert isinstance(built, GroundingDino)
    return built


def detect(tool: GroundingDino, image: Image | None = None, **arguments: object) -> ToolResult:
    return tool.run([ToolCall("detect", {"caption": "red bar. dog", **arguments}, (image or picture(),))])[0]


def test_boxes_are_pixels_inside_the_image_best_first(tool: GroundingDino) -> None:
    result = detect(tool, threshold=0.0, nms=1.0)
    assert 0 < len(result.data["boxes"]) <= 12 and result.data["size"] == [80, 60]
    assert all(0 <= x1 < x2 <= 80 and 0 <= y1 < y2 <= 60 for x1, y1, x2, y2 in result.data["boxes"])
    assert result.data["scores"] == sorted(result.data["scores"], reverse=True)
    assert all("[" not in phrase and "." not in phrase for phrase in result.data["phrases"])


def test_thresholds_only_leave_out(tool: GroundingDino) -> None:
    everything = detect(tool, threshold=0.0, nms=1.0).data
    half = len(everything["scores"]) // 2
    middle = (everything["scores"][half] + everything["scores"][half - 1]) / 2
    some = detect(tool, box_threshold=middle, nms=1.0).data
    assert some["scores"] == everything["scores"][:half]
    unnamed = detect(tool, threshold=0.0, text_threshold=1.0)
    assert set(unnamed.data["phrases"]) == {"object"}


def test_case_and_separators_do_not_matter(tool: GroundingDino) -> None:
    first = detect(tool, threshold=0.0)
    assert detect(tool, threshold=0.0, caption="Red BAR .\n dog.").data == first.data
    assert detect(tool, threshold=0.0, caption="cat").data != first.data


def test_a_batch_is_served_together_as_one_by_one(tool: GroundingDino, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [
        ToolCall("detect", {"caption": caption, "threshold": 0.0, "nms": 1.0}, (picture(*size),))
        for caption, size in (("red bar. dog", (80, 60)), ("cat", (50, 70)), ("remote. legend. cat", (96, 96)))
    ]
    calls.insert(1, ToolCall("detect", {"caption": "..."}, (picture(),)))
    forwards: list[int] = []
    forward = tool._model.forward
    monkeypatch.setattr(tool._model, "forward", lambda **inputs: forwards.append(1) or forward(**inputs))
    together = tool.run(calls)
    assert forwards == [1]
    assert isinstance(together[1].error, ModelError) and together[1].error.code is ErrorCode.ARGUMENT_CONTENT
    for call, result in zip(calls, together, strict=True):
        (alone,) = tool.run([call])
        assert (alone.error is None) == (result.error is None)
        if result.error is None:
            assert result.data["size"] == alone.data["size"] and result.data["boxes"]


def test_captions_too_long_for_the_model(tool: GroundingDino) -> None:
    error = detect(tool, caption="cat dog " * 40).error
    assert isinstance(error, ModelError) and "tokens, more than 48" in error.message
    assert isinstance(detect(tool, Image.from_pil(PIL.Image.new("RGB", (600, 1)))).error, ModelError)


def test_half_precision(tiny_detector: str) -> None:
    settings = GroundingDinoSettings.model_validate({"model": tiny_detector, "dtype": "bfloat16"})
    assert detect(GroundingDino(settings), threshold=0.0).data["boxes"]
