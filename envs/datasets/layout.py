"""An adapter is a few layouts: each finds the records of every split, and turns one record into one task.

register_adapter("figureqa", title="FigureQA", task_type="chart", layout="...", layouts=(
    Layout(find_release, build_release), Layout(find_mirror, build_mirror)))
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from envs.datasets.fields import split_name
from envs.datasets.reader import SPLITS, RecordError
from envs.datasets.registry import DatasetError, ReadRequest, Skip, register_dataset
from envs.datasets.release import Release
from envs.task import Task
from tools.image import Image


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as released.

    Attributes:
        key: the end of the task's id; unique within the split, the same whatever else is read or skipped.
        where: its file and position, for messages.
        record: its fields, or what is wrong with its own file where it has one.
    """

    key: str
    where: str
    record: Any


Records = Callable[[], Iterator[Raw]]
"""The records of one split, from the start."""


@dataclass(frozen=True, slots=True)
class Item:
    """A record being made into a task.

    Attributes:
        id: the task's id.
        dataset: registered name.
        task_type: of the task, unless the layout knows better.
        split: `train`, `val` or `test`.
        release: where its files are.
        record: its fields.
    """

    id: str
    dataset: str
    task_type: str
    split: str
    release: Release
    record: dict[str, Any]

    def task(
        self,
        question: str,
        answer: str,
        images: Sequence[Image] = (),
        *,
        answers: Sequence[str] = (),
        choices: Sequence[str] = (),
        task_type: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Task:
        """The task. `answer` is empty where the split has no answers; metadata that are None are left out.

        Raises:
            RecordError: there are choices, and the answer is none of them; or metadata are not JSON (NaN, dates ...).
        """
        kept = {name: value for name, value in (metadata or {}).items() if value is not None}
        try:
            json.dumps(kept, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:  # also UnicodeEncodeError
            raise RecordError("malformed record", f"a field cannot be stored as JSON: {error}") from error
        if choices and answer and answer not in choices:
            raise RecordError("answer not among the choices", f"{answer!r} is none of {', '.join(map(repr, choices))}")
        return Task(
            id=self.id,
            dataset=self.dataset,
            question=question,
            answer=answer,
            images=tuple(images),
            task_type=task_type or self.task_type,
            answers=tuple(answers) if len(answers) > 1 else (),
            choices=tuple(choices),
            split=self.split,
            metadata=kept,
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """Attributes:
    find: the records of each split that is there, in order; empty when the release has another layout.
    build: one task of one record. Raises `RecordError` when the record is unusable.
    certain: whether finding it tells which dataset it is (a generic table of pictures and texts does not).
        archives: a pattern of archives that tell the dataset by their name alone, being slow to look into.
    """

    find: Callable[[Release], Mapping[str, Records]]
    build: Callable[[Item], Task]
    certain: bool = True
    archives: str = ""


def by_split(names: Iterable[tuple[str | None, str]], read: Callable[[str], Iterator[Raw]]) -> dict[str, Records]:
    """The records of each split, one file after the other. Files of no split (None) are left out."""
    splits: dict[str, list[str]] = {}
    for split, name in names:
        if split is not None:
            splits.setdefault(split, []).append(name)
    return {split: partial(_chained, found, read) for split, found in splits.items()}


def split_files(release: Release, pattern: re.Pattern[str], *globs: str) -> list[tuple[str | None, str]]:
    """The files that match a glob and the pattern, each with the split that the pattern's group `split` names."""
    found = ((pattern.search((release.root / name).as_posix()), name) for name in release.find(*globs))
    return [(split_name(match["split"]), name) for match, name in found if match]


def list_records(
    release: Release, name: str, key: str | None = None, *, id: str | None = None, prefix: str = "", **given: Any
) -> Iterator[Raw]:
    """The records of a JSON list, one at a time.

    Args:
        release: where the file is.
        name: the file.
        key: the field that holds the list, where the file is an object.
        id: the field that names a record; its position where None or absent.
        prefix: begins every key.
        given: what is added to a record's fields, such as the folder that its pictures are in.
    """
    for n, record in enumerate(release.records(name, key)):
        found = record.get(id) if id is not None and isinstance(record, dict) else None
        if isinstance(record, dict):
            record |= given
        yield Raw(f"{prefix}{n if found is None else found}", f"{name} record {n}", record)


def object_records(release: Release, name: str, **given: Any) -> Iterator[Raw]:
    """The records of a JSON object by `pid`, one at a time, with `pid` and `given` added to their fields."""
    for pid, record in release.items(name):
        if isinstance(record, dict):
            record |= {"pid": pid, **given}
        yield Raw(pid, f"{name} problem {pid}", record)


def _chained(names: list[str], read: Callable[[str], Iterator[Raw]]) -> Iterator[Raw]:
    for name in names:
        yield from read(name)


def register_adapter(
    name: str,
    *,
    title: str,
    task_type: str,
    layout: str,
    layouts: Sequence[Layout],
    evaluation_only: bool = False,
) -> None:
    """Registers the adapter that tries `layouts` in order. Raises `DatasetError` when the name is taken."""

    register_dataset(
        name, title=title, layout=layout, detect=partial(detect, layouts), task_type=task_type,
        evaluation_only=evaluation_only,
    )(partial(read, layouts, name, task_type, f"{title}: looked for {layout}"))  # fmt: skip


def detect(layouts: Sequence[Layout], path: Path) -> bool:
    """Whether `path` is a release that tells to be of these layouts."""
    release = Release(path, shallow=True)
    try:
        return any(
            (entry.archives and release.find(entry.archives)) or (entry.certain and entry.find(release))
            for entry in layouts
        )
    except (DatasetError, OSError):
        return False  # another dataset's release, or a damaged one: reading it by name gives the error


def read(
    layouts: Sequence[Layout], name: str, task_type: str, wanted: str, request: ReadRequest, prefix: str = ""
) -> Iterator[Task | Skip]:
    """The tasks of the first of these layouts that is there; `prefix` begins the ids where it is not `name`.

    Raises:
        DatasetError: none is there (the message says that it is not `wanted`), or the split is absent.
    """
    release = Release(request.source)
    with closing(release):
        for entry in layouts:
            if splits := entry.find(release):
                yield from _read(request, release, entry, splits, name, task_type, prefix or name)
                return
    raise DatasetError(f"{request.source}: not {wanted}")


def _read(
    request: ReadRequest,
    release: Release,
    layout: Layout,
    splits: Mapping[str, Records],
    name: str,
    task_type: str,
    prefix: str,
) -> Iterator[Task | Skip]:
    present = [split for split in SPLITS if split in splits]
    if request.split is not None and request.split not in present:
        raise DatasetError(f"{request.source}: no split {request.split!r}; it has {', '.join(present)}")
    for split in present if request.split is None else [request.split]:
        count = 0
        for raw in splits[split]():
            if count == request.limit:
                break
            item = Item(f"{prefix}-{split}-{raw.key}", name, task_type, split, release, raw.record)
            made = _make(item, raw, layout, request.keep_unanswered)
            count += isinstance(made, Task)
            yield made


def _make(item: Item, raw: Raw, layout: Layout, keep_unanswered: bool) -> Task | Skip:
    try:
        if isinstance(raw.record, RecordError):
            raise raw.record
        if not isinstance(raw.record, dict):
            raise RecordError("malformed record", f"expected an object, got {type(raw.record).__name__}")
        task = layout.build(item)
        if not task.answer and not keep_unanswered:
            raise RecordError("no answer", f"the {item.split} split was released without answers")
        return task
    except RecordError as error:
        return Skip(item.id, error.reason, f"{raw.where}: {error.detail}")
