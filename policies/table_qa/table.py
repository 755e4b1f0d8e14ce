"""`Table`: a chart's rows and columns, from `chart_to_table`'s data or from its text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as they are written.

    Attributes:
        title: the chart's title, may be empty.
        columns: column names; the first one is the labels' own.
        rows: each a label and one cell per further column; missing cells are empty.
        unit: unit of the values, may be empty.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    unit: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Row labels."""
        return tuple(row[0] for row in self.rows)

    def number(self, row: int, column: int) -> float | None:
        """The cell's value, None where it has none."""
        return parse_number(self.rows[row][column])

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Table:
        """Reads `{"columns": [...], "rows": [[...]], "title": ..., "unit": ...}`."""
        columns = [_text(name) for name in data.get("columns") or ()]
        rows = [[_text(cell) for cell in row] for row in data.get("rows") or ()]
        return _rectangular(_text(data.get("title")), columns, rows, _text(data.get("unit")))


def parse_table(text: str) -> Table | None:
    """Reads a table as text: an optional `Title: ...` line, a header `label | series`, rows `a | 1 | 2`.

    Lines without a bar are not part of the table. None when there is no row.
    """
    title = unit = ""
    lines: list[list[str]] = []
    for line in text.splitlines():
        if line.lower().startswith("title:") and not lines:
            title = line.split(":", 1)[1].strip()
        elif line.lower().startswith("unit:"):
            unit = line.split(":", 1)[1].strip()
        elif "|" in line:
            lines.append([cell.strip() for cell in line.split("|")])
    if len(lines) < 2:
        return None
    return _rectangular(title, lines[0], lines[1:], unit)


_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9, "trillion": 1e12}
_NUMBER = re.compile(r"([-+−–]?)\s*[$€£¥]?\s*(\d[\d,\s ]*(?:\.\d+)?|\.\d+)\s*(%|[A-Za-z]+)?\*?")


def parse_number(cell: str) -> float | None:
    """The value of a cell such as `4,608,848`, `-3%`, `$1.2 million`; None when it is no number."""
    match = _NUMBER.fullmatch(cell.strip())
    if match is None or (match[3] and match[3] != "%" and match[3].lower() not in _SCALES):
        return None
    value = float(re.sub(r"[,\s]", "", match[2])) * _SCALES.get((match[3] or "").lower(), 1.0)
    return -value if match[1] in ("-", "−", "–") else value


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.10g}"
    return " ".join(str(cell).replace("|", "/").split())


def _repaired(labels: Sequence[str]) -> Sequence[str]:
    """Years that were read run together or left out, one to a row: `['', '2004 2005', '2006']` has one for each."""
    years = re.findall(r"(?:19|20)\d\d", " ".join(labels))
    rest = re.sub(r"(?:19|20)\d\d[*\s]*", "", "".join(labels)).strip()
    if rest or all(labels) or not years:
        return labels
    if len(years) >= len(labels):
        return years[-len(labels) :]
    step = {int(label) - row for row, label in enumerate(labels) if label.isdigit()}
    plain = all(not label or len(label) == 4 for label in labels)
    return [str(min(step) + row) for row in range(len(labels))] if plain and len(step) == 1 else labels


def _rectangular(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], unit: str) -> Table:
    width = max([2, len(columns), *map(len, rows)])
    names = [*columns, *[""] * (width - len(columns))]
    labels = _repaired([row[0] for row in rows if row])
    cells = [row[1:] for row in rows if row]
    filled = ((label, *row, *[""] * (width - 1 - len(row))) for label, row in zip(labels, cells, strict=True))
    return Table(title, tuple(names), tuple(filled), unit)
