"""`chart_summarize`: a whole chart in a few lines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tools.chart.query import chosen_points, written
from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool
from tools.registry import register_tool
from tools.tool import ImageArguments, ToolResult


class ChartSummarizeArguments(ImageArguments):
    """Arguments of `chart_summarize`: which image."""


@register_tool
class ChartSummarize(TableTool[ChartSummarizeArguments]):
    """Computed from the table that `chart_to_table` reads."""

    name = "chart_summarize"
    description = "Sums a chart up: kind, labels, series, and total, mean, highest and lowest number of each series."
    arguments = ChartSummarizeArguments
    aliases = ("ChartMoE.summarize",)

    def look_up(self, table: ChartTable, arguments: ChartSummarizeArguments) -> ToolResult:
        """What the chart shows, one line per series, and the highest and lowest number of all."""
        labels = [row[0] for row in table.rows]
        facts: dict[str, Any] = {
            "kind": table.kind,
            "title": table.title or "none",
            "labels": f"{len(labels)}, {labels[0]} to {labels[-1]}" if len(labels) > 1 else f"1, {labels[0]}",
            "series": f"{len(table.series)}, {', '.join(table.series)}",
        }
        if table.unit:
            facts["unit"] = table.unit
        numbers: list[tuple[Decimal, str]] = []
        for name, values in chosen_points(table).items():
            total = sum((number for _, number in values), Decimal(0))
            high, low = max(values, key=lambda item: item[1]), min(values, key=lambda item: item[1])
            mean = written(round(total / len(values), 4))
            ends = f"highest {high[0]} {written(high[1])}, lowest {low[0]} {written(low[1])}"
            facts[f"{name}:"] = f"total {written(total)}, mean {mean}, {ends}"
            numbers += [(number, f"{label} {name} {written(number)}") for label, number in values]
        if len(table.series) > 1:
            facts["highest of all"] = max(numbers, key=lambda item: item[0])[1]
            facts["lowest of all"] = min(numbers, key=lambda item: item[0])[1]
        return ToolResult("\n".join(f"{key} {value}" for key, value in facts.items()), data=facts)
