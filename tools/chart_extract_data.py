"""`chart_extract_data`: the numbers of some labels of a chart."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tools.chart.query import find_row, find_series, number_of, table_of
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image


class ChartExtractDataArguments(ImageArguments):
    """Arguments of `chart_extract_data`."""

    items: list[str] = Field(min_length=1, description="labels to look up, as they are written in the chart")
    series: str = Field("", description="name of the series, when the chart has several")


@register_tool
class ChartExtractData(Tool):
    """Looks labels up in the table that `chart_to_table` reads."""

    name = "chart_extract_data"
    description = "Returns the number of each named label of a chart."
    arguments = ChartExtractDataArguments

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One line per label: `LABEL | NUMBER`."""
        return run_each(_extract, calls)


def _extract(call: ToolCall) -> ToolResult:
    arguments = ChartExtractDataArguments.model_validate(dict(call.arguments))
    table = table_of(selected_image(call, arguments))
    column = find_series(table, arguments.series)
    rows = [find_row(table, item) for item in arguments.items]
    found = {row[0]: (number_of(row, column), row[column])[1] for row in rows}
    return ToolResult("\n".join(f"{label} | {number}" for label, number in found.items()), data=found)
