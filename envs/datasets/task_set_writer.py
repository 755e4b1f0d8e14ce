"""`TaskSetWriter`: streams tasks into a new task set that appears under its name only when it is whole."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from envs.datasets.image_file import IMAGES_FILE
from envs.datasets.task_set import REPORT_FILE, TASKS_FILE, is_task_set
from envs.datasets.task_set_error import TaskSetError
from envs.datasets.text_set import TextSet
from envs.task import IMAGE_SCHEMA, TASK_SCHEMA, Task

TASK_ROWS = 2048
"""Tasks in a row group."""
IMAGE_BYTES = 1 << 20
"""A row group of images ends once it holds this many bytes: reading one image reads its whole group."""


class TaskSetWriter:
    """Context manager. Memory holds one row group; ids and image hashes beyond a number go to a temporary file.

    Attributes:
        path: the folder that exists after a clean exit, and not before.
        report: written as `report.json`; counts are filled in at the end, anything else may be added.
    """

    def __init__(self, path: str | Path, overwrite: bool = False) -> None:
        """Checks the target.

        Raises:
            TaskSetError: it exists and `overwrite` is off, or it is something else than a task set.
        """
        self.path = Path(path).absolute()
        self.report: dict[str, Any] = {}
        if self.path.exists():
            if not overwrite:
                raise TaskSetError(f"{self.path}: already there (choose another name, or overwrite it)")
            if not is_task_set(self.path):
                raise TaskSetError(f"{self.path}: not a task set, so it is not overwritten")
        self._ids = TextSet()
        self._hashes = TextSet()
        self._splits: Counter[str] = Counter()
        self._tasks: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self._image_bytes = 0

    def __enter__(self) -> Self:
        with self._disk():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", suffix=".partial", dir=self.path.parent))
        self._folder.chmod(0o755)
        self._task_file = pq.ParquetWriter(self._folder / TASKS_FILE, TASK_SCHEMA, compression="zstd")
        # Images are compressed already: stored plain they are read without a copy through the decoder.
        self._image_file = pq.ParquetWriter(
            self._folder / IMAGES_FILE, IMAGE_SCHEMA, compression="none", use_dictionary=False, write_statistics=False
        )
        return self

    def add(self, task: Task) -> None:
        """Appends one task and those of its images that are new.

        Raises:
            TaskSetError: its id is empty or was added before, or a field has a wrong type.
        """
        row = self._row(task)
        if not self._ids.add(task.id):
            raise TaskSetError(f"{self.path}: field 'id': {task.id!r} was added before")
        self._splits[task.split] += 1
        for image in task.images:
            if not self._hashes.add(image.hash):
                continue
            width, height = image.size
            self._images.append({"hash": image.hash, "width": width, "height": height, "data": image.data})
            self._image_bytes += len(image.data)
            if self._image_bytes >= IMAGE_BYTES:
                self._flush_images()
        self._tasks.append(row)
        if len(self._tasks) >= TASK_ROWS:
            self._flush_tasks()

    def has(self, id: str) -> bool:
        """Whether a task of that id was added."""
        return id in self._ids

    def _row(self, task: Task) -> dict[str, Any]:
        row: dict[str, Any] = {name: getattr(task, name) for name in TASK_SCHEMA.names}
        where = f"{self.path}: task {task.id!r}"
        for name in ("answers", "choices"):
            if isinstance(row[name], str) or not all(isinstance(text, str) for text in row[name]):
                raise TaskSetError(f"{where}: field {name!r}: expected a tuple of text, got {row[name]!r}")
            row[name] = list(row[name])
        for name in ("id", "dataset", "question", "answer", "task_type", "split"):
            if not isinstance(row[name], str):
                raise TaskSetError(f"{where}: field {name!r}: expected text, got {row[name]!r}")
        if not task.id:
            raise TaskSetError(f"{self.path}: field 'id' is empty (question {task.question!r})")
        try:
            row["metadata"] = json.dumps(dict(task.metadata), ensure_ascii=False, allow_nan=False)
            "".join((*(row[n] for n in ("id", "question", "answer")), *task.answers, *task.choices)).encode()
            row["metadata"].encode()
        except UnicodeEncodeError as error:
            raise TaskSetError(f"{where}: a field holds half a surrogate pair, which UTF-8 cannot store") from error
        except (TypeError, ValueError) as error:
            raise TaskSetError(f"{where}: field 'metadata': not JSON: {error}") from error
        row["images"] = [image.hash for image in task.images]
        return row

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TaskSetError(f"{self.path}: cannot be written: {error}") from error

    def _flush_tasks(self) -> None:
        with self._disk():
            self._task_file.write_table(pa.Table.from_pylist(self._tasks, TASK_SCHEMA))
        self._tasks.clear()

    def _flush_images(self) -> None:
        with self._disk():
            self._image_file.write_table(pa.Table.from_pylist(self._images, IMAGE_SCHEMA))
        self._images.clear()
        self._image_bytes = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if self._tasks:
                    self._flush_tasks()
                if self._images:
                    self._flush_images()
            with self._disk():
                self._task_file.close()
                self._image_file.close()
            if kind is None:
                counts = {"tasks": len(self._ids), "images": len(self._hashes), "splits": dict(self._splits)}
                self.report = {**counts, **self.report}
                text = json.dumps(self.report, indent=2, ensure_ascii=False)
                with self._disk():
                    (self._folder / REPORT_FILE).write_text(text + "\n", "utf-8")
                    self._publish()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _publish(self) -> None:
        for file in self._folder.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        if self.path.exists():  # overwriting: two renames, so that either the old or the new set has the name
            old = self._folder.with_suffix(".old")
            self.path.rename(old)
            self._folder.rename(self.path)
            shutil.rmtree(old)
        else:
            self._folder.rename(self.path)
