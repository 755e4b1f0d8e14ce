"""`chart_extract_data`: the numbers of some labels of a chart."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic.json_schema import SkipJsonSchema

from tools.chart.query import find_row, find_series, number_of
from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool
from tools.registry import register_tool
from tools.tool import ImageArguments, ToolResult


class ChartExtractDataArguments(ImageArguments):
    """Arguments of `chart_extract_data`."""

    items: list[str] = Field(
        min_length=1,
        validation_alias=AliasChoices("items", "x", "labels"),
        description="labels to look up, as they are written in the chart",
    )
    series: str = Field("", description="name of the series, when the chart has several")
    unit: SkipJsonSchema[bool] = Field(False, description="write the chart's unit behind each number")
    """Not in the schema: the prompts that the shipped weights learned from do not mention it."""


@register_tool
class ChartExtractData(TableTool[ChartExtractDataArguments]):
    """Looks labels up in the table that `chart_to_table` reads."""

    name = "chart_extract_data"
    description = "Returns the number of each named label of a chart."
    arguments = ChartExtractDataArguments
    aliases = ("ChartMoE.extract_data",)
    version = "2"

    def look_up(self, table: ChartTable, arguments: ChartExtractDataArguments) -> ToolResult:
        """One line per label: `LABEL | NUMBER`."""
        column = find_series(table, arguments.series)
        rows = [find_row(table, item) for item in arguments.items]
        for row in rows:
            number_of(row, column)  # refuses labels without a number
        unit = f" {table.unit}" if arguments.unit and table.unit else ""
        found = {row[0]: f"{row[column]}{unit}" for row in rows}
        return ToolResult("\n".join(f"{label} | {number}" for label, number in found.items()), data=found)
