"""`chart_to_table`: the data behind a bar, line or pie chart."""

from __future__ import annotations

from collections.abc import Sequence

from tools.chart.query import table_of
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image


class ChartToTableArguments(ImageArguments):
    """Arguments of `chart_to_table`: which image."""


@register_tool
class ChartToTable(Tool):
    """Geometry (OpenCV) and words (RapidOCR): printed values first, otherwise measured on the axis."""

    name = "chart_to_table"
    description = "Reads a bar, line or pie chart and returns its data as a table: one row per label, cells split by |."
    arguments = ChartToTableArguments
    aliases = ("chart2table",)
    version = "2"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One table per call."""
        return run_each(_read, calls)


def _read(call: ToolCall) -> ToolResult:
    arguments = ChartToTableArguments.model_validate(dict(call.arguments))
    table = table_of(selected_image(call, arguments))
    return ToolResult(text=table.text(), data=table.data())
