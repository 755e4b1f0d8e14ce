"""`LiveTable`: one line per iteration, readable in a terminal, a pipe and a log file alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from vista_rllib.run.columns import COLUMNS, Column

HEADER_EVERY = 20


class LiveTable:
    """Prints a row as soon as it is there. The header comes again every 20 rows and when a column appears."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._columns: list[Column] = []
        self._rows = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Prints one row; metrics that no row has had take no space."""
        columns = [column for column in COLUMNS if column in self._columns or column.value(row) is not None]
        if columns != self._columns or self._rows % HEADER_EVERY == 0:
            self._columns = columns
            self._line("  ".join(f"{column.title:>{column.width}}" for column in columns), "bold")
        self._rows += 1
        self._line("  ".join(_cell(column, row) for column in columns), "")

    def _line(self, text: str, style: str) -> None:
        # A table line is never folded: a terminal that is too narrow cuts it, a pipe gets it whole.
        fit = self._console.is_terminal
        self._console.print(Text(text, style=style), no_wrap=True, overflow="crop" if fit else "ignore", crop=fit)


def _cell(column: Column, row: Mapping[str, Any]) -> str:
    value = column.value(row)
    return f"{'–' if value is None else format(value, column.form):>{column.width}}"
