"""`chart_describe`: statistics of a chart."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pydantic import Field

from tools.chart.query import find_series, numbers, written
from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool
from tools.registry import register_tool
from tools.tool import ImageArguments, ToolResult


class ChartDescribeArguments(ImageArguments):
    """Arguments of `chart_describe`."""

    series: str = Field("", description="name of the series, when the chart has several")


@register_tool
class ChartDescribe(TableTool[ChartDescribeArguments]):
    """Computed from the table that `chart_to_table` reads."""

    name = "chart_describe"
    description = "Counts the entries of a chart and names the highest, second and lowest."
    arguments = ChartDescribeArguments
    aliases = ("ChartMoE.describe", "ChartMoE.to_text")
    version = "2"

    def look_up(self, table: ChartTable, arguments: ChartDescribeArguments) -> ToolResult:
        """Entries, highest, second, lowest, range, sum and mean."""
        return described(numbers(table, find_series(table, arguments.series)))


def described(values: Mapping[str, Decimal]) -> ToolResult:
    """The result for labels and their numbers; ties go to the label that comes first."""
    falling = sorted(values, key=lambda label: -values[label])
    total = sum(values.values(), Decimal(0))
    facts = {
        "entries": str(len(values)),
        "highest": falling[0],
        "second": falling[min(1, len(falling) - 1)],
        "lowest": falling[-1],
        "range": written(values[falling[0]] - values[falling[-1]]),
        "sum": written(total),
        "mean": written(round(total / len(values), 4)),
    }
    return ToolResult("\n".join(f"{name} {value}" for name, value in facts.items()), data=facts)
