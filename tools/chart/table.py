"""`ChartTable`: what a chart says, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

ChartType = Literal["v_bar", "h_bar", "line", "pie", "unknown"]
"""`unknown`: read by a model that does not tell."""
_KINDS = {
    "v_bar": "vertical bar chart",
    "h_bar": "horizontal bar chart",
    "line": "line chart",
    "pie": "pie chart",
    "unknown": "chart",
}

LABEL = "Label"
"""Header of the first column when the chart names none."""
VALUE = "Value"
"""Header of a single series without a name."""


@dataclass(frozen=True)
class ChartTable:
    """Attributes:
    type: kind of chart.
    columns: header of the labels, then one name per series.
    rows: label, then one number per series as text; empty where there is none.
    title: the chart's title.
    unit: `%`, a currency sign, `K`, `M` or `B`, when the values carry one.
    x_axis, y_axis: axis titles.
    printed_values: whether the values were printed on the chart (otherwise they are measured).
    colours: series colours as `#rrggbb` (sector colours for a pie).
    """

    type: ChartType
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str | None = None
    unit: str | None = None
    x_axis: str | None = None
    y_axis: str | None = None
    printed_values: bool = True
    colours: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """Names of the series."""
        return self.columns[1:]

    @property
    def kind(self) -> str:
        """The chart's type in words."""
        return _KINDS[self.type]

    def text(self) -> str:
        """Title line, header, and one line per row; cells separated by ` | `."""
        lines = [f"Title: {self.title}"] if self.title else []
        lines += [" | ".join(row) for row in (self.columns, *self.rows)]
        return "\n".join(lines)

    def data(self) -> dict[str, Any]:
        """The table as JSON-compatible data."""
        return {
            "title": self.title,
            "type": self.type,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "unit": self.unit,
            "x_axis": self.x_axis,
            "y_axis": self.y_axis,
            "printed_values": self.printed_values,
            "colors": list(self.colours),
        }
