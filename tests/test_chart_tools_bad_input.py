"""Every chart tool with pictures that are no charts and arguments that mean nothing: typed errors, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pydantic import ValidationError

from envs.datasets.embedded import render, sample_tables
from tools.errors import ErrorCode, ModelError
from tools.image import Image
from tools.registry import backends_of, get_tool, registered_tools
from tools.tool import Tool, ToolCall, ToolResult

CHART_TOOLS = sorted(name for name, tool in registered_tools().items() if tool.family == "chart")
EMBEDDED = [name for name in CHART_TOOLS if "embedded" in backends_of(name)]
NEEDED: dict[str, dict[str, Any]] = {
    "chart_extract_data": {"items": ["A"]},
    "chart_compare": {"items": ["A", "B"]},
    "chart_answer": {"question": "How many?"},
}
"""Arguments that a tool does not run without."""


def noise() -> Image:
    return Image.from_pil(PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)))


def photo() -> Image:
    """Smooth shades everywhere, as in a photograph of the sky over hills."""
    x, y = np.meshgrid(np.linspace(0, 3, 240), np.linspace(0, 3, 160))
    shades = np.stack([np.sin(x + y), np.cos(x * y), np.sin(x - y * y)], axis=2)
    return Image.from_pil(PIL.Image.fromarray((127 + 120 * shades).astype(np.uint8)))


def blank(width: int, height: int, mode: str = "RGB") -> Image:
    return Image.from_pil(PIL.Image.new(mode, (width, height), "white"))


def palette() -> Image:
    buffer = BytesIO()
    PIL.Image.new("P", (30, 20)).save(buffer, "GIF")
    return Image.from_bytes(buffer.getvalue())


PICTURES: dict[str, Callable[[], Image]] = {
    "noise": noise,
    "photo": photo,
    "blank": lambda: blank(200, 150),
    "grey": lambda: blank(50, 40, "L"),
    "one pixel": lambda: blank(1, 1),
    "one row": lambda: blank(300, 1),
    "one column": lambda: blank(1, 300),
    "palette": palette,
}


@pytest.fixture(scope="module")
def chart() -> Image:
    """Bars of two series."""
    return Image.from_bytes(
        render(next(s for s in sample_tables(7, 300) if s.kind == "v_bar" and len(s.series) == 2 and s.labelled))
    )


def run(name: str, picture: Image, /, **arguments: Any) -> ToolResult:
    tool: Tool = get_tool(name)()
    return tool.run([ToolCall(name, {**NEEDED.get(name, {}), **arguments}, (picture,))])[0]


def table(chart: Image) -> dict[str, Any]:
    return run("chart_to_table", chart).data


def labels(chart: Image) -> list[str]:
    return [row[0] for row in table(chart)["rows"]]


def message(result: ToolResult) -> str:
    assert isinstance(result.error, ModelError) and result.error.code is ErrorCode.ARGUMENT_CONTENT
    assert not result.text and result.data is None and not result.images
    assert len(result.error.message) < 500
    return result.error.message


def test_they_are_all_here() -> None:
    assert set(CHART_TOOLS) == {
        "chart_to_table", "chart_extract_data", "chart_to_svg", "chart_to_scene_graph", "chart_caption", "chart_answer",
        "chart_describe", "chart_analyze", "chart_summarize", "chart_compare", "chart_trend", "chart_title",
    }  # fmt: skip
    assert set(CHART_TOOLS) - set(EMBEDDED) == {"chart_answer"}
    assert all(get_tool(name).remote for name in CHART_TOOLS)


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_that_is_no_chart(name: str, picture: str) -> None:
    assert message(run(name, PICTURES[picture]()))


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_image_that_is_not_there(name: str, chart: Image) -> None:
    assert "no image 5" in message(run(name, chart, image=5))


@pytest.mark.parametrize("name", EMBEDDED)
def test_one_bad_call_does_not_spoil_the_batch(name: str, chart: Image) -> None:
    good = {} if name not in NEEDED else {**NEEDED[name], "items": labels(chart)[: len(NEEDED[name]["items"])]}
    if "series" in get_tool(name).arguments.model_fields:
        good["series"] = (
            get_tool("chart_to_table")().run([ToolCall("chart_to_table", {}, (chart,))])[0].data["columns"][1]
        )
    tool: Tool = get_tool(name)()
    calls = [
        ToolCall(name, {**NEEDED.get(name, {}), "image": 3}, (chart,)),
        ToolCall(name, good, (chart,)),
        ToolCall(name, {**NEEDED.get(name, {})}, (blank(20, 20),)),
    ]
    missing, fine, empty = tool.run(calls)
    assert message(missing) and message(empty)
    assert fine.error is None and fine.text and fine.data


@pytest.mark.parametrize("name", [name for name in EMBEDDED if "series" in get_tool(name).arguments.model_fields])
def test_an_unknown_series(name: str, chart: Image) -> None:
    assert "no series 'qqqqqq'" in message(run(name, chart, series="qqqqqq"))


@pytest.mark.parametrize("name", ["chart_extract_data", "chart_compare"])
@pytest.mark.parametrize("label", ["zzzzzz", "", " ", "|", "x" * 10_000, "\x00", "💥"])
def test_an_unknown_label(name: str, label: str, chart: Image) -> None:
    series = table(chart)["columns"][1]
    assert "no label" in message(run(name, chart, items=[label, label], series=series))


@pytest.mark.parametrize("name", CHART_TOOLS)
def test_wrong_arguments(name: str) -> None:
    model, needed = get_tool(name).arguments, NEEDED.get(name, {})
    model.model_validate(needed)
    for wrong in (
        {"img": 0},
        {"image": -1},
        {"image": "first"},
        {"image": None},
        {"image": 0.5},
        {"bbox": [0, 0, 1, 1]},
    ):
        with pytest.raises(ValidationError):
            model.model_validate({**needed, **wrong})
    for argument in needed:
        with pytest.raises(ValidationError):
            model.model_validate({key: value for key, value in needed.items() if key != argument})
    if "series" in model.model_fields:
        with pytest.raises(ValidationError):
            model.model_validate({**needed, "series": ["A"]})


def test_a_question_has_limits() -> None:
    for question in ("", "x" * 10_000):
        with pytest.raises(ValidationError):
            get_tool("chart_answer").arguments.model_validate({"question": question})
