"""A *task set* on disk: `tasks.parquet`, `images.parquet` (each image once) and `report.json` in one folder.

`TaskSetWriter` streams into a hidden sibling folder and renames it at the end, so a half-written set never has the
final name. `TaskSet` gives tasks by id in constant time; image bytes are read only when somebody looks at them.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envs.datasets.image_file import IMAGES_FILE, ImageFile
from envs.datasets.task_set_error import TaskSetError
from envs.task import TASK_SCHEMA, Task
from tools.image import Image

TASKS_FILE = "tasks.parquet"
REPORT_FILE = "report.json"
RECENT_TASKS = 512
"""Tasks kept alive, so that the episodes of one group do not read the same image again."""


class TaskSet:
    """Tasks of one folder, or a selection of them, in a stable order. Pickles as its path and selection.

    Attributes:
        path: the folder.
        ids: the selected tasks' ids, in order.
    """

    def __init__(self, path: Path, table: pa.Table, rows: np.ndarray, images: ImageFile) -> None:
        """Use `TaskSet.open`. `rows` (int64) are the selected rows of `table`."""
        self.path = path
        self._table, self._rows, self._images = table, rows, images
        self.ids: tuple[str, ...] = tuple(table.column("id").take(pa.array(rows)).to_pylist())
        self._row_of = dict(zip(self.ids, rows.tolist(), strict=True))
        self._columns = [table.column(name) for name in TASK_SCHEMA.names]
        self._recent: OrderedDict[int, Task] = OrderedDict()

    @classmethod
    def open(cls, path: str | Path, split: str | None = None) -> TaskSet:
        """Opens a task set; its tables are checked, its images are not read.

        Raises:
            TaskSetError: the folder is no task set, a file is damaged, a field is missing or of a wrong type, ids
                repeat, an image is missing, or `split` is absent.
        """
        path = Path(path).absolute()
        file = path / TASKS_FILE
        table = _read_tasks(file)
        images = ImageFile(path / IMAGES_FILE)
        used = pc.unique(pa.chunked_array([pc.list_flatten(c) for c in table.column("images").chunks], pa.string()))
        missing = [digest for digest in used.to_pylist() if digest not in images]
        if missing:
            raise TaskSetError(
                f"{file}: field 'images': {missing[0]} is not in {images.path.name} ({len(missing)} in all)"
            )
        task_set = cls(path, table, np.arange(len(table), dtype=np.int64), images)
        if len(task_set._row_of) != len(table):
            seen: set[str] = set()
            twice = next(id_ for id_ in task_set.ids if id_ in seen or seen.add(id_))  # type: ignore[func-returns-value]
            raise TaskSetError(f"{file}: field 'id': {twice!r} is there more than once")
        return task_set if split is None else task_set.filter(split=split)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: str | int) -> Task:
        """The task of an id (or at a position). Raises `KeyError` for an unknown id."""
        row = int(self._rows[key]) if isinstance(key, int) else self._row_of[key]
        task = self._recent.pop(row, None) or self._read(row)
        self._recent[row] = task
        if len(self._recent) > RECENT_TASKS:
            self._recent.popitem(last=False)
        return task

    def __iter__(self) -> Iterator[Task]:
        return (self._read(row) for row in self._rows.tolist())

    def __contains__(self, key: object) -> bool:
        return key in self._row_of

    def _read(self, row: int) -> Task:
        field = {name: column[row].as_py() for name, column in zip(TASK_SCHEMA.names, self._columns, strict=True)}
        return Task(
            **{
                **field,
                "images": tuple(self._image(digest) for digest in field["images"]),
                "answers": tuple(field["answers"]),
                "choices": tuple(field["choices"]),
                "metadata": json.loads(field["metadata"]),
            }
        )

    def _image(self, digest: str) -> Image:
        images = self._images
        return Image(digest, load=lambda: images.read(digest))

    @property
    def splits(self) -> dict[str, int]:
        """Number of selected tasks of each split."""
        counts = pc.value_counts(self._table.column("split").take(pa.array(self._rows)))
        return {entry["values"]: entry["counts"] for entry in counts.to_pylist()}

    def filter(self, split: str | None = None, limit: int | None = None, seed: int | None = None) -> TaskSet:
        """A smaller set: of one split, shuffled by `seed` if given, then cut after `limit` tasks.

        Raises:
            TaskSetError: no task is of that split.
        """
        rows = self._rows
        if split is not None:
            rows = rows[self._table.column("split").take(pa.array(rows)).to_numpy() == split]
            if not len(rows):
                raise TaskSetError(f"{self.path}: no tasks of split {split!r}; it has {self.splits}")
        if seed is not None:
            order = list(range(len(rows)))
            random.Random(seed).shuffle(order)
            rows = rows[order]
        return TaskSet(self.path, self._table, rows[:limit], self._images)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the ids, questions, answers and image hashes of the selection, in order."""
        columns = ("id", "question", "answer", "answers", "images")
        digest = hashlib.sha256()
        for batch in self._table.select(columns).take(pa.array(self._rows)).to_batches(max_chunksize=4096):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                digest.update(json.dumps(row).encode())
        return digest.hexdigest()

    @cached_property
    def report(self) -> dict[str, Any]:
        """What the conversion wrote into `report.json`; empty when there is none."""
        file = self.path / REPORT_FILE
        if not file.is_file():
            return {}
        try:
            return json.loads(file.read_text("utf-8"))
        except ValueError as error:
            raise TaskSetError(f"{file}: not JSON: {error}") from error

    def __repr__(self) -> str:
        return f"TaskSet({str(self.path)!r}, {len(self)} tasks)"

    def __reduce__(self) -> tuple[Any, ...]:
        whole = len(self._rows) == len(self._table) and bool((np.diff(self._rows) == 1).all())
        return (_reopen, (str(self.path), None if whole else self._rows))


def _reopen(path: str, rows: np.ndarray | None) -> TaskSet:
    task_set = TaskSet.open(path)
    return task_set if rows is None else TaskSet(task_set.path, task_set._table, rows, task_set._images)


def is_task_set(path: str | Path) -> bool:
    """Whether the folder holds a converted task set."""
    return (Path(path) / TASKS_FILE).is_file()


def _read_tasks(file: Path) -> pa.Table:
    if not file.is_file():
        raise TaskSetError(f"{file.parent}: not a task set: {file.name} is not there")
    try:
        table = pq.read_table(file, memory_map=True)
    except (pa.ArrowException, OSError) as error:
        raise TaskSetError(f"{file}: damaged Parquet file: {error}") from error
    for field in TASK_SCHEMA:
        if field.name not in table.column_names:
            raise TaskSetError(f"{file}: field {field.name!r} is missing")
        column = table.column(field.name)
        if column.type != field.type:
            raise TaskSetError(f"{file}: field {field.name!r} is {column.type}, expected {field.type}")
        if column.null_count:
            raise TaskSetError(f"{file}: field {field.name!r} has {column.null_count} empty values")
    return table.select(TASK_SCHEMA.names)
