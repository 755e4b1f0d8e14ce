"""`LedgerLog`: an append-only file that shows, after any kill and resume, which tasks were trained on, and when.

One JSON line per consumed group: `iteration`, `attempt` (which process wrote it), `group_id`, `epoch`, `task_id`,
`skipped` (why it was not trained on; empty when it was). Lines of one iteration are written and synced together.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tools.errors import VistaError


class LedgerLogError(VistaError):
    """The log cannot be read or written, or a line is damaged. The message names the file."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One consumed group. `skipped` says why it was not trained on; empty when it was."""

    group_id: int
    epoch: int
    task_id: str
    skipped: str = ""


_FIELDS = {"iteration", "attempt", *(field.name for field in fields(LedgerEntry))}


class LedgerLog:
    """Writer of the audit log.

    Args:
        path: the file, `ledger.jsonl`; made on the first append. A line torn by a kill is cut off.
        attempt: id of this process's attempt at the run; random by default.

    Raises:
        LedgerLogError: the file is there but cannot be read, or is not such a log.
    """

    def __init__(self, path: str | Path, attempt: str | None = None) -> None:
        self.path = Path(path)
        self.attempt = attempt or uuid.uuid4().hex[:8]
        self._end = max((end for end, _ in _lines(self.path)), default=0)  # bytes of whole lines

    def append(self, iteration: int, entries: Sequence[LedgerEntry]) -> None:
        """Adds the lines of one iteration and syncs them to the disk.

        Raises:
            LedgerLogError: the disk is full, or the like; what was there before is kept.
        """
        head = {"iteration": iteration, "attempt": self.attempt}
        data = "".join(json.dumps(head | asdict(entry)) + "\n" for entry in entries).encode()
        self._write(self._end, data)
        self._end += len(data)

    def rewind(self, iteration: int) -> None:
        """Cuts off everything after `iteration`: the model of that iteration's checkpoint has not seen it.

        Raises:
            LedgerLogError: the file cannot be read or cut.
        """
        kept = [end for end, line in _lines(self.path) if line["iteration"] <= iteration]
        self._end = max(kept, default=0)
        if self.path.exists():
            self._write(self._end, b"")

    def _write(self, offset: int, data: bytes) -> None:
        """Ends the file at `offset`, then adds `data` there: a part left by a failed write is overwritten."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.truncate(offset)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise LedgerLogError(f"{self.path}: cannot write the ledger's log: {error}") from error


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What a log says of a run.

    Attributes:
        trained: groups trained on.
        skipped: groups consumed without training.
        iterations: the last iteration.
        epochs: epochs begun.
        attempts: attempt ids in the order they wrote; more than one after a resume.
        twice: tasks consumed more than once in an epoch, with their groups.
        lost: groups that were never consumed although later ones were. Ids are consecutive and every epoch has one per
            task, so with nothing in `twice` and `unknown` this is empty only if every finished epoch had every task.
        unknown: task ids that the data set does not have.
    """

    trained: int
    skipped: int
    iterations: int
    epochs: int
    attempts: tuple[str, ...]
    twice: tuple[str, ...]
    lost: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """No task lost, trained twice, or unknown."""
        return not (self.twice or self.lost or self.unknown)


def verify(path: str | Path, task_ids: Sequence[str], in_flight: Collection[int] = ()) -> LedgerReport:
    """Checks that no task was lost or consumed twice in an epoch.

    Args:
        path: the log.
        task_ids: all tasks of the data set.
        in_flight: group ids known to be still open (`Ledger.get_state()["open"]`), so not lost.

    Raises:
        LedgerLogError: no such file, or a damaged line.
    """
    if not Path(path).is_file():
        raise LedgerLogError(f"{path}: no such ledger log")
    lines = [line for _, line in _lines(Path(path))]
    seen: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for line in lines:
        seen[line["epoch"], line["task_id"]].append(line["group_id"])
    known = set(task_ids)
    last = max((line["group_id"] for line in lines), default=-1)
    missing = set(range(last + 1)).difference((line["group_id"] for line in lines), in_flight)
    return LedgerReport(
        trained=sum(not line["skipped"] for line in lines),
        skipped=sum(bool(line["skipped"]) for line in lines),
        iterations=max((line["iteration"] for line in lines), default=0),
        epochs=1 + max((line["epoch"] for line in lines), default=-1),
        attempts=tuple(dict.fromkeys(line["attempt"] for line in lines)),
        twice=tuple(f"epoch {e}: task {task!r}, groups {ids}" for (e, task), ids in seen.items() if len(ids) > 1),
        lost=tuple(f"epoch {group // len(task_ids)}: group {group}" for group in sorted(missing)),
        unknown=tuple(dict.fromkeys(line["task_id"] for line in lines if line["task_id"] not in known)),
    )


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every whole line with the offset of its end in bytes; a last line without its newline, torn, is left out."""
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise LedgerLogError(f"{path}: cannot read the ledger's log: {error}") from error
    end = 0
    for number, raw in enumerate(data.split(b"\n")[:-1], start=1):
        end += len(raw) + 1
        try:
            line = json.loads(raw)
        except ValueError as error:
            raise LedgerLogError(f"{path}: line {number} is not JSON: {error}") from error
        if not isinstance(line, dict) or not line.keys() >= _FIELDS:
            raise LedgerLogError(f"{path}: line {number} is not a ledger line: expected {sorted(_FIELDS)}")
        yield end, line
