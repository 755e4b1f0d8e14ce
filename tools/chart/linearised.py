"""Tables as chart models write them: rows split by a mark, cells by `|` (or as CSV), perhaps a title line first."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence

from tools.chart.number import Number, parse_number
from tools.chart.table import LABEL, VALUE, ChartTable
from tools.errors import ToolInputError

_TITLE = re.compile(r"^\s*title\s*[|:]\s*(.*)$", re.IGNORECASE)
_RULE = re.compile(r"[\s|:\-]*-{3,}[\s|:\-]*")
"""The line under the header of a Markdown table."""


def parse_linearised(text: str, row_mark: str = "\n") -> ChartTable:
    """The table that a model wrote.

    Args:
        text: what it wrote: a header, then one row per label.
        row_mark: what it puts between rows, besides line breaks. Labels may contain it: where no cell follows, it
            belongs to the label.

    Raises:
        ToolInputError: there is no row with a number.
    """
    lines = [line for line in re.split(r"\n|<0x0A>", text) if not _RULE.fullmatch(line)]
    if row_mark != "\n":
        lines = [row for line in lines for row in _rows(line, row_mark)]
    lines = [line.strip() for line in lines if line.strip(" |\t\r")]
    title = None
    if lines and (found := _TITLE.match(lines[0])):
        title, lines = found[1].strip(" |") or None, lines[1:]
    cells = [_cells(line) for line in lines if "|" in line] or _csv(lines)  # what the model says besides is no row
    header, body = (cells[0], [row for row in cells[1:] if len(row) > 1]) if cells else ([], [])
    numbers = [[parse_number(cell) for cell in row[1:]] for row in body]
    known = [number for row in numbers for number in row if number is not None]
    if not known:
        raise ToolInputError("no chart with readable numbers was recognised in this image")
    width = max(len(row) for row in numbers)
    names = [name or f"Series {index}" for index, name in enumerate(header[1 : width + 1], 1)]
    names += [VALUE if width == 1 else f"Series {index}" for index in range(len(names) + 1, width + 1)]
    rows = [
        (row[0], *(_text(number) for number in found), *[""] * (width - len(found)))
        for row, found in zip(body, numbers, strict=True)
    ]
    units = Counter(number.unit for number in known if number.unit)
    return ChartTable(
        type="unknown",
        columns=(header[0] or LABEL, *names),
        rows=tuple(rows),
        title=title,
        unit=units.most_common(1)[0][0] if units else None,
    )


def _rows(line: str, mark: str) -> list[str]:
    rows, label = [], ""
    for part in line.split(mark):
        if "|" in part:
            rows.append(f"{label}{part}")
            label = ""
        elif part.strip():
            label += f"{part}{mark}"
    return rows


def _csv(lines: Sequence[str]) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in csv.reader(lines, skipinitialspace=True)]


def _cells(line: str) -> list[str]:
    """Cells without surrounding spaces; the outer bars of a Markdown row are no cells."""
    return [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]


def _text(number: Number | None) -> str:
    return number.text if number is not None else ""
