"""`ProgressLog`: one row of metrics per iteration, as JSON lines, CSV and TensorBoard."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tensorboardX import SummaryWriter

from vista_rllib.run.files import plain, write_text

Row = dict[str, Any]
ITERATION = "training_iteration"
SKIPPED = ("config", "hist_stats", "node_ip", "hostname", "pid", "trial_id", "done")
"""Parts of an RLlib result that are no metrics."""


class Sink(Protocol):
    """A further place that rows go to, such as Weights & Biases."""

    def write(self, row: Row) -> None:
        """Takes one row."""

    def close(self) -> None:
        """Flushes and ends."""


def flatten(result: Mapping[str, Any]) -> Row:
    """Numbers and strings of an RLlib result dict, nested keys joined by `/`, numpy numbers as Python's."""
    return dict(_flat(result, ""))


def _flat(result: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in result.items():
        if not prefix and key in SKIPPED:
            continue
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}/")
        elif isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
            yield name, value.item()
        elif isinstance(value, bool | int | float | str):
            yield name, value


class ProgressLog:
    """The rows of a run. `rows` holds those of earlier processes too.

    `result.json` is the truth; `progress.csv` is written from it whenever a column appears.
    """

    def __init__(self, folder: Path, *, until: int = 0, sinks: Sequence[Sink] = ()) -> None:
        """Opens the log, dropping rows after iteration `until` (they will be made again) and a torn last line."""
        self._json, self._csv = folder / "result.json", folder / "progress.csv"
        self.rows: list[Row] = [row for row in read_rows(self._json) if row[ITERATION] <= until]
        write_text(self._json, "".join(json.dumps(row, default=plain) + "\n" for row in self.rows))
        self._columns: list[str] = []
        self._write_csv()
        self._board = SummaryWriter(str(folder), purge_step=until + 1 if until else None)
        self._sinks = sinks

    def write(self, row: Row) -> None:
        """Appends one row everywhere."""
        self.rows.append(row)
        with self._json.open("a") as file:
            file.write(json.dumps(row, default=plain) + "\n")
        if row.keys() - set(self._columns):
            self._write_csv()
        else:
            with self._csv.open("a", newline="") as file:
                csv.DictWriter(file, self._columns).writerow(row)
        for key, value in row.items():
            if isinstance(value, int | float) and math.isfinite(value):
                self._board.add_scalar(key, value, global_step=row[ITERATION])
        self._board.flush()
        for sink in self._sinks:
            sink.write(row)

    def close(self) -> None:
        """Flushes TensorBoard and the sinks."""
        self._board.close()
        for sink in self._sinks:
            sink.close()

    def _write_csv(self) -> None:
        self._columns = list(dict.fromkeys(key for row in self.rows for key in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns)
        if self._columns:
            writer.writeheader()
        writer.writerows(self.rows)
        write_text(self._csv, text.getvalue())


def read_rows(path: Path) -> list[Row]:
    """Rows of a `result.json`; a line torn by a killed process ends the file."""
    rows: list[Row] = []
    if path.is_file():
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return rows
