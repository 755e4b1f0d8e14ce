"""The OCR tool: words, boxes, regions, and what is read once only."""

from __future__ import annotations

import threading

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest
from pydantic import ValidationError

from tools.chart import text
from tools.chart.text import Word, read_words
from tools.errors import ErrorCode, ModelError
from tools.image import Image
from tools.ocr import Ocr
from tools.registry import get_tool
from tools.tool import ToolCall, ToolResult


@pytest.fixture(scope="module")
def page() -> Image:
    """Three words on white: `Apple` upper left, `1,234` upper right, `Total` turned to read upwards, lower left."""
    picture = PIL.Image.new("RGB", (400, 320), "white")
    draw = PIL.ImageDraw.Draw(picture)
    font = PIL.ImageFont.load_default(20)
    draw.text((40, 30), "Apple", "black", font)
    draw.text((260, 30), "1,234", "black", font)
    upright = PIL.Image.new("RGB", (120, 30), "white")
    PIL.ImageDraw.Draw(upright).text((4, 2), "Total cost", "black", font)
    picture.paste(upright.rotate(90, expand=True), (40, 150))
    return Image.from_pil(picture)


def ocr(picture: Image, /, **arguments: object) -> ToolResult:
    return Ocr().run([ToolCall("ocr", arguments, (picture,))])[0]


def test_words_lines_and_boxes(page: Image) -> None:
    result = ocr(page)
    assert [word["text"] for word in result.data["words"]] == ["Apple", "1,234", "Total cost"]
    x1, y1, x2, y2 = result.data["words"][0]["box"]
    assert 25 <= x1 <= 42 and 20 <= y1 <= 38 and 85 <= x2 <= 110 and 45 <= y2 <= 65
    assert result.text.splitlines()[1].startswith("1,234 [")
    assert all(word["confidence"] > 0.9 for word in result.data["words"])


def test_text_that_reads_upwards_has_an_angle_of_90(page: Image) -> None:
    word = next(word for word in read_words(page) if word.text.startswith("Total"))
    assert word.angle == pytest.approx(90, abs=5)
    assert word.line_height < 0.5 * (word.box[3] - word.box[1])


@pytest.mark.parametrize("region", [[200, 0, 400, 100], [0.5, 0, 1, 0.3]])
def test_region_in_pixels_or_fractions(page: Image, region: list[float]) -> None:
    assert [word["text"] for word in ocr(page, region=region).data["words"]] == ["1,234"]


def test_nothing_to_read() -> None:
    result = ocr(Image.from_pil(PIL.Image.new("RGB", (300, 200), "white")))
    assert (result.text, result.data) == ("No text found.", {"words": []})


def test_confidence_is_a_filter(page: Image) -> None:
    assert ocr(page, min_confidence=1.0).data["words"] == [
        word for word in ocr(page).data["words"] if word["confidence"] >= 1.0
    ]


@pytest.mark.parametrize(
    "arguments", [{"image": 3}, {"region": [300, 10, 100, 50]}, {"region": [900, 900, 1000, 1000]}]
)
def test_what_cannot_be_served_is_the_models_error(page: Image, arguments: dict[str, object]) -> None:
    error = ocr(page, **arguments).error
    assert isinstance(error, ModelError) and error.code == ErrorCode.ARGUMENT_CONTENT


def test_arguments_are_checked() -> None:
    with pytest.raises(ValidationError):
        Ocr.arguments.model_validate({"region": [1, 2, 3]})
    with pytest.raises(ValidationError):
        Ocr.arguments.model_validate({"min_confidence": 2})
    assert get_tool("easyocr") is Ocr


def test_an_image_is_read_once_per_process(page: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    words = read_words(page)

    def detect(pixels: np.ndarray) -> list[np.ndarray]:
        raise AssertionError("read again")

    monkeypatch.setattr(text, "detect", detect)
    assert read_words(Image.from_bytes(page.data)) is words


def test_threads_share_one_engine(page: Image) -> None:
    pixels = np.ascontiguousarray(np.asarray(page.pil())[:, :, ::-1])
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append([word.text for word in text.find_words(pixels)])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["Apple", "1,234", "Total cost"]] * 3


def test_small_digits_that_the_detector_overlooks_are_read() -> None:
    picture = PIL.Image.new("RGB", (300, 200), "white")
    draw = PIL.ImageDraw.Draw(picture)
    draw.rectangle((20, 60, 120, 190), fill=(40, 118, 221))
    draw.text((66, 42), "7", "black", PIL.ImageFont.load_default(13))
    pixels = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
    assert [word.text for word in text.find_overlooked(pixels, [])] == ["7"]
    known = Word("7", ((60.0, 38.0), (80.0, 38.0), (80.0, 60.0), (60.0, 60.0)), 1.0)
    assert list(text.find_overlooked(pixels, [known])) == []
