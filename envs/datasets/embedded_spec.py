"""`ChartSpec`: a small table and how it is drawn. Everything of the embedded set is computed from printed numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

Kind = Literal["v_bar", "h_bar", "line", "pie"]
"""ChartQA's own names of chart types."""
MAX_LABEL = 14
"""Characters in a row label or series name: longer ones do not fit beside each other at a readable size."""
TEMPORAL = frozenset({"year", "month", "date", "hour", "period"})


@dataclass(frozen=True)
class ChartSpec:
    """Attributes:
    kind: chart type.
    title: printed above the chart.
    measure: what the numbers are, as it is put in a question, `average price`.
    category: (singular, plural) of what a row is, `("year", "years")`.
    labels: row labels, distinct.
    series: series names; one name, equal to `measure`, for a single series.
    values: printed numbers, `values[series][row]`.
    decimals: digits printed after the point, the same for the whole table.
    source: the public table it comes from, `cars`.
    style: seed of colours, grid and axis.
    labelled: whether every mark carries its number.
    """

    kind: Kind
    title: str
    measure: str
    category: tuple[str, str]
    labels: tuple[str, ...]
    series: tuple[str, ...]
    values: tuple[tuple[Decimal, ...], ...]
    decimals: int
    source: str
    style: int = 0
    labelled: bool = True

    @property
    def temporal(self) -> bool:
        """Whether rows are points in time (asked about with `in`, drawn in order)."""
        return self.category[0] in TEMPORAL

    def text(self, value: Decimal) -> str:
        """A number as it is printed."""
        return f"{value:.{self.decimals}f}"

    @property
    def table(self) -> dict[str, Any]:
        """The printed table, `{"columns": [...], "rows": [[...]]}`, cells as text."""
        rows = [[name, *(self.text(column[i]) for column in self.values)] for i, name in enumerate(self.labels)]
        return {"columns": [self.category[0].capitalize(), *self.series], "rows": rows}

    @cached_property
    def cells(self) -> frozenset[tuple[str, str]]:
        """(row label, printed number) pairs: two tables that share many of them are the same data."""
        return frozenset((row[0], cell) for row in self.table["rows"] for cell in row[1:])


def decimals_for(values: Iterable[float]) -> int:
    """Digits after the point so that the largest number has at most four significant digits; 0 for whole numbers."""
    numbers = list(values)
    if all(float(value).is_integer() for value in numbers):
        return 0
    magnitude = math.floor(math.log10(max(abs(v) for v in numbers) or 1))
    return 0 if magnitude >= 3 else 1 if magnitude >= 1 else 2


def printed(value: float, decimals: int) -> Decimal:
    """`value` rounded as printed (numbers in halves to even, like `format`)."""
    return Decimal(f"{value:.{decimals}f}")
