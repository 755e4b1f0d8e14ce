"""`chart_title`: what a chart calls itself and its axes."""

from __future__ import annotations

from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool
from tools.registry import register_tool
from tools.tool import ImageArguments, ToolResult


class ChartTitleArguments(ImageArguments):
    """Arguments of `chart_title`: which image."""


@register_tool
class ChartTitle(TableTool[ChartTitleArguments]):
    """From the words around the plot."""

    name = "chart_title"
    description = "Returns the title of a chart, the titles of its axes, its unit and the names of its series."
    arguments = ChartTitleArguments
    aliases = ("ChartMoE.title",)

    def look_up(self, table: ChartTable, arguments: ChartTitleArguments) -> ToolResult:
        """One line each; `none` where the chart says nothing."""
        facts = {
            "title": table.title,
            "x axis": table.x_axis,
            "y axis": table.y_axis,
            "unit": table.unit,
            "series": ", ".join(table.series) or None,
        }
        return ToolResult("\n".join(f"{name}: {value or 'none'}" for name, value in facts.items()), data=facts)
