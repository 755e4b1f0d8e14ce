"""Regrading: the logged answers under another grader. Needs neither a model nor the images."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from envs.grade import Mode
from envs.graders import get_grader
from envs.task import Task
from vista_rllib.trajectories.reader import iter_trajectories
from vista_rllib.trajectories.schema import TrajectoryLogError

REGRADE_SCHEMA = pa.schema(
    [
        ("episode_id", pa.string()),
        ("task_id", pa.string()),
        ("question", pa.string()),
        ("gold", pa.list_(pa.string())),
        ("answer", pa.string()),
        ("old_correct", pa.bool_()),
        ("new_correct", pa.bool_()),
        ("old_score", pa.float32()),
        ("new_score", pa.float32()),
        ("extracted", pa.string()),
        ("reason", pa.string()),
    ]
)
"""One row per graded episode; `old` is the log's verdict, `new` this grader's."""

_COLUMNS = ["episode_id", "task_id", "dataset", "question", "gold", "choices", "metadata", "turns", "grade", "faults"]


@dataclass(frozen=True, slots=True)
class Regrade:
    """Attributes:
    table: rows of `REGRADE_SCHEMA`.
    unanswered: episodes without an answer: wrong under any grader, so not in the table.
    voided: episodes left out because of a fault.
    """

    table: pa.Table
    unanswered: int
    voided: int

    @property
    def confusion(self) -> Counter[tuple[bool, bool]]:
        """How many answers got each (old, new) pair of verdicts."""
        old, new = (self.table.column(name).to_pylist() for name in ("old_correct", "new_correct"))
        return Counter(zip(old, new, strict=True))


def regrade(path: str | Path, grader: str, mode: Mode = "robust", **parameters: Any) -> Regrade:
    """Grades the last answer of every episode of the log at `path` again.

    Raises:
        TrajectoryLogError: there is no log.
        UnknownPluginError: no grader has that name.
        PluginConfigError: unknown mode or parameter.
        GradingError: an episode's task has no gold answer.
    """
    judge = get_grader(grader, mode, **parameters)
    rows, unanswered, voided = [], 0, 0
    for row in iter_trajectories(path, _COLUMNS):
        answer = next((turn["answer"] for turn in reversed(row["turns"]) if turn["answer"] is not None), None)
        if row["faults"]:
            voided += 1
        elif answer is None or row["grade"] is None:
            unanswered += 1
        else:
            gold = tuple(row["gold"])
            metadata = json.loads(row["metadata"])
            task = Task(
                row["task_id"],
                row["dataset"],
                row["question"],
                gold[0],
                answers=gold,
                choices=tuple(row["choices"]),
                metadata=metadata,
            )
            grade = judge(answer, task)
            rows.append(
                {
                    **{name: row[name] for name in ("episode_id", "task_id", "question", "gold")},
                    "answer": answer,
                    "old_correct": row["grade"]["correct"],
                    "new_correct": grade.correct,
                    "old_score": row["grade"]["score"],
                    "new_score": grade.score,
                    "extracted": grade.extracted,
                    "reason": grade.reason,
                }
            )
    return Regrade(pa.Table.from_pylist(rows, REGRADE_SCHEMA), unanswered, voided)


def save_regrade(result: Regrade, file: str | Path) -> Path:
    """Writes the table as Parquet. Raises `TrajectoryLogError` naming the file."""
    try:
        pq.write_table(result.table, file)
    except OSError as error:
        raise TrajectoryLogError(f"{file}: cannot be written: {error}") from error
    return Path(file)
