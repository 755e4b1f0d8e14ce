"""The models that read charts: tiny random checkpoints in the released formats, and what is made of what they write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_chart_models import FONT, make_chartmoe, make_deplot, make_unichart
from tiny_models import picture

from tools.chart.linearised import parse_linearised
from tools.errors import ErrorCode, ModelError, ToolInputError, ToolUnavailableError
from tools.models.chart_reader import TABLE_TOOLS, ChartModel
from tools.models.chartmoe import square
from tools.models.deplot import PROMPT
from tools.registry import backends_of, select_backend
from tools.tool import Tool, ToolCall


@pytest.fixture(scope="module")
def deplot(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = make_deplot(tmp_path_factory.mktemp("chart") / "deplot")
    return {"model": folder, "font": FONT, "max_new_tokens": 12, "device": "cpu"}


@pytest.fixture(scope="module")
def unichart(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = make_unichart(tmp_path_factory.mktemp("chart") / "unichart")
    return {"model": folder, "max_new_tokens": 12, "device": "cpu"}


@pytest.fixture
def chartmoe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    folder = make_chartmoe(tmp_path / "chartmoe")
    return {"model": folder, "transformers": "", "trust_remote_code": True, "device": "cpu"}


def build(tool: str, backend: str, settings: dict[str, Any]) -> Any:
    return select_backend(tool, backend, settings).build()


def calls(tool: Tool, *arguments: dict[str, Any]) -> list[ToolCall]:
    return [ToolCall(tool.name, each, (picture(), picture(80, 40, 200))) for each in arguments]


def test_every_tool_lists_its_models() -> None:
    for tool in TABLE_TOOLS:
        first, *models, last = backends_of(tool.name)
        assert (first, set(models), last) == ("embedded", {"deplot", "unichart", "chartmoe"}, "remote")
    assert set(backends_of("chart_answer")) == {"unichart", "chartmoe", "remote"}
    assert list(backends_of("chart_to_svg")) == ["embedded", "remote"]


def test_deplot_writes_about_every_picture_of_a_batch(deplot: dict[str, Any]) -> None:
    tool = build("chart_to_table", "deplot", deplot)
    model: ChartModel = tool.model
    images = [picture(), picture(80, 40, 200), picture()]
    together = model.texts(images, [PROMPT] * 3)
    model._known.clear()
    assert together == [model.texts([image], [PROMPT])[0] for image in images]
    assert all(together) and together[0] == together[2]
    error = tool.run(calls(tool, {"image": 7}))[0].error
    assert isinstance(error, ModelError) and "no image 7" in error.message


def test_what_is_no_table_is_the_pictures_fault(deplot: dict[str, Any]) -> None:
    tool = build("chart_to_table", "deplot", deplot)
    (result,) = tool.run(calls(tool, {}))
    assert isinstance(result.error, ModelError) and result.error.code is ErrorCode.ARGUMENT_CONTENT


def test_look_ups_follow_the_models_table(deplot: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    read, compare = build("chart_to_table", "deplot", deplot), build("chart_compare", "deplot", deplot)
    model: ChartModel = read.model
    assert compare.model is model
    asked = []

    def write(pictures: list[Any], prompts: list[str]) -> list[str]:
        asked.extend(prompts)
        text = "TITLE | Fish <0x0A> Land | 2020 | 2021 <0x0A> Chile | 1,200% | 3 <0x0A> Kenya | 7.5% | 4"
        return [text] * len(pictures)

    model._known.clear()
    monkeypatch.setattr(model, "write", write)
    (table,) = read.run(calls(read, {}))
    assert table.text == "Title: Fish\nLand | 2020 | 2021\nChile | 1200 | 3\nKenya | 7.5 | 4"
    assert table.data["unit"] == "%" and table.data["type"] == "unknown"
    (result,) = compare.run(calls(compare, {"items": ["Chile", "Kenya"], "series": "2021"}))
    assert result.data == {"relation": "lower", "highest": "Kenya", "lowest": "Chile", "difference": "1"}
    assert asked == [PROMPT]
    model._known.clear()


def test_unichart_writes_tables_captions_and_answers(unichart: dict[str, Any]) -> None:
    caption = build("chart_caption", "unichart", unichart)
    one, other = caption.run(calls(caption, {}, {"image": 1}))
    assert one.error is None and one.data == {"caption": one.text} and "<s_answer>" not in one.text
    summary = build("chart_summarize", "unichart", unichart)
    assert summary.model is caption.model
    assert summary.run(calls(summary, {"image": 1}))[0].data == {"summary": other.text}
    answer = build("chart_answer", "unichart", unichart)
    questions = ["How many?", "Which label is <s_answer> highest in <chartqa> 2020?", "How many?"]
    results = answer.run(calls(answer, *({"question": question} for question in questions)))
    assert all(result.error is None for result in results) and results[0].text == results[2].text
    assert results[1].text == answer.run(calls(answer, {"question": "Which label is highest in 2020?"}))[0].text
    assert answer.arguments.model_validate({"prompt": "How many?"}).question == "How many?"


def test_a_long_question_leaves_room_for_an_answer(unichart: dict[str, Any]) -> None:
    answer = build("chart_answer", "unichart", {**unichart, "max_new_tokens": 500})
    assert answer.run(calls(answer, {"question": "How many? " * 6}))[0].error is None


def test_chartmoe_runs_code_that_comes_with_its_weights(chartmoe: dict[str, Any]) -> None:
    table = build("chart_to_table", "chartmoe", chartmoe)
    (result,) = table.run(calls(table, {}))
    assert result.error is None and result.data["columns"] == ["Label", "Share"]
    assert float(result.data["rows"][0][1]) == pytest.approx(square(picture().pil())[0].mean(), abs=0.01)
    answer = build("chart_answer", "chartmoe", chartmoe)
    (result,) = answer.run(calls(answer, {"question": "How many <ImageHere>?", "image": 1}))
    assert result.text.startswith("How many  ?") and result.data == {"answer": result.text}


def test_why_a_model_cannot_run_here(tmp_path: Path) -> None:
    with pytest.raises(ToolUnavailableError, match=r"needs transformers 4\.53\.2.*remote"):
        select_backend("chart_answer", "chartmoe")
    with pytest.raises(ToolUnavailableError, match="trust_remote_code"):
        select_backend("chart_answer", "chartmoe", {"transformers": ""})
    with pytest.raises(ToolUnavailableError, match="hf download google/deplot && hf download ybelkada/fonts"):
        select_backend("chart_to_table", "deplot")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ToolUnavailableError, match=r"the font .* hf download ybelkada/fonts"):
        select_backend("chart_to_table", "deplot", {"model": str(tmp_path)})
    with pytest.raises(ToolUnavailableError, match="no such font"):
        select_backend("chart_to_table", "deplot", {"font": str(tmp_path / "none.ttf")})
    with pytest.raises(ToolUnavailableError, match="hf download ahmed-masry/unichart-chartqa-960"):
        select_backend("chart_answer", "unichart")


def test_tables_as_models_write_them() -> None:
    joined = parse_linearised("Entity | Arms | Trade & Oil & gas | 12 | 3.5 & Coal | $1,400 |", "&")
    assert joined.columns == ("Entity", "Arms", "Trade")
    assert joined.rows == (("Oil & gas", "12", "3.5"), ("Coal", "1400", ""))
    markdown = parse_linearised("Here it is:\n| Year | A |\n|---|---|\n| 2001 | 3 |\n| 2002 | |")
    assert markdown.rows == (("2001", "3"), ("2002", ""))
    assert parse_linearised('City,Share\n"Paris, France",12%').rows == (("Paris, France", "12"),)
    assert parse_linearised("Year | A <0x0A> 1999 | 1 | 2").columns == ("Year", "A", "Series 2")
    assert parse_linearised("a | b <0x0A> c | 2").text() == "a | b\nc | 2"


@pytest.mark.parametrize("text", ["", " ", "|", "<0x0A>", "no table", "a | b", "a | b <0x0A> c | d", "& & &", "---"])
def test_no_numbers_no_table(text: str) -> None:
    for mark in ("\n", "&"):
        with pytest.raises(ToolInputError, match="no chart"):
            parse_linearised(text, mark)
