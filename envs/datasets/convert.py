"""Conversion: any registered raw release -> a task set, with a report of what was skipped and why."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envs.datasets.hub import download, is_hub
from envs.datasets.registry import DatasetError, ReadRequest, Skip, get_dataset
from envs.datasets.task_set_writer import TaskSetWriter
from envs.task import Task

LISTED_SKIPS = 20
"""Ids listed in the report for each reason."""

OnProgress = Callable[[str, int, int | None], None]
"""Called with (stage, items done, items in all if known)."""


@dataclass(slots=True)
class Report:
    """What a conversion did.

    Attributes:
        dataset: registered name.
        source: where it was read.
        tasks: tasks written, by split.
        skipped: records left out, by reason.
        listed: the first `LISTED_SKIPS` of each reason, as `(id, detail)`.
    """

    dataset: str
    source: str
    tasks: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    listed: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def skip(self, item: Skip) -> None:
        """Counts one skipped record."""
        self.skipped[item.reason] = self.skipped.get(item.reason, 0) + 1
        listed = self.listed.setdefault(item.reason, [])
        if len(listed) < LISTED_SKIPS:
            listed.append((item.id, item.detail))

    def as_json(self) -> dict[str, Any]:
        """The part of `report.json` that the conversion adds."""
        first = {reason: [{"id": id, "detail": detail} for id, detail in rows] for reason, rows in self.listed.items()}
        return {"dataset": self.dataset, "source": self.source, "skipped": self.skipped, "first_skipped": first}


def convert(
    name: str,
    source: Path | None,
    out: Path,
    *,
    split: str | None = None,
    limit: int | None = None,
    data_root: Path | None = None,
    strict: bool = False,
    keep_unanswered: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """Converts a raw release into the task set `out`, which appears only when it is whole.

    Args:
        name: registered dataset name.
        source: the raw release; `hub:owner/name` for a mirror on the Hugging Face hub; None for `embedded`, which is
            drawn first.
        out: the new folder.
        split: only this split.
        limit: at most this many tasks of each split.
        data_root: where relative image paths start.
        strict: the first record that would be skipped is an error.
        keep_unanswered: records of splits released without answers become tasks with an empty answer.
        overwrite: replace an existing task set.
        on_progress: progress callback.

    Raises:
        DatasetError: the release is unusable, gives no task, or skips one in strict mode.
        TaskSetError: `out` cannot be written or is there already.
    """
    if name == "embedded" and source is None:
        from envs.datasets.embedded import build_release  # matplotlib and pandas, which nothing else here needs

        with tempfile.TemporaryDirectory(prefix="vista-embedded-") as folder:
            release = Path(folder)
            build_release(
                release, limit, on_progress and (lambda done, total: on_progress("drawing charts", done, total))
            )
            return convert(name, release, out, split=split, limit=limit, strict=strict, overwrite=overwrite,
                           on_progress=on_progress)  # fmt: skip
    dataset = get_dataset(name)
    if source is None:
        raise DatasetError(f"dataset {name!r} is read from files: say where its release lies")
    files = download(source) if is_hub(source) else source
    if not files.exists():
        raise DatasetError(f"{source}: no such file or folder")
    if limit is not None and limit < 1:
        raise DatasetError(f"limit must be at least 1, got {limit}")
    report = Report(name, "built in" if name == "embedded" else str(source))
    request = ReadRequest(files, split, limit, data_root, keep_unanswered)
    with TaskSetWriter(out, overwrite) as writer:
        for done, item in enumerate(dataset.read(request), 1):
            if isinstance(item, Task) and writer.has(item.id):
                item = Skip(item.id, "duplicate id", f"{item.id!r} came before, question {item.question[:60]!r}")
            if isinstance(item, Skip):
                if strict:
                    raise DatasetError(f"{source}: {item.id}: {item.reason}: {item.detail}")
                report.skip(item)
            else:
                report.tasks[item.split] = report.tasks.get(item.split, 0) + 1
                writer.add(item)
            if on_progress:
                on_progress("converting", done, None)
        if not report.tasks:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in report.skipped.items()) or "it is empty"
            raise DatasetError(f"{source}: gives no task ({reasons})")
        writer.report.update(report.as_json())
    return report
