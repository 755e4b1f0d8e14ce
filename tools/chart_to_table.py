"""`chart_to_table`: the data behind a bar, line or pie chart."""

from __future__ import annotations

from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool
from tools.registry import register_tool
from tools.tool import ImageArguments, ToolResult


class ChartToTableArguments(ImageArguments):
    """Arguments of `chart_to_table`: which image."""


@register_tool
class ChartToTable(TableTool[ChartToTableArguments]):
    """Geometry (OpenCV) and words (RapidOCR): printed values first, otherwise measured on the axis."""

    name = "chart_to_table"
    description = "Reads a bar, line or pie chart and returns its data as a table: one row per label, cells split by |."
    arguments = ChartToTableArguments
    aliases = ("chart2table", "ChartToTable", "ChartMoE.to_table")
    version = "3"

    def look_up(self, table: ChartTable, arguments: ChartToTableArguments) -> ToolResult:
        """The table itself."""
        return ToolResult(text=table.text(), data=table.data())
