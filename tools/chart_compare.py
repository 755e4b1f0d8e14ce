"""`chart_compare`: which of two labels of a chart is higher, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pydantic import Field

from tools.chart.query import find_row, find_series, number_of, table_of, written
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image


class ChartCompareArguments(ImageArguments):
    """Arguments of `chart_compare`."""

    items: list[str] = Field(min_length=2, max_length=2, description="the two labels, as they are written in the chart")
    series: str = Field("", description="name of the series, when the chart has several")


@register_tool
class ChartCompare(Tool):
    """Computed from the table that `chart_to_table` reads."""

    name = "chart_compare"
    description = "Compares the numbers of two labels of a chart."
    arguments = ChartCompareArguments

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """How the first stands to the second, the higher one, the lower one, and the difference."""
        return run_each(_compare, calls)


def _compare(call: ToolCall) -> ToolResult:
    arguments = ChartCompareArguments.model_validate(dict(call.arguments))
    table = table_of(selected_image(call, arguments))
    column = find_series(table, arguments.series)
    first, second = (find_row(table, item) for item in arguments.items)
    numbers = {row[0]: number_of(row, column) for row in (first, second)}
    return compared(first[0], numbers[first[0]], second[0], numbers[second[0]])


def compared(first: str, a: Decimal, second: str, b: Decimal) -> ToolResult:
    """The result for two labels and their numbers."""
    relation = "equal" if a == b else "higher" if a > b else "lower"
    high, low = (first, second) if a >= b else (second, first)
    gap = written(abs(a - b))
    text = f"{relation}\nhighest {high}\nlowest {low}\ndifference {gap}"
    return ToolResult(text, data={"relation": relation, "highest": high, "lowest": low, "difference": gap})
