"""The chart tools that draw, list, describe and compute: on drawn charts of known numbers, and worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tools.chart.colour_name import colour_name
from tools.chart.query import in_time
from tools.chart.svg import shortened
from tools.chart.table import ChartTable
from tools.chart_analyze import between, spread
from tools.chart_caption import ChartCaption, ChartCaptionArguments
from tools.chart_summarize import ChartSummarize, ChartSummarizeArguments
from tools.chart_title import ChartTitle, ChartTitleArguments
from tools.chart_trend import direction, trend_of
from tools.image import Image
from tools.registry import get_tool
from tools.tool import ToolCall, ToolResult

YEARS = ["2017", "2018", "2019", "2020"]
FISH, MEAT = [12.5, 30, 7, 21], [6, 14.5, 28, 9]


def chart(draw: Callable[[Axes], None]) -> Image:
    figure = Figure(figsize=(5.2, 3.6), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes)
    figure.tight_layout()
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return Image.from_bytes(buffer.getvalue())


def call(name: str, image: Image, **arguments: object) -> ToolResult:
    (result,) = get_tool(name)().run([ToolCall(name, arguments, (image,))])
    assert result.error is None, result.error
    return result


@pytest.fixture(scope="module")
def bars() -> Image:
    def draw(axes: Axes) -> None:
        axes.bar_label(axes.bar(YEARS, FISH, color="#d62728"))
        axes.set_title("Fish exports")
        axes.set_ylabel("Tonnes")

    return chart(draw)


@pytest.fixture(scope="module")
def lying() -> Image:
    def draw(axes: Axes) -> None:
        axes.bar_label(axes.barh(["Chile", "Kenya", "Japan"], [12, 30, 7], color="#2ca02c"), padding=2)
        axes.invert_yaxis()

    return chart(draw)


@pytest.fixture(scope="module")
def lines() -> Image:
    def draw(axes: Axes) -> None:
        axes.plot(YEARS, FISH, color="#1f77b4", label="Fish")
        axes.plot(YEARS, MEAT, color="#ff7f0e", label="Meat")
        axes.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.15))

    return chart(draw)


@pytest.fixture(scope="module")
def pie() -> Image:
    def draw(axes: Axes) -> None:
        axes.pie([50, 30, 20], labels=["Bus", "Train", "Car"], autopct="%d%%", colors=["#1f77b4", "#2ca02c", "#ffdd33"])

    return chart(draw)


def elements(svg: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def test_svg_of_bars_carries_labels_values_and_places(bars: Image) -> None:
    svg = call("chart_to_svg", bars).data["svg"]
    drawn = elements(svg, "rect")
    assert [(bar.get("data-label"), bar.get("data-value")) for bar in drawn] == [
        ("2017", "12.5"), ("2018", "30"), ("2019", "7"), ("2020", "21"),
    ]  # fmt: skip
    heights = [float(bar.get("height", 0)) for bar in drawn]
    assert [round(30 * height / heights[1], 1) for height in heights] == pytest.approx(FISH, abs=0.3)
    texts = {element.get("class"): element.text for element in elements(svg, "text")}
    assert texts["title"] == "Fish exports" and texts["y-axis"] == "Tonnes" and texts["label"] == "2020"


def test_svg_of_lying_bars_lines_and_pies(lying: Image, lines: Image, pie: Image) -> None:
    drawn = elements(call("chart_to_svg", lying).data["svg"], "rect")
    assert [bar.get("data-label") for bar in drawn] == ["Chile", "Kenya", "Japan"]
    widths = [float(bar.get("width", 0)) for bar in drawn]
    assert [30 * width / widths[1] for width in widths] == pytest.approx([12, 30, 7], abs=0.4)
    svg = call("chart_to_svg", lines).data["svg"]
    assert [line.get("data-series") for line in elements(svg, "polyline")] == ["Fish", "Meat"]
    assert len(elements(svg, "circle")) == 8
    sectors = elements(call("chart_to_svg", pie).data["svg"], "path")
    assert {sector.get("data-label"): sector.get("data-value") for sector in sectors} == {
        "Bus": "50", "Train": "30", "Car": "20",
    }  # fmt: skip


def test_a_long_svg_is_shortened_to_a_whole_one() -> None:
    lines = ["<svg>", *(f' <rect x="{index}" />' for index in range(100)), "</svg>"]
    short = shortened("\n".join(lines), 300)
    assert len(short) < 350 and short.endswith("</svg>")
    ElementTree.fromstring(short)
    kept = short.count("<rect")
    assert f"<!-- {100 - kept} more elements -->" in short
    assert shortened("<svg></svg>", 300) == "<svg></svg>"


def test_scene_graph_of_bars(bars: Image) -> None:
    data = call("chart_to_scene_graph", bars).data
    nodes = {node["id"]: node for node in data["nodes"]}
    assert nodes["title"]["text"] == "Fish exports" and nodes["y_axis"]["title"] == "Tonnes"
    mark = nodes["mark1"]
    assert (mark["type"], mark["label"], mark["value"], mark["colour"]) == ("bar", "2018", "30", "#d62728")
    left, top, right, bottom = mark["box"]
    shown = bars.pil().getpixel(((left + right) // 2, top + 30))
    assert shown == (0xD6, 0x27, 0x28) and bottom - top > 100
    ends = {end for source, _, target in data["edges"] for end in (source, target)}
    assert ends <= nodes.keys() and ["mark1", "at", "label1"] in data["edges"]


def test_scene_graph_of_lying_bars_places_them_in_the_image(lying: Image) -> None:
    marks = [node for node in call("chart_to_scene_graph", lying).data["nodes"] if node["type"] == "bar"]
    assert [mark["label"] for mark in marks] == ["Chile", "Kenya", "Japan"]
    for mark in marks:
        left, top, right, bottom = mark["box"]
        assert lying.pil().getpixel(((left + right) // 2, (top + bottom) // 2)) == (0x2C, 0xA0, 0x2C)
        assert lying.pil().getpixel((right + 3, top + 3)) == (255, 255, 255)


def test_caption_names_colours(bars: Image, lines: Image, pie: Image) -> None:
    assert call("chart_caption", bars).text == (
        'A vertical bar chart titled "Fish exports" with 4 labels from 2017 to 2020, in red. '
        "The number is highest for 2018 (30) and lowest for 2019 (7)."
    )
    assert "Fish (blue), Meat (orange)" in call("chart_caption", lines).text
    assert "Car (yellow), Train (green), Bus (blue)" in call("chart_caption", pie).text


def test_what_models_read_is_described_without_colours() -> None:
    table = ChartTable("unknown", ("Year", "A", "B"), (("2000", "1", ""), ("2001", "3", "")), unit="%")
    text = ChartCaption().look_up(table, ChartCaptionArguments()).text
    assert text.startswith("A chart with 2 labels from 2000 to 2001 in %, 2 series: A, B. A is highest for 2001 (3)")
    title = ChartTitle().look_up(table, ChartTitleArguments())
    assert title.text == "title: none\nx axis: none\ny axis: none\nunit: %\nseries: A, B"


def test_summary_by_hand() -> None:
    table = ChartTable("line", ("Year", "A", "B"), (("2000", "1", "2.5"), ("2001", "3", "")), title="T", unit="%")
    assert ChartSummarize().look_up(table, ChartSummarizeArguments()).text.splitlines() == [
        "kind line chart",
        "title T",
        "labels 2, 2000 to 2001",
        "series 2, A, B",
        "unit %",
        "A: total 4, mean 2, highest 2001 3, lowest 2000 1",
        "B: total 2.5, mean 2.5, highest 2000 2.5, lowest 2000 2.5",
        "highest of all 2001 A 3",
        "lowest of all 2000 A 1",
    ]


def decimals(*numbers: str) -> list[tuple[str, Decimal]]:
    return [(str(2000 + index), Decimal(number)) for index, number in enumerate(numbers)]


def test_trend_by_hand() -> None:
    assert trend_of(decimals("4", "6", "5", "9")) == {
        "direction": "rising",
        "from": "2000 4",
        "to": "2003 9",
        "change": "5 (125 %)",
        "rises": 2,
        "falls": 1,
        "highest": "2003 9",
        "lowest": "2000 4",
        "steepest rise": "2002 to 2003 4",
        "steepest fall": "2001 to 2002 -1",
    }
    assert trend_of(decimals("0", "2"))["change"] == "2"


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("1 2 2 5", "steadily rising"), ("5 2 2", "steadily falling"), ("3 3 3", "flat"), ("1 5 1 5 1", "mixed"),
        ("9 8 8.5 3 2", "falling"), ("1 4 3 6 5", "rising"), ("2 2", "flat"),
    ],
)  # fmt: skip
def test_directions(numbers: str, expected: str) -> None:
    assert direction([Decimal(number) for number in numbers.split()]) == expected


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=12))
def test_a_mirrored_series_has_the_mirrored_direction(numbers: list[int]) -> None:
    mirrored = {"rising": "falling", "falling": "rising", "steadily rising": "steadily falling",
                "steadily falling": "steadily rising"}  # fmt: skip
    found = direction([Decimal(number) for number in numbers])
    assert direction([Decimal(-number) for number in numbers]) == mirrored.get(found, found)


def test_newest_first_is_turned_round() -> None:
    assert in_time([("2020", Decimal(1)), ("2019", Decimal(2))]) == [("2019", Decimal(2)), ("2020", Decimal(1))]
    for labels in (["A", "B"], ["2019", "2020"], ["2020", "Q1"]):
        values = [(label, Decimal(1)) for label in labels]
        assert in_time(values) == values


def test_trend_of_lines_and_of_one_series(lines: Image, pie: Image) -> None:
    found = call("chart_trend", lines).data
    assert set(found) == {"Fish", "Meat"} and found["Fish"]["highest"].startswith("2018")
    assert set(call("chart_trend", lines, series="meat").data) == {"Meat"}
    (result,) = get_tool("chart_trend")().run([ToolCall("chart_trend", {}, (pie,))])
    assert result.error is not None and "no development" in result.error.message


def test_spread_by_hand() -> None:
    assert spread(decimals("1", "2", "3", "4", "20")) == {
        "median": "3",
        "deviation": "7.0711",
        "quartiles": "2 4",
        "outliers": "2004",
        "largest share": "2004 66.7 %",
    }
    assert spread(decimals("-1", "1")) == {"median": "0", "deviation": "1"}
    assert spread(decimals("0")) == {"median": "0", "deviation": "0"}


def test_series_against_each_other_by_hand() -> None:
    a, b = dict(decimals("1", "2", "4")), dict(decimals("3", "1", "-1"))
    assert between({"A": a, "B": b}) == {
        "highest A": "at 2 labels",
        "highest B": "at 1 labels",
        "widest gap": "2002 5 (A above B)",
        "correlation A / B": "-0.98",
    }
    assert between({"A": a, "B": {}}) == {}


def test_analysis_of_several_series(lines: Image) -> None:
    found = call("chart_analyze", lines).data
    assert set(found) == {"Fish", "Meat", "between series"}
    assert found["between series"]["highest Fish"] == "at 3 labels"
    assert set(call("chart_analyze", lines, series="Fish").data) == {"Fish"}


def test_upstreams_spellings() -> None:
    assert get_tool("ChartMoE.to_table").name == "chart_to_table" and get_tool("chartmoe").name == "chart_answer"
    arguments = get_tool("chart_extract_data").arguments
    assert arguments.model_validate({"x": ["2017"]}).items == ["2017"]  # type: ignore[attr-defined]
    assert "unit" not in arguments.model_json_schema()["properties"]


def test_numbers_with_their_unit(pie: Image) -> None:
    assert call("chart_extract_data", pie, items=["Bus"], unit=True).data == {"Bus": "50 %"}
    assert call("chart_extract_data", pie, items=["Bus"]).data == {"Bus": "50"}


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ("#ff0000", "red"), ("#1f77b4", "blue"), ("#ff7f0e", "orange"), ("#2ca02c", "green"), ("#7f7f7f", "grey"),
        ("#000000", "black"), ("#ffffff", "white"), ("#0f283e", "dark blue"), ("#9467bd", "purple"),
        ("#ffff00", "yellow"),
    ],
)  # fmt: skip
def test_colours_by_name(colour: str, name: str) -> None:
    assert colour_name(colour) == name
