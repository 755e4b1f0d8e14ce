"""chart_extract_data, chart_compare, chart_describe: on drawn charts whose numbers are known, and worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from envs.datasets.embedded import ChartSpec, render, sample_tables
from tools.chart_compare import compared
from tools.chart_describe import described
from tools.errors import ErrorCode, ModelError
from tools.image import Image
from tools.registry import make_tools
from tools.tool import ToolCall, ToolResult


@pytest.fixture(scope="module")
def chart() -> tuple[ChartSpec, Image]:
    """A vertical bar chart of one series with printed values."""
    spec = next(
        spec
        for spec in sample_tables(5, 200)
        if spec.kind == "v_bar" and len(spec.series) == 1 and spec.labelled and len(spec.labels) >= 4
    )
    return spec, Image.from_bytes(render(spec))


def call(tool: str, image: Image, **arguments: object) -> ToolResult:
    return make_tools([tool])[tool].run([ToolCall(tool, arguments, (image,))])[0]


def test_extract_data_returns_the_printed_numbers(chart: tuple[ChartSpec, Image]) -> None:
    spec, image = chart
    labels = [spec.labels[0], spec.labels[2]]
    result = call("chart_extract_data", image, items=labels)
    assert result.error is None
    expected = [spec.values[0][0], spec.values[0][2]]
    assert [Decimal(number) for number in result.data.values()] == expected
    assert result.text.splitlines()[0].startswith(f"{labels[0]} | ")


def test_an_unknown_label_is_the_models_error_and_lists_the_labels(chart: tuple[ChartSpec, Image]) -> None:
    spec, image = chart
    error = call("chart_extract_data", image, items=["zzzzzz"]).error
    assert isinstance(error, ModelError) and error.code is ErrorCode.ARGUMENT_CONTENT
    assert all(label in error.message for label in spec.labels)


def test_compare_and_describe_agree_with_the_chart(chart: tuple[ChartSpec, Image]) -> None:
    spec, image = chart
    values = dict(zip(spec.labels, spec.values[0], strict=True))
    a, b = spec.labels[:2]
    relation = "equal" if values[a] == values[b] else "higher" if values[a] > values[b] else "lower"
    assert call("chart_compare", image, items=[a, b]).data["relation"] == relation
    facts = call("chart_describe", image).data
    assert facts["entries"] == str(len(values))
    assert values[facts["highest"]] == max(values.values())
    assert values[facts["lowest"]] == min(values.values())


def test_compared_by_hand() -> None:
    assert compared("A", Decimal("26.1"), "B", Decimal("39.90")).text == "lower\nhighest B\nlowest A\ndifference 13.8"
    assert compared("A", Decimal(2), "B", Decimal("2.0")).data == {
        "relation": "equal",
        "highest": "A",
        "lowest": "B",
        "difference": "0",
    }


def test_described_by_hand() -> None:
    facts = described({"x": Decimal(3), "y": Decimal("10.5"), "z": Decimal(3)}).data
    assert facts == {
        "entries": "3",
        "highest": "y",
        "second": "x",
        "lowest": "z",
        "range": "7.5",
        "sum": "16.5",
        "mean": "5.5",
    }


def test_two_labels_are_needed_to_compare() -> None:
    tool = make_tools(["chart_compare"])["chart_compare"]
    with pytest.raises(ValueError, match="at least 2 items"):
        tool.arguments.model_validate({"items": ["A"]})
