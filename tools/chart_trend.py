"""`chart_trend`: how the series of a chart develop."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Any

from pydantic import Field

from tools.chart.query import chosen_points, in_time, written
from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool, blocks
from tools.errors import ToolInputError
from tools.registry import register_tool
from tools.tool import ImageArguments, ToolResult

CLEAR = Decimal("0.3")
"""Share by which rising pairs of numbers must outnumber falling ones (Kendall's tau) for a direction."""


class ChartTrendArguments(ImageArguments):
    """Arguments of `chart_trend`."""

    series: str = Field("", description="name of one series; default: all")


@register_tool
class ChartTrend(TableTool[ChartTrendArguments]):
    """Computed from the table that `chart_to_table` reads."""

    name = "chart_trend"
    description = "Tells how each series of a chart develops: direction, rises, falls, highest and lowest point."
    arguments = ChartTrendArguments
    aliases = ("ChartMoE.trend",)

    def look_up(self, table: ChartTable, arguments: ChartTrendArguments) -> ToolResult:
        """One block per series."""
        if table.type == "pie":
            raise ToolInputError("a pie shows shares, no development")
        found = {}
        for name, values in chosen_points(table, arguments.series).items():
            if len(values) > 1:
                found[name] = trend_of(in_time(values))
        if not found:
            raise ToolInputError("a trend needs at least two labels with numbers")
        return ToolResult(blocks(found), data=found)


def trend_of(values: Sequence[tuple[str, Decimal]]) -> dict[str, Any]:
    """The development of at least two labelled numbers in their order; ties go to the label that comes first."""
    steps = [(before, after, later - earlier) for (before, earlier), (after, later) in pairwise(values)]
    (first, start), (last, end) = values[0], values[-1]
    highest, lowest = max(values, key=lambda item: item[1]), min(values, key=lambda item: item[1])
    facts = {
        "direction": direction([number for _, number in values]),
        "from": f"{first} {written(start)}",
        "to": f"{last} {written(end)}",
        "change": _change(start, end),
        "rises": sum(step > 0 for *_, step in steps),
        "falls": sum(step < 0 for *_, step in steps),
        "highest": f"{highest[0]} {written(highest[1])}",
        "lowest": f"{lowest[0]} {written(lowest[1])}",
    }
    for name, (before, after, step) in (
        ("steepest rise", max(steps, key=lambda item: item[2])),
        ("steepest fall", min(steps, key=lambda item: item[2])),
    ):
        if (step > 0) if name == "steepest rise" else (step < 0):
            facts[name] = f"{before} to {after} {written(step)}"
    return facts


def direction(numbers: Sequence[Decimal]) -> str:
    """`rising`, `falling` (`steadily` when no step goes the other way), `flat`, or `mixed`."""
    signs = [(later > earlier) - (later < earlier) for earlier, later in combinations(numbers, 2)]
    if not any(signs):
        return "flat"
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    if all(step >= 0 for step in steps):
        return "steadily rising"
    if all(step <= 0 for step in steps):
        return "steadily falling"
    tau = Decimal(sum(signs)) / len(signs)
    return "rising" if tau >= CLEAR else "falling" if tau <= -CLEAR else "mixed"


def _change(start: Decimal, end: Decimal) -> str:
    share = f" ({written(round(100 * (end - start) / abs(start), 1))} %)" if start else ""
    return f"{written(end - start)}{share}"
