"""Looking things up in a chart's table: labels and series by approximate name, numbers as exact decimals."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import lru_cache

import numpy as np
from rapidfuzz import fuzz, process, utils

from tools.chart.reader import read_chart
from tools.chart.table import ChartTable
from tools.chart.text import read_words
from tools.errors import ToolInputError
from tools.image import Image

MIN_SCORE = 70
"""Similarity (0 to 100) below which a name does not mean a label of the chart."""


@lru_cache(maxsize=512)
def table_of(image: Image) -> ChartTable:
    """The chart's table, read once per process. Raises `ToolInputError` when the picture is no readable chart."""
    return read_chart(np.asarray(image.pil()), read_words(image))


def find_series(table: ChartTable, name: str) -> int:
    """Column of the series called `name`; the only one when `name` is empty.

    Raises:
        ToolInputError: several series and no name, or no such series.
    """
    series = table.columns[1:]
    if len(series) == 1:
        return 1
    if not name:
        raise ToolInputError(f"name one of the series: {', '.join(series)}")
    return 1 + _nearest(name, series, "series")


def find_row(table: ChartTable, label: str) -> tuple[str, ...]:
    """The row whose label is `label`, or most like it. Raises `ToolInputError` listing the labels."""
    return table.rows[_nearest(label, [row[0] for row in table.rows], "label")]


def numbers(table: ChartTable, column: int) -> dict[str, Decimal]:
    """Label to number, for the rows that have one. Raises `ToolInputError` when none has."""
    found = {}
    for row in table.rows:
        try:
            found[row[0]] = Decimal(row[column])
        except InvalidOperation:
            continue  # an empty cell: the chart shows no number there
    if not found:
        raise ToolInputError("the chart shows no numbers there")
    return found


def number_of(row: tuple[str, ...], column: int) -> Decimal:
    """The number in a row. Raises `ToolInputError` when the cell is empty."""
    try:
        return Decimal(row[column])
    except InvalidOperation:
        raise ToolInputError(f"{row[0]}: the chart shows no number there") from None


def written(number: Decimal) -> str:
    """Without exponent and trailing zeros."""
    return f"{number.normalize():f}"


def _nearest(name: str, choices: list[str] | tuple[str, ...], noun: str) -> int:
    exact = [index for index, choice in enumerate(choices) if choice.casefold() == name.strip().casefold()]
    if exact:
        return exact[0]
    best = process.extractOne(name, choices, scorer=fuzz.ratio, processor=utils.default_process, score_cutoff=MIN_SCORE)
    if best is None:
        raise ToolInputError(f"no {noun} {name!r}: there are {', '.join(choices)}")
    return int(best[2])
