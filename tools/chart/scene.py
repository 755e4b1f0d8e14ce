"""`ChartScene`: where on the picture a chart says what its table says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tools.chart.frame import Box
from tools.chart.table import ChartTable

Shape = Literal["bar", "point", "sector"]


@dataclass(frozen=True, slots=True)
class SceneText:
    """Some words of a chart and their middle, in pixels of the image."""

    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class SceneEntry:
    """A legend entry: series (or sector) name, colour as `#rrggbb`, middle of its marker in pixels."""

    name: str
    colour: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class SceneMark:
    """One number as it is drawn.

    Attributes:
        row, column: the table's cell: row of the label, column counted from the first series.
        shape: what is drawn; a point is a place on a line.
        colour: `#rrggbb`.
        box: in pixels of the image; of a sector: around its middle, halfway between centre and rim.
        start, sweep: first direction and opening of a sector in degrees, counter-clockwise, 0 to the right.
    """

    row: int
    column: int
    shape: Shape
    colour: str
    box: Box
    start: float = 0.0
    sweep: float = 0.0

    @property
    def x(self) -> float:
        """Middle of the box."""
        return (self.box[0] + self.box[2]) / 2

    @property
    def y(self) -> float:
        """Middle of the box."""
        return (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class ChartScene:
    """Attributes:
    table: what the chart says.
    size: width and height of the image in pixels.
    marks: one per number that is drawn.
    title: its lines.
    ticks: of the value axis.
    categories: labels of the category axis (empty for a pie).
    legend: entries in reading order.
    plot: box around the marks (the circle for a pie).
    """

    table: ChartTable
    size: tuple[int, int]
    marks: tuple[SceneMark, ...]
    title: tuple[SceneText, ...]
    ticks: tuple[SceneText, ...]
    categories: tuple[SceneText, ...]
    legend: tuple[SceneEntry, ...]
    plot: Box

    def cell(self, mark: SceneMark) -> tuple[str, str, str]:
        """Label, series name and number of a mark."""
        row = self.table.rows[mark.row]
        return row[0], self.table.columns[mark.column + 1], row[mark.column + 1]


def around(boxes: list[Box]) -> Box:
    """The smallest box around some boxes (at least one)."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
