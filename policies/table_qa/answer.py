"""`answer_from_table`: rule-based answers to questions about a chart's table, with the cells they rest on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from policies.table_qa.cues import Cues, read_cues
from policies.table_qa.match import Match, date_key, find_labels, is_date, tokens, years_in
from policies.table_qa.table import Table, parse_number
from tools.calculator import calculate
from tools.errors import ToolInputError

Kind = Literal[
    "retrieve", "lookup", "argmax", "argmin", "max", "min", "count", "difference", "sum", "average", "ratio", "share",
    "yes_no", "none",
]  # fmt: skip
MAX_LISTED = 12
"""Rows written out in a rationale."""
_SURE = 0.85
_REST = re.compile(r"(?i)(?:all )?others\*?|total\*?|rest of .*|(?:world|global)(?:wide)?|average|")
"""Labels that are no item: they are never the highest or the lowest."""
_PLACES = {1: "", 2: "second ", 3: "third ", 4: "fourth ", 5: "fifth "}


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """Attributes:
    kind: what was done.
    evidence: (label, cell) pairs that the answer rests on, as they stand in the table.
    rationale: the evidence and the step from it to the answer, as one short line.
    expression: what to compute, for the calculator; None where nothing is computed.
    answer: None when the table does not answer the question.
    """

    kind: Kind
    evidence: tuple[tuple[str, str], ...] = ()
    rationale: str = ""
    expression: str | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    label: str
    cell: str
    value: float

    @property
    def pair(self) -> tuple[str, str]:
        return self.label, self.cell

    @property
    def plain(self) -> str:
        """The value as the calculator reads it."""
        return f"{self.value:.15g}"


def answer_from_table(question: str, table: Mapping[str, Any] | Table) -> TableAnswer:
    """The best answer.

    Args:
        question: an English question about the chart.
        table: `chart_to_table`'s data (`title`, `columns`, `rows`, `unit`), or a parsed table.
    """
    found = candidates(question, table)
    return found[0] if found else TableAnswer("none")


def candidates(question: str, table: Mapping[str, Any] | Table) -> list[TableAnswer]:
    """Different answers, best first; empty when the table has no rows."""
    table = table if isinstance(table, Table) else Table.from_data(table)
    if not table.rows:
        return []
    found: dict[str, TableAnswer] = {}
    for answer in _Reading(question, table).answers():
        if answer is not None and answer.answer:
            found.setdefault(answer.answer, answer)
    return list(found.values())


class _Reading:
    """One question beside one table."""

    def __init__(self, question: str, table: Table) -> None:
        self.table = table
        self.cues: Cues = read_cues(question)
        self.rows: list[Match] = find_labels(question, table.labels)
        self.words = tokens(question)
        self.years = set(years_in(question))
        self.columns: list[Match] = find_labels(question, table.columns[1:])
        self.dated = _mostly_dates(table.labels)
        self.dated_columns = _mostly_dates(table.columns[1:])

    def answers(self) -> list[TableAnswer | None]:
        """Possible answers, best first; the later ones are for a second attempt."""
        cues = self.cues
        match cues.aim:
            case "yes_no":
                return self._yes_no()
            case "count":
                return [self._count(), self._count(of_columns=True)]
            case "difference" | "ratio" | "sum" | "average" | "share":
                return [self._computed(cues.aim), *self._retrieved()]
            case "label":
                return self._labels()
            case "label_or_value":
                named = len(self.rows) == 1 and self._is_given(self.rows[0])
                return [*self._retrieved(), *self._labels()] if named else self._labels()
        if cues.change and len(self._operands()) == 2 and not self._whole_period():
            return [self._computed("difference"), *self._retrieved()]
        if cues.rank and not self.rows and len(self.table.rows) > 1:
            return [self._extreme(cues.rank, of_value=True), *self._retrieved()]
        return self._retrieved()

    # Which cells.

    def _column_order(self) -> list[int]:
        """Value columns, the one that is meant first."""
        order = [match.index + 1 for match in self.columns]
        rest = [column for column in range(1, len(self.table.columns)) if column not in order]
        if self.dated_columns:
            rest.sort(key=lambda column: date_key(self.table.columns[column]), reverse=True)
        return order + rest

    def _row_order(self) -> list[int]:
        """Rows, the one that is meant first: named ones, then by date (latest first) or as they stand."""
        order = [match.index for match in self.rows]
        rest = [row for row in range(len(self.table.rows)) if row not in order]
        if self.years and not order:  # a longer label that holds the year
            rest.sort(key=lambda row: not self.years & set(years_in(self.table.labels[row])))
            if self.years & set(years_in(self.table.labels[rest[0]])):
                return rest
        if self.dated:
            rest.sort(key=lambda row: date_key(self.table.labels[row]), reverse=True)
            if self.cues.previous and not order and len(rest) > 1:
                rest[:2] = rest[1::-1]
        return order + rest

    def _entry(self, row: int, column: int, label: str | None = None) -> _Entry | None:
        cell = self.table.rows[row][column]
        value = parse_number(cell)
        return None if value is None else _Entry(self.table.labels[row] if label is None else label, cell, value)

    def _row_entries(self, column: int) -> list[_Entry]:
        return [entry for row in range(len(self.table.rows)) if (entry := self._entry(row, column))]

    def _column_entries(self, row: int) -> list[_Entry]:
        names = self.table.columns
        return [entry for column in range(1, len(names)) if (entry := self._entry(row, column, names[column]))]

    def _entries(self) -> list[_Entry]:
        """The cells among which an extreme is looked for: one column, or one row when its columns are the items."""
        across = len(self.table.columns) > 2 and self.dated and not self.cues.when and not self.columns
        if across:
            return self._column_entries(self._row_order()[0])
        return self._row_entries(self._column_order()[0])

    def _operands(self) -> list[_Entry]:
        """Cells of the rows, or else of the columns, that the question surely names, in its order."""
        rows = sorted((match for match in self.rows if match.coverage >= _SURE), key=lambda match: match.position)
        columns = sorted((match for match in self.columns if match.coverage >= _SURE), key=lambda match: match.position)
        if len(rows) < 2 <= len(columns):
            row, names = self._row_order()[0], self.table.columns
            found = [self._entry(row, match.index + 1, names[match.index + 1]) for match in columns]
        else:
            column = self._column_order()[0]
            found = [self._entry(match.index, column) for match in rows]
        return [entry for entry in found if entry is not None]

    def _is_given(self, match: Match) -> bool:
        """Whether the question is about this row (`for Setosa`, a date), not about all rows in a place of its name."""
        before = self.words[match.position - 1] if match.position else ""
        return match.coverage >= _SURE and (before in ("for", "of") or is_date(self.table.labels[match.index]))

    def _whole_period(self) -> bool:
        """Whether one row's label is itself a period with a beginning and an end."""
        return bool(self.rows) and len(self.rows[0].tokens) > 1 and self.rows[0].weight > self.rows[1].weight

    # Answers.

    def _retrieved(self) -> list[TableAnswer | None]:
        columns, rows = self._column_order(), self._row_order()
        order = [(rows[0], columns[0]), *((row, columns[0]) for row in rows[1:3]), *((rows[0], c) for c in columns[1:])]
        return [self._retrieve(row, column) for row, column in order]

    def _retrieve(self, row: int, column: int) -> TableAnswer | None:
        entry = self._entry(row, column)
        if entry is None:
            return None
        answer = entry.cell.lstrip("-−–") if self.cues.magnitude else entry.cell
        return TableAnswer("retrieve", (entry.pair,), _listed([entry]), None, answer)

    def _labels(self) -> list[TableAnswer | None]:
        extreme = [self._extreme(self.cues.rank or 1), self._extreme((self.cues.rank or 1) + 1)]
        if len(self.rows) >= 2 and self.cues.rank and len(self._operands()) >= 2:
            return [self._extreme(self.cues.rank, self._operands()), *extreme]
        if (found := self._lookup()) and not (abs(self.cues.rank) > 1):
            return [found, *extreme]
        if self.cues.when and not self.cues.rank:
            ends = sorted(range(len(self.table.rows)), key=lambda row: date_key(self.table.labels[row]))
            ends = ends if self.cues.begin else ends[::-1]
            return [self._label(row) for row in ends[:2]] + extreme
        return extreme

    def _label(self, row: int) -> TableAnswer | None:
        entry = self._entry(row, self._column_order()[0])
        return None if entry is None else TableAnswer("lookup", (entry.pair,), _listed([entry]), None, entry.label)

    def _lookup(self) -> TableAnswer | None:
        """The label of the cell that holds a number given in the question."""
        columns = [match.index + 1 for match in self.columns] or list(range(1, len(self.table.columns)))
        rows = [match.index for match in self.rows] or list(range(len(self.table.rows)))
        items_across = self.dated and not self.cues.when and len(self.table.columns) > 2
        transposed = len(rows) < len(self.table.rows) or items_across
        best: tuple[float, _Entry] | None = None
        for row in rows:
            for column in columns:
                entry = self._entry(row, column, self.table.columns[column] if transposed else None)
                distance = (
                    min((_distance(entry, number) for number in self.cues.numbers), default=1.0) if entry else 1.0
                )
                if entry and distance <= 0.02 and (best is None or distance < best[0]):
                    best = (distance, entry)
        if best is None:
            return None
        return TableAnswer("lookup", (best[1].pair,), _listed([best[1]]), None, best[1].label)

    def _extreme(self, rank: int, entries: list[_Entry] | None = None, of_value: bool = False) -> TableAnswer | None:
        entries = self._entries() if entries is None else entries
        ordered = sorted(entries, key=lambda entry: entry.value, reverse=rank > 0)
        if not of_value:
            ordered = [e for e in ordered if not _is_rest(e.label, len(entries))] or ordered
        if abs(rank) > len(ordered):
            return None
        chosen = ordered[abs(rank) - 1]
        listed = entries if len(entries) <= MAX_LISTED else ordered[: abs(rank)]
        place = f"{_PLACES.get(abs(rank), f'{abs(rank)}th ')}{'highest' if rank > 0 else 'lowest'}"
        kind: Kind = ("max" if rank > 0 else "min") if of_value else ("argmax" if rank > 0 else "argmin")
        answer = chosen.cell if of_value else chosen.label
        return TableAnswer(kind, tuple(e.pair for e in listed), f"{_listed(listed)}: {place} {answer}", None, answer)

    def _yes_no(self) -> list[TableAnswer | None]:
        operands, limit = self._operands(), self.cues.limit
        if len(operands) >= 2:
            left, right = operands[:2]
            holds = left.value < right.value if self.cues.less else left.value > right.value
            sign = "<" if left.value < right.value else ">" if left.value > right.value else "="
            return _either(operands[:2], f"{left.plain} {sign} {right.plain}", holds)
        if limit is not None and (entry := self._entry(self._row_order()[0], self._column_order()[0])):
            bound = float(limit[1])
            holds = entry.value > bound if limit[0] == "above" else entry.value < bound
            sign = "<" if entry.value < bound else ">" if entry.value > bound else "="
            return _either([entry], f"{entry.plain} {sign} {limit[1]}", holds)
        return []

    def _count(self, of_columns: bool = False) -> TableAnswer | None:
        entries = self._row_entries(self._column_order()[0])
        if of_columns:
            names = [(name, "") for name in self.table.columns[1:]]
        elif self.cues.limit is not None:
            side, limit = self.cues.limit
            kept = [e for e in entries if (e.value > float(limit) if side == "above" else e.value < float(limit))]
            listed = ", ".join(f"{i} {e.label} | {e.cell}" for i, e in enumerate(kept, 1)) or f"none {side} {limit}"
            return TableAnswer("count", tuple(e.pair for e in kept), listed, None, str(len(kept)))
        else:
            names = [(row[0], row[1]) for row in self.table.rows]
        listed = ", ".join(f"{i} {name}" for i, (name, _) in enumerate(names, 1))
        return TableAnswer("count", tuple(names), listed, None, str(len(names)))

    def _computed(self, kind: Kind) -> TableAnswer | None:
        operands = self._operands()
        if len(operands) < 2:
            operands = self._row_entries(self._column_order()[0])
            if kind in ("difference", "ratio"):
                ordered = sorted(operands, key=lambda entry: -entry.value)
                operands = [ordered[0], ordered[-1]] if len(ordered) > 1 else []
        if len(operands) < 2 or len(operands) > MAX_LISTED:
            return None
        expression = self._expression(kind, operands)
        try:
            result = calculate(expression)
        except ToolInputError:
            return None  # a division by zero: the table cannot answer it
        return TableAnswer(kind, tuple(e.pair for e in operands), _listed(operands), expression, result)

    def _expression(self, kind: Kind, operands: list[_Entry]) -> str:
        plain = [entry.plain for entry in operands]
        match kind:
            case "difference":
                high, low = sorted(operands[:2], key=lambda entry: -entry.value)
                return f"{high.plain} - {f'({low.plain})' if low.value < 0 else low.plain}"
            case "ratio":
                return f"{plain[0]} / {plain[1]}"
            case "share":
                return f"{plain[0]} / ({' + '.join(plain)}) * 100"
            case "average":
                return f"({' + '.join(plain)}) / {len(plain)}"
        return " + ".join(plain)


def _is_rest(label: str, num_rows: int) -> bool:
    """In a long list `Other` is what is left over; in a short one it is a class like the rest."""
    return bool(_REST.fullmatch(label.strip())) or (num_rows > 8 and label.strip().lower() == "other")


def _mostly_dates(labels: Sequence[str]) -> bool:
    named = [label for label in labels if label]
    return 2 * sum(map(is_date, named)) > len(named)


def _listed(entries: list[_Entry]) -> str:
    return ", ".join(f"{entry.label} | {entry.cell}" for entry in entries)


def _distance(entry: _Entry, number: tuple[float, float]) -> float:
    """Relative distance of a cell from a number of the question, in whichever thousands the chart counts."""
    plain, scaled = number
    wanted = {plain} | {scaled / unit for unit in (1.0, 1e3, 1e6, 1e9)} if scaled != plain else {plain}
    return min(abs(abs(entry.value) - value) / max(value, 1e-9) for value in wanted)


def _either(entries: list[_Entry], step: str, holds: bool) -> list[TableAnswer | None]:
    evidence, rationale = tuple(entry.pair for entry in entries), f"{_listed(entries)}: {step}"
    words = ("Yes", "No") if holds else ("No", "Yes")
    return [TableAnswer("yes_no", evidence, rationale, None, word) for word in words]
