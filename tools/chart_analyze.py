"""`chart_analyze`: how the numbers of a chart are spread, and how its series stand to each other."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from itertools import combinations
from typing import Any

from pydantic import Field

from tools.chart.query import Points, chosen_points, written
from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool, blocks
from tools.registry import register_tool
from tools.tool import ImageArguments, ToolResult

FENCE = Decimal("1.5")
"""Quartile ranges beyond the quartiles from which a number stands out (Tukey, Exploratory Data Analysis, 1977)."""
MIN_FOR_QUARTILES = 5


class ChartAnalyzeArguments(ImageArguments):
    """Arguments of `chart_analyze`."""

    series: str = Field("", description="name of one series; default: all")


@register_tool
class ChartAnalyze(TableTool[ChartAnalyzeArguments]):
    """Computed from the table that `chart_to_table` reads."""

    name = "chart_analyze"
    description = "Analyses the numbers of a chart: median, spread, outliers, shares, and how the series compare."
    arguments = ChartAnalyzeArguments
    aliases = ("ChartMoE.analyze",)

    def look_up(self, table: ChartTable, arguments: ChartAnalyzeArguments) -> ToolResult:
        """One block per series; with several, one more about all of them."""
        values = chosen_points(table, arguments.series)
        found: dict[str, dict[str, Any]] = {name: spread(series) for name, series in values.items()}
        if len(values) > 1:
            found["between series"] = between({name: dict(series) for name, series in values.items()})
        return ToolResult(blocks(found), data=found)


def spread(values: Points) -> dict[str, str]:
    """Median, standard deviation (of the whole population), quartiles, outliers, and the top label's share."""
    numbers = [number for _, number in values]
    facts = {"median": _short(statistics.median(numbers)), "deviation": _short(statistics.pstdev(numbers))}
    if len(numbers) >= MIN_FOR_QUARTILES:
        low, _, high = statistics.quantiles(numbers, method="inclusive")
        reach = FENCE * (high - low)
        facts["quartiles"] = f"{_short(low)} {_short(high)}"
        facts["outliers"] = ", ".join(x for x, n in values if not low - reach <= n <= high + reach) or "none"
    total = sum(numbers, Decimal(0))
    if min(numbers) >= 0 and total > 0 and len(numbers) > 1:
        top, most = max(values, key=lambda item: item[1])
        facts["largest share"] = f"{top} {written(round(100 * most / total, 1))} %"
    return facts


def between(series: Mapping[str, Mapping[str, Decimal]]) -> dict[str, str]:
    """Which series is highest at how many labels, the widest gap, and how often each pair moves together."""
    leaders: Counter[str] = Counter()
    gaps = {}
    for label in dict.fromkeys(label for values in series.values() for label in values):
        here = {name: values[label] for name, values in series.items() if label in values}
        if len(here) > 1:
            top, bottom = max(here, key=lambda name: here[name]), min(here, key=lambda name: here[name])
            leaders[top] += 1
            gaps[label] = (here[top] - here[bottom], top, bottom)
    facts = {f"highest {name}": f"at {count} labels" for name, count in leaders.most_common()}
    if gaps:
        label, (gap, top, bottom) = max(gaps.items(), key=lambda item: item[1][0])
        facts["widest gap"] = f"{label} {written(gap)} ({top} above {bottom})"
    for one, other in combinations(series, 2):
        shared = [label for label in series[one] if label in series[other]]
        a, b = ([float(series[name][label]) for label in shared] for name in (one, other))
        if len(shared) > 2 and len(set(a)) > 1 and len(set(b)) > 1:
            facts[f"correlation {one} / {other}"] = f"{statistics.correlation(a, b):.2f}"
    return facts


def _short(number: Decimal) -> str:
    return written(round(number, 4))
