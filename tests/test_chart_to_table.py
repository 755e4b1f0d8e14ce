"""Charts drawn here and real ones, read back as tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rapidfuzz import fuzz

from tools.chart.axes import axis_through, find_value_axis
from tools.chart.categories import CategoryAxis, fill_years, find_categories
from tools.chart.frame import Frame, split_word
from tools.chart.legend import split_at
from tools.chart.markers import on_markers
from tools.chart.number import Number, format_value, parse_number
from tools.chart.stacks import scan_stacks
from tools.chart.text import Word
from tools.chart.values import repaired
from tools.chart_to_table import ChartToTable
from tools.errors import ErrorCode, ModelError
from tools.image import Image
from tools.registry import get_tool
from tools.tool import ToolCall, ToolResult

LABELS = ["Chile", "Norway", "Kenya", "Japan"]
VALUES = [12.5, 30, 7.25, 21]
SECOND = [6, 14.5, 28, 9]


def chart(draw: Callable[[Axes], None], title: str | None = None, size: tuple[float, float] = (5.2, 3.6)) -> Image:
    figure = Figure(figsize=size, dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes)
    if title:
        axes.set_title(title)
    figure.tight_layout()
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return Image.from_bytes(buffer.getvalue())


def read(image: Image) -> ToolResult:
    return ChartToTable().run([ToolCall("chart_to_table", {}, (image,))])[0]


def test_vertical_bars_with_printed_values() -> None:
    def draw(axes: Axes) -> None:
        axes.bar_label(axes.bar(LABELS, VALUES))

    result = read(chart(draw, "Fish exports"))
    assert result.text == "Title: Fish exports\nLabel | Value\nChile | 12.5\nNorway | 30\nKenya | 7.25\nJapan | 21"
    assert result.data["type"] == "v_bar" and result.data["printed_values"]
    assert result.data["columns"] == ["Label", "Value"] and result.data["rows"][2] == ["Kenya", "7.25"]


def test_horizontal_bars_with_printed_values_and_axis_title() -> None:
    def draw(axes: Axes) -> None:
        axes.bar_label(axes.barh(LABELS, VALUES), fmt="%g%%", padding=2)
        axes.invert_yaxis()
        axes.set_xlabel("Share of exports")

    data = read(chart(draw)).data
    assert data["type"] == "h_bar" and data["unit"] == "%" and data["x_axis"] == "Share of exports"
    assert data["rows"] == [["Chile", "12.5"], ["Norway", "30"], ["Kenya", "7.25"], ["Japan", "21"]]


def test_values_are_measured_where_none_are_printed() -> None:
    def draw(axes: Axes) -> None:
        axes.bar(LABELS, VALUES, color="#d9822b")

    data = read(chart(draw)).data
    assert not data["printed_values"]
    assert [row[0] for row in data["rows"]] == LABELS
    assert [float(row[1]) for row in data["rows"]] == pytest.approx(VALUES, abs=0.3)


def test_grouped_bars_take_their_names_from_the_legend() -> None:
    def draw(axes: Axes) -> None:
        places = np.arange(4)
        axes.bar_label(axes.bar(places - 0.2, VALUES, 0.4, label="Salmon"))
        axes.bar_label(axes.bar(places + 0.2, SECOND, 0.4, label="Herring"))
        axes.set_xticks(places, LABELS)
        axes.set_ylim(0, 42)
        axes.legend(loc="upper right")

    data = read(chart(draw)).data
    assert data["columns"] == ["Label", "Salmon", "Herring"]
    assert data["rows"] == [
        ["Chile", "12.5", "6"], ["Norway", "30", "14.5"], ["Kenya", "7.25", "28"], ["Japan", "21", "9"],
    ]  # fmt: skip


def test_stacked_bars() -> None:
    def draw(axes: Axes) -> None:
        axes.bar(LABELS, [10, 30, 20, 25], label="Salmon")
        axes.bar(LABELS, [20, 10, 15, 30], bottom=[10, 30, 20, 25], label="Herring")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)

    data = read(chart(draw)).data
    assert data["columns"] == ["Label", "Salmon", "Herring"]
    assert [float(row[1]) for row in data["rows"]] == pytest.approx([10, 30, 20, 25], abs=0.8)
    assert [float(row[2]) for row in data["rows"]] == pytest.approx([20, 10, 15, 30], abs=0.8)


def test_two_lines_with_printed_values() -> None:
    years = ["2015", "2016", "2017", "2018", "2019"]
    series = {"North": [4.5, 6, 7.5, 7, 9], "South": [1, 2.5, 2, 3.5, 3]}

    def draw(axes: Axes) -> None:
        for name, values in series.items():
            axes.plot(years, values, marker="o", label=name)
            for x, y in enumerate(values):
                axes.annotate(f"{y:g}", (x, y), (0, 5), textcoords="offset points", ha="center")
        axes.set_ylim(0, 12)
        axes.legend(loc="upper left")

    data = read(chart(draw)).data
    assert data["type"] == "line" and data["columns"] == ["Label", "North", "South"]
    assert [row[0] for row in data["rows"]] == years
    for column, values in enumerate(series.values(), 1):
        assert [float(row[column]) for row in data["rows"]] == values


@pytest.mark.parametrize("ring", [False, True])
def test_pie_with_shares_beside_its_labels(ring: bool) -> None:
    def draw(axes: Axes) -> None:
        names = ["Coal 40%", "Gas 25%", "Wind 20%", "Solar 15%"]
        axes.pie([40, 25, 20, 15], labels=names, startangle=90, counterclock=False)
        if ring:
            axes.pie([1], radius=0.5, colors=["white"])

    data = read(chart(draw, size=(4.4, 3.4))).data
    assert data["type"] == "pie" and data["unit"] == "%"
    assert data["rows"] == [["Coal", "40"], ["Gas", "25"], ["Wind", "20"], ["Solar", "15"]]


def test_pictures_without_a_chart_are_the_models_error() -> None:
    for picture in (PIL.Image.new("RGB", (300, 200), "white"), PIL.Image.effect_noise((300, 200), 80)):
        error = read(Image.from_pil(picture)).error
        assert isinstance(error, ModelError) and error.code == ErrorCode.ARGUMENT_CONTENT
    assert get_tool("chart2table") is ChartToTable


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1 512.3", 1512.3, ""), ("12,500", 12500, ""), ("-0.2%", -0.2, "%"), ("−8.7", -8.7, ""), ("$3.4", 3.4, "$"),
        ("2.5M", 2.5e6, "M"), ("12,5", 12.5, ""), ("20道", 20, ""), ("4.86*", 4.86, ""),
    ],
)  # fmt: skip
def test_printed_numbers(text: str, value: float, unit: str) -> None:
    number = parse_number(text)
    assert number is not None and number.value == pytest.approx(value) and number.unit == unit


@pytest.mark.parametrize("text", ["2015/16", "18-24", "Q1 2020", "Apr '20", "", "one", "1.2.3", "12 34", "12:00"])
def test_labels_are_not_numbers(text: str) -> None:
    assert parse_number(text) is None


@given(st.integers(-(10**9), 10**9), st.integers(0, 3))
def test_numbers_survive_printing_with_separators(whole: int, decimals: int) -> None:
    value = whole / 10**decimals
    for separator in (",", " ", ""):
        number = parse_number(f"{value:,.{decimals}f}".replace(",", separator))
        assert number is not None and number.value == pytest.approx(value)


def test_measured_values_show_no_more_digits_than_they_have() -> None:
    assert [format_value(12.3456, step) for step in (2, 0.3, 0.02)] == ["12", "12.3", "12.35"]
    assert format_value(-0.001, 0.5) == "0" and format_value(1500.0, 4) == "1500"


def word(text: str, x: float, y: float, width: float = 30) -> Word:
    return Word(text, ((x, y - 8), (x + width, y - 8), (x + width, y + 8), (x, y + 8)), 1.0)


def test_value_axis_ignores_a_misread_tick_and_the_values_on_the_chart() -> None:
    ticks = [word(str(20 * i), 10, 300 - 50 * i) for i in range(5)] + [word("700", 10, 25)]
    values = [word("37", 100, 190), word("12", 160, 260), word("64", 220, 130)]
    frame = Frame(np.zeros((320, 400, 3), np.uint8), (*ticks, *values))
    axis = find_value_axis(frame, frame.labels)
    assert axis is not None and len(axis.ticks) == 5
    assert axis.value(300) == pytest.approx(0, abs=1e-6) and axis.value(175) == pytest.approx(50)
    assert axis.row(30) == pytest.approx(225) and axis.range == 80


def test_scale_from_printed_values() -> None:
    axis = axis_through([(200, 10.0), (100, 30.0), (150, 20.0)])
    assert axis is not None and axis.value(50) == pytest.approx(40)
    assert axis_through([(100, 5.0)]) is None
    through_zero = axis_through([(100, 50.0)], zero=200)
    assert through_zero is not None and through_zero.value(150) == pytest.approx(25)


def test_words_run_together_are_taken_apart() -> None:
    parts = split_word(word("2010 2011 2012", 0, 0, 90))
    assert [part.text.strip() for part in parts] == ["2010", "2011", "2012"]
    assert [part.centre[0] for part in parts] == pytest.approx([13, 45, 77], abs=2)
    assert [part.text for part in split_word(word("Jul1", 0, 0))] == ["Jul 1"]
    assert [part.text for part in split_word(word("New York", 0, 0))] == ["New York"]


def test_years_are_filled_in_only_where_steps_are_regular() -> None:
    assert fill_years(["2000", "", "2002", "", "2004"]) == ["2000", "2001", "2002", "2003", "2004"]
    assert fill_years(["2000", "", "2010"]) == ["2000", "", "2010"]
    assert fill_years(["a", "", "b"]) == ["a", "", "b"]


def test_a_lost_point_or_sign_is_put_back_only_when_the_geometry_agrees() -> None:
    lost = repaired(Number("4562", 4562.0), 45.8, 2.0)
    assert lost is not None and lost.text == "45.62"
    negative = repaired(Number("8.7", 8.7), -8.5, 1.0)
    assert negative is not None and negative.value == -8.7
    assert repaired(Number("3", 3.0), 45.0, 2.0) is None


FLOOR = 0.7
"""Share of the golds found among the few charts below; the whole set reaches more (see the benchmark)."""


def test_real_charts(shared_data: Path) -> None:
    folder = shared_data / "chartqa" / "ChartQA Dataset" / "val"
    questions = json.loads((folder / "val_augmented.json").read_text())[::7]
    found = 0
    for question in questions:
        result = read(Image.from_path(folder / "png" / question["imgname"]))
        rows = result.data["rows"] if result.error is None else []
        gold = parse_number(question["label"])
        if gold is None:
            found += any(fuzz.ratio(row[0].lower(), question["label"].lower()) >= 90 for row in rows)
        else:
            numbers = [number.value for row in rows for cell in row[1:] if (number := parse_number(cell))]
            found += any(abs(value - gold.value) <= 0.05 * abs(gold.value) for value in numbers)
    assert found / len(questions) >= FLOOR


def test_parts_of_stacks_behind_their_values() -> None:
    """Values as wide as the bars cut the thin parts to pieces; along the edges they are whole."""
    parts = {"Bus": ([40, 55, 60], "#2876dd"), "Tram": ([7, 6, 9], "#0f283e"), "Ferry": ([20, 35, 15], "#87bc24")}

    def draw(axes: Axes) -> None:
        bottom = np.zeros(3)
        for name, (values, colour) in parts.items():
            drawn = axes.bar(["2018", "2019", "2020"], values, 0.55, bottom=bottom, color=colour, label=name)
            axes.bar_label(drawn, [f"{value}.00" for value in values], label_type="center", fontsize=9, color="white")
            bottom += values
        axes.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, -0.1))

    data = read(chart(draw, size=(4.4, 4.2))).data
    assert data["columns"] == ["Label", "Bus", "Tram", "Ferry"]
    for column, (values, _) in enumerate(parts.values(), 1):
        assert [float(row[column]) for row in data["rows"]] == pytest.approx(values, abs=1.2)


def test_scanned_stacks_by_hand() -> None:
    red, blue = (200, 0, 0), (0, 0, 200)
    pixels = np.full((60, 50, 3), 255, np.uint8)
    pixels[30:50, 5:15], pixels[20:29, 5:15] = red, blue
    pixels[40:50, 25:35] = blue
    pixels[22:27, 8:12] = 255  # a printed value
    parts = scan_stacks(pixels, [red, blue], 50.0, 10.0, 2.0)
    assert [(m.x1, m.y1, m.y2, m.colour) for m in parts] == [(5, 30, 50, red), (5, 20, 29, blue), (25, 40, 50, blue)]
    assert scan_stacks(pixels, [], 50.0, 10.0, 2.0) == [] == scan_stacks(pixels, [red], 2.0, 10.0, 2.0)
    assert scan_stacks(pixels, [red, blue], 50.0, 20.0, 2.0) == []


def test_markers_tell_the_years_between_the_labels() -> None:
    years, values = list(range(2000, 2013)), [5, 9, 6, 14, 11, 19, 13, 8, 16, 21, 12, 7, 10]

    def draw(axes: Axes) -> None:
        axes.plot(years, values, marker="o", markersize=7, linewidth=2.5, color="#2876dd")
        axes.set_xticks(years[::2], [str(year) for year in years[::2]], rotation=45, ha="right")
        axes.set_ylim(0, 25)

    data = read(chart(draw, size=(6.4, 4.0))).data
    assert [row[0] for row in data["rows"]] == [str(year) for year in years]
    assert [float(row[1]) for row in data["rows"]] == pytest.approx(values, abs=0.5)


def test_categories_move_onto_markers_only_where_they_meet_them() -> None:
    axis = CategoryAxis(("a", "b", "c", "d"), (10.0, 31.0, 49.0, 70.0), None)
    assert on_markers(axis, [13.0, 33.0, 53.0, 73.0]).centres == (13.0, 33.0, 53.0, 73.0)
    assert on_markers(axis, [13.0, 73.0]) == axis
    assert on_markers(axis, [1.0, 2.0, 3.0, 4.0]) == axis
    labelled = CategoryAxis(("2000", "2002", "2004*"), (10.0, 30.0, 50.0), None)
    full = on_markers(labelled, [10.0, 20.0, 30.0, 40.0, 50.0])
    assert full.names == ("2000", "", "2002", "", "2004*") and full.centres == (10.0, 20.0, 30.0, 40.0, 50.0)
    assert fill_years(full.names) == ["2000", "2001", "2002", "2003", "2004*"]
    assert on_markers(labelled, [10.0, 30.0, 50.0]).names == labelled.names


def test_years_are_mended() -> None:
    assert fill_years(["2017", "2018", "19", "2020"]) == ["2017", "2018", "2019", "2020"]
    assert fill_years(["2024*", "", "2026*"]) == ["2024*", "2025*", "2026*"]
    assert fill_years(["2017", "18", "20"]) == ["2017", "18", "20"]
    assert fill_years(["12", "2013", "7", "2015"])[2] == "7"


@pytest.mark.parametrize(
    ("text", "places", "parts"),
    [
        ("FemaleMale", [0.6], ["Female", "Male"]),
        ("18–34 years35–54 years55 or above", [0.35, 0.66], ["18–34 years", "35–54 years", "55 or above"]),
        ("2018 2019", [0.5], ["2018", "2019"]),
        ("Oil • Gas", [0.45], ["Oil", "Gas"]),
        ("abcdefgh", [0.5], ["abcd", "efgh"]),
    ],
)
def test_names_run_together_are_cut_at_the_markers(text: str, places: list[float], parts: list[str]) -> None:
    assert split_at(text, places) == parts


def test_a_sector_name_above_a_pie_is_no_title() -> None:
    def draw(axes: Axes) -> None:
        axes.pie([50, 30, 20], labels=["Bus", "Train", "Car"], autopct="%d%%")

    assert {row[0] for row in read(chart(draw)).data["rows"]} == {"Bus", "Train", "Car"}
    assert read(chart(draw, "Ways to work")).data["title"] == "Ways to work"


def test_a_missing_bar_moves_no_other_one() -> None:
    """The third group has no first bar, and the gap between groups is hardly wider than a bar."""

    def draw(axes: Axes) -> None:
        places = np.arange(5)
        axes.bar_label(axes.bar(places[[0, 1, 3, 4]] - 0.2, [4, 6, 9, 3], 0.36, color="#2876dd", label="Bus"))
        axes.bar_label(axes.bar(places + 0.2, [8, 5, 7, 2, 6], 0.36, color="#0f283e", label="Tram"))
        axes.set_xticks(places, ["Oslo", "Rome", "Bonn", "Lyon", "Cork"])
        axes.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, -0.1))

    rows = read(chart(draw, size=(6.0, 4.0))).data["rows"]
    assert rows == [["Oslo", "4", "8"], ["Rome", "6", "5"], ["Bonn", "", "7"], ["Lyon", "9", "2"], ["Cork", "3", "6"]]


def test_neighbouring_labels_read_as_one_are_cut_between_the_bars() -> None:
    labels = [word("Peugeot Nissan", 10, 100, 130), word("Fiat", 200, 100, 40)]
    frame = Frame(np.full((120, 300, 3), 255, np.uint8), tuple(labels))
    found = find_categories(frame, frame.labels, 80.0, [40.0, 115.0, 220.0])
    assert found.names == ("Peugeot", "Nissan", "Fiat")
    wide = find_categories(frame, frame.labels[:1], 80.0, [75.0, 220.0])
    assert wide.names == ("Peugeot Nissan", "")
