"""`chart_compare`: which of two labels of a chart is higher, and by how much."""

from __future__ import annotations

from decimal import Decimal

from pydantic import AliasChoices, Field

from tools.chart.query import find_row, find_series, number_of, written
from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool
from tools.registry import register_tool
from tools.tool import ImageArguments, ToolResult


class ChartCompareArguments(ImageArguments):
    """Arguments of `chart_compare`."""

    items: list[str] = Field(
        min_length=2,
        max_length=2,
        validation_alias=AliasChoices("items", "labels"),
        description="the two labels, as they are written in the chart",
    )
    series: str = Field("", description="name of the series, when the chart has several")


@register_tool
class ChartCompare(TableTool[ChartCompareArguments]):
    """Computed from the table that `chart_to_table` reads."""

    name = "chart_compare"
    description = "Compares the numbers of two labels of a chart."
    arguments = ChartCompareArguments
    aliases = ("ChartMoE.compare",)
    version = "2"

    def look_up(self, table: ChartTable, arguments: ChartCompareArguments) -> ToolResult:
        """How the first stands to the second, the higher one, the lower one, and the difference."""
        column = find_series(table, arguments.series)
        (first, a), (second, b) = (
            (row[0], number_of(row, column)) for row in (find_row(table, item) for item in arguments.items)
        )
        return compared(first, a, second, b)


def compared(first: str, a: Decimal, second: str, b: Decimal) -> ToolResult:
    """The result for two labels and their numbers."""
    relation = "equal" if a == b else "higher" if a > b else "lower"
    high, low = (first, second) if a >= b else (second, first)
    gap = written(abs(a - b))
    text = f"{relation}\nhighest {high}\nlowest {low}\ndifference {gap}"
    return ToolResult(text, data={"relation": relation, "highest": high, "lowest": low, "difference": gap})
