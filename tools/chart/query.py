"""Looking things up in a chart's table: labels and series by approximate name, numbers as exact decimals."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from rapidfuzz import fuzz, process, utils

from tools.chart.number import parse_number
from tools.chart.reader import read_scene
from tools.chart.scene import ChartScene
from tools.chart.table import ChartTable
from tools.chart.text import read_words
from tools.errors import ToolInputError
from tools.image import Image

MIN_SCORE = 70
"""Similarity (0 to 100) below which a name does not mean a label of the chart."""
MAX_LISTED, MAX_SHOWN = 24, 60
"""An error message lists so many names, and so many characters of each."""

Points: TypeAlias = list[tuple[str, Decimal]]
"""Labels and their numbers, in order."""


@lru_cache(maxsize=512)
def scene_of(image: Image) -> ChartScene:
    """The chart, read once per process. Raises `ToolInputError` when the picture is no readable chart."""
    return read_scene(np.asarray(image.pil()), read_words(image))


def table_of(image: Image) -> ChartTable:
    """The chart's table. Raises `ToolInputError` when the picture is no readable chart."""
    return scene_of(image).table


def chosen_points(table: ChartTable, name: str = "") -> dict[str, Points]:
    """Labels and numbers of the series called `name`; of all series that have numbers when `name` is empty.

    Raises:
        ToolInputError: no such series, or no numbers.
    """
    columns = [find_series(table, name)] if name else range(1, len(table.columns))
    found = {table.columns[column]: points(table, column) for column in columns}
    shown = {series: values for series, values in found.items() if values}
    if not shown:
        raise ToolInputError("the chart shows no numbers there")
    return shown


def find_series(table: ChartTable, name: str) -> int:
    """Column of the series called `name`; the only one when `name` is empty.

    Raises:
        ToolInputError: several series and no name, or no such series.
    """
    series = table.columns[1:]
    if len(series) == 1:
        return 1
    if not name:
        raise ToolInputError(f"name one of the series: {_listed(series)}")
    return 1 + _nearest(name, series, "series")


def find_row(table: ChartTable, label: str) -> tuple[str, ...]:
    """The row whose label is `label`, or most like it. Raises `ToolInputError` listing the labels."""
    return table.rows[_nearest(label, [row[0] for row in table.rows], "label")]


def points(table: ChartTable, column: int) -> Points:
    """Labels and numbers in the table's order, without the rows whose cell is empty."""
    found = []
    for row in table.rows:
        try:
            found.append((row[0], Decimal(row[column])))
        except InvalidOperation:
            continue  # an empty cell: the chart shows no number there
    return found


def numbers(table: ChartTable, column: int) -> dict[str, Decimal]:
    """Label to number, for the rows that have one. Raises `ToolInputError` when none has."""
    found = dict(points(table, column))
    if not found:
        raise ToolInputError("the chart shows no numbers there")
    return found


def in_time(values: Points) -> Points:
    """From early to late: turned round where the labels are falling numbers (years, newest first)."""
    places = [parse_number(label) for label, _ in values]
    known = [place.value for place in places if place is not None]
    falling = len(known) == len(values) and all(later < earlier for earlier, later in pairwise(known))
    return values[::-1] if falling else values


def number_of(row: tuple[str, ...], column: int) -> Decimal:
    """The number in a row. Raises `ToolInputError` when the cell is empty."""
    try:
        return Decimal(row[column])
    except InvalidOperation:
        raise ToolInputError(f"{row[0]}: the chart shows no number there") from None


def written(number: Decimal) -> str:
    """Without exponent and trailing zeros."""
    return f"{number.normalize():f}"


def _listed(names: Sequence[str]) -> str:
    shown = [name[:MAX_SHOWN] for name in names[:MAX_LISTED]]
    more = [f"{len(names) - len(shown)} more"] if len(names) > len(shown) else []
    return ", ".join([*shown, *more])


def _nearest(name: str, choices: list[str] | tuple[str, ...], noun: str) -> int:
    exact = [index for index, choice in enumerate(choices) if choice.casefold() == name.strip().casefold()]
    if exact:
        return exact[0]
    best = process.extractOne(name, choices, scorer=fuzz.ratio, processor=utils.default_process, score_cutoff=MIN_SCORE)
    if best is None:
        raise ToolInputError(f"no {noun} {name[:MAX_SHOWN]!r}: there are {_listed(choices)}")
    return int(best[2])
