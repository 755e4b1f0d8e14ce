"""The modes of `ocr`: tables, mathematics, regions, boxes, languages; and what EasyOCR's output becomes."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tools.chart.text import Word
from tools.errors import ErrorCode, ModelError
from tools.image import Image
from tools.models.easyocr import EasyOcr, EasyOcrSettings, boxes_of, words_of
from tools.ocr import Ocr
from tools.registry import backends_of
from tools.tool import ToolCall, ToolResult
from tools.word_layout import lines, mathematics, table

ROWS = [["Year", "Bread", "Milk"], ["2019", "100", "4.50"], ["2020", "120", "5.10"]]


def word(text: str, x: float, y: float, width: float = 40, height: float = 20, confidence: float = 0.9) -> Word:
    return Word(text, ((x, y), (x + width, y), (x + width, y + height), (x, y + height)), confidence)


@pytest.fixture(scope="module")
def page() -> Image:
    """A table of three columns and three rows, and a formula below."""
    picture = PIL.Image.new("RGB", (420, 320), "white")
    draw, font = PIL.ImageDraw.Draw(picture), PIL.ImageFont.load_default(22)
    for row, cells in enumerate(ROWS):
        for column, cell in enumerate(cells):
            draw.text((30 + 130 * column, 30 + 50 * row), cell, "black", font)
    draw.text((30, 240), "x + 25 = 100", "black", font)
    return Image.from_pil(picture)


def ocr(picture: Image, /, **arguments: object) -> ToolResult:
    return Ocr().run([ToolCall("ocr", arguments, (picture,))])[0]


def test_a_table_is_rows_and_columns(page: Image) -> None:
    result = ocr(page, mode="table", region=[0, 0, 420, 200])
    assert result.text == "Year | Bread | Milk\n2019 | 100 | 4.50\n2020 | 120 | 5.10"
    assert result.data == {"columns": ROWS[0], "rows": ROWS[1:]}
    assert ocr(page, task="extract_table", region=[0, 200, 420, 320]).text == "No table found."


def test_mathematics_only(page: Image) -> None:
    result = ocr(page, mode="math")
    found = {element["text"].replace(" ", "").lower(): element["kind"] for element in result.data["elements"]}
    assert found == {"2019": "number", "100": "number", "4.50": "number", "2020": "number", "120": "number",
                     "5.10": "number", "x+25=100": "relation"}  # fmt: skip


def test_boxes_without_reading(page: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.chart.text.recognize", None)
    boxes = ocr(page, mode="detect").data["boxes"]
    assert len(boxes) == 10
    assert ocr(page, mode="detect", region=[0, 220, 420, 320]).data["boxes"] == [boxes[-1]]


def test_a_region_is_read_enlarged_and_its_boxes_are_the_images(page: Image) -> None:
    small = Image.from_pil(page.pil().resize((210, 160), PIL.Image.Resampling.LANCZOS))
    (found,) = ocr(small, mode="read_region", region=[75, 35, 110, 58]).data["words"]
    assert found["text"] == "100"
    x1, y1, x2, y2 = found["box"]
    assert 75 <= x1 <= 84 and 35 <= y1 <= 46 and 90 <= x2 <= 110 and 48 <= y2 <= 58


def test_languages_are_checked(page: Image) -> None:
    assert ocr(page, languages=["en", "ch_sim"]) == ocr(page) == ocr(page, lang="en")
    error = ocr(page, languages=["en", "ru"]).error
    assert isinstance(error, ModelError) and error.code is ErrorCode.ARGUMENT_CONTENT
    assert "cannot read ru; languages: en, ch_sim" in error.message
    with pytest.raises(ValidationError):
        Ocr.arguments.model_validate({"mode": "guess"})
    assert Ocr.schema()["parameters"]["properties"]["mode"]["enum"] == [
        "read",
        "detect",
        "read_region",
        "table",
        "math",
    ]


def test_lines_are_found_whatever_the_order() -> None:
    words = [word("c", 100, 31), word("d", 0, 60), word("a", 0, 30), word("b", 50, 28)]
    assert [[item.text for item in line] for line in lines(words)] == [["a", "b", "c"], ["d"]]


def test_tables_with_gaps_titles_and_cells_of_several_words() -> None:
    words = [word("A title above it all", 0, 0, 300), word("Name", 0, 40), word("Count", 200, 40),
             word("big", 0, 80), word("dog", 45, 80), word("100", 200, 80), word("cat", 0, 120)]  # fmt: skip
    assert table(words) == [["Name", "Count"], ["big dog", "100"], ["cat", ""]]
    assert table([]) == table([word("alone", 0, 0)]) == []


@pytest.mark.parametrize(
    ("text", "kind", "ascii_text"),
    [
        ("100", "number", "100"),
        ("1,000.50", "number", "1,000.50"),
        ("-20%", "number", "-20%"),
        ("90°", "number", "90°"),
        ("x²+3=7", "relation", "x^2+3=7"),
        ("∠ABC = 100°", "relation", "∠ABC = 100°"),
        ("a ≤ 10", "relation", "a <= 10"),
        ("3 × 40", "expression", "3 * 40"),
        ("sin(x) ÷ 2", "expression", "sin(x) / 2"),
        ("Total", None, ""),
        ("Total 100", None, ""),
        ("A", None, ""),
        ("--", None, ""),
    ],
)
def test_what_is_mathematics(text: str, kind: str | None, ascii_text: str) -> None:
    found = mathematics([word(text, 0, 0)])
    assert [(element.kind, element.ascii) for element in found] == ([(kind, ascii_text)] if kind else [])


@given(st.from_regex(r"[0-9]{1,6}0", fullmatch=True))
def test_a_zero_at_the_end_is_never_a_degree_sign(digits: str) -> None:
    assert [element.ascii for element in mathematics([word(digits, 0, 0)])] == [digits]
    assert words_of([([[0, 0], [9, 0], [9, 9], [0, 9]], digits, 0.9)])[0].text == digits


def test_easyocrs_entries_become_words() -> None:
    found = [  # as `Reader.readtext(image)` gives them, with numpy's own numbers
        ([[np.int32(189), np.int32(75)], [np.int32(469), 75], [469, 165], [189, 165]], "100", np.float64(0.9999)),
        ([[1.5, 2.5], [10.25, 3.0], [9.0, 8.0], [0.5, 7.5]], " 2,000 ", 0.5),
        ([[0, 0], [1, 0], [1, 1], [0, 1]], "", 0.0),
    ]
    first, second = words_of(found)
    assert (first.text, first.box, first.confidence) == ("100", (189, 75, 469, 165), pytest.approx(0.9999))
    assert (second.text, second.box) == ("2,000", (0.5, 2.5, 10.25, 8.0))


def test_easyocrs_boxes_are_in_another_order() -> None:
    straight = [[10, 50, 80, 99], [12, 60, 5, 20]]  # x1, x2, y1, y2
    free = [[[0.0, 30.0], [20.0, 32.0], [19.0, 44.0], [1.0, 40.0]]]
    assert boxes_of(straight, free) == [(12, 5, 60, 20), (0, 30, 20, 44), (10, 80, 50, 99)]
    assert boxes_of([], []) == []


def test_easyocr_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(backends_of("ocr"))[:2] == ["embedded", "easyocr"]
    monkeypatch.setattr("tools.models.easyocr.find_spec", lambda name: None if name == "torchvision" else object())
    assert EasyOcr.unavailable(EasyOcrSettings()) == "needs torchvision: pip install 'vista-rllib[models]'"
    monkeypatch.setattr("tools.models.easyocr.find_spec", lambda name: object())
    settings = EasyOcrSettings.model_validate({"folder": str(tmp_path)})
    assert "easyocr.Reader(['en', 'ch_sim'])" in str(EasyOcr.unavailable(settings))
    assert EasyOcr.unavailable(settings.model_copy(update={"download": True})) is None
    (tmp_path / "craft_mlt_25k.pth").write_bytes(b"")
    assert EasyOcr.unavailable(settings) is None


class Reader:
    """Takes what EasyOCR's reader takes and answers in its shapes."""

    def __init__(self, lang_list: list[str], **options: Any) -> None:
        self.languages, self.options = lang_list, options

    def readtext(self, image: np.ndarray) -> list[Any]:
        height, width = image.shape[:2]
        return [([[0, 0], [width, 0], [width, height], [0, height]], "100", 0.8)]

    def detect(self, image: np.ndarray) -> tuple[list[Any], list[Any]]:
        return [[[1, 9, 2, 8]]], [[]]


def test_the_easyocr_backend_serves_the_same_calls(
    page: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("easyocr")
    module.Reader = Reader  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "easyocr", module)
    tool = EasyOcr(EasyOcrSettings.model_validate({"languages": ["en"], "folder": str(tmp_path)}))

    def serve(**arguments: object) -> ToolResult:
        return tool.run([ToolCall("ocr", arguments, (page,))])[0]

    assert tool._reader.options["download_enabled"] is False and tool._reader.options["gpu"] is False
    assert serve().data["words"] == [{"text": "100", "box": [0, 0, 420, 320], "confidence": 0.8}]
    assert serve(task="detect_only").data == {"boxes": [[1, 2, 9, 8]]}
    assert serve(mode="read_region", region=[10, 20, 110, 70]).data["words"][0]["box"] == [10, 20, 110, 70]
    assert serve(min_confidence=0.9).text == "No text found."
    assert isinstance(serve(languages=["ch_sim"]).error, ModelError)
