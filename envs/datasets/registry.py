"""The registry of datasets: an adapter is one function from a raw release to tasks.

    @register_dataset("chartqa", layout="a folder with {train,val,test}/…", detect=is_chartqa)
    def read(request: ReadRequest) -> Iterator[Task | Skip]: ...

Conversion, detection of raw folders and the command line work from the registry alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from envs.task import Task
from tools.errors import VistaError


class DatasetError(VistaError):
    """A raw release cannot be read. Names the file and the field, and what was expected."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A record that gives no task.

    Attributes:
        id: the task's id had it been read.
        reason: the class it is counted under (`image missing`, `answer missing` ...).
        detail: which file or field, and what is wrong with it.
    """

    id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Attributes:
    source: the raw file or folder.
    split: only this split; None reads all, one after the other.
    limit: at most this many tasks of each split.
    data_root: where relative image paths start, for releases that keep images elsewhere.
    keep_unanswered: records of a split that was released without answers become tasks with an empty answer.
    """

    source: Path
    split: str | None = None
    limit: int | None = None
    data_root: Path | None = None
    keep_unanswered: bool = False


Read = Callable[[ReadRequest], Iterator[Task | Skip]]
"""An adapter: streams tasks, and a `Skip` for every record that gives none. Raises `DatasetError` when the whole
release is unusable. Ids are unique and do not depend on what was skipped."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Attributes:
    name: the registered name, also `Task.dataset`.
    title: the name in tables and env ids, `ChartQA`.
    layout: what a raw release looks like, in words.
    detect: whether a path is such a release; cheap, raises nothing.
    read: the adapter.
    task_type: of its tasks; empty where they have several.
    evaluation_only: whether it is kept for evaluation, as the paper does.
    """

    name: str
    title: str
    layout: str
    detect: Callable[[Path], bool]
    read: Read
    task_type: str = ""
    evaluation_only: bool = False


_datasets: dict[str, Dataset] = {}


def register_dataset(
    name: str,
    *,
    title: str,
    layout: str,
    detect: Callable[[Path], bool],
    task_type: str = "",
    evaluation_only: bool = False,
) -> Callable[[Read], Read]:
    """Registers the decorated adapter. Raises `DatasetError` when the name is taken."""

    def register(read: Read) -> Read:
        if name in _datasets:
            raise DatasetError(f"dataset {name!r} is registered already")
        _datasets[name] = Dataset(name, title, layout, detect, read, task_type, evaluation_only)
        return read

    return register


def datasets() -> dict[str, Dataset]:
    """Every registered dataset by name, sorted."""
    return dict(sorted(_datasets.items()))


def get_dataset(name: str) -> Dataset:
    """The dataset of that name. Raises `DatasetError` naming the nearest ones."""
    try:
        return _datasets[name]
    except KeyError:
        near = difflib.get_close_matches(name, _datasets, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(_datasets))}"
        raise DatasetError(f"no dataset named {name!r}{hint}") from None


def detect_dataset(source: Path) -> Dataset:
    """The dataset whose layout `source` has. Raises `DatasetError` naming every layout that was looked for."""
    if not source.exists():
        raise DatasetError(f"{source}: no such file or folder")
    for dataset in datasets().values():
        if dataset.detect(source):
            return dataset
    looked_for = "\n".join(f"  {dataset.name}: {dataset.layout}" for dataset in datasets().values())
    raise DatasetError(
        f"{source}: neither a task set (tasks.parquet) nor a known raw layout. Looked for:\n{looked_for}"
    )
