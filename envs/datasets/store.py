"""Where task sets come from: `open_task_set` takes what a user names (a task set, a raw release, `embedded`)."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path

import platformdirs
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from envs.datasets.convert import OnProgress, convert
from envs.datasets.embedded_dataset import embedded_version
from envs.datasets.registry import detect_dataset
from envs.datasets.task_set import TaskSet, is_task_set
from envs.datasets.task_set_error import TaskSetError
from envs.datasets.task_set_writer import TaskSetWriter

__all__ = ["TaskSet", "TaskSetError", "TaskSetWriter", "cache_folder", "is_task_set", "open_task_set", "progress_bar"]

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where converted sets are kept: `$VISTA_CACHE/datasets`, else the user's cache folder."""
    return Path(os.environ.get("VISTA_CACHE") or platformdirs.user_cache_dir("vista-rllib")) / "datasets"


def open_task_set(source: str | Path, split: str | None = None) -> TaskSet:
    """Opens a task set by what the user names.

    Args:
        source: `embedded` (drawn on first use), a converted folder, or a raw release of a registered layout, which is
            converted once into the cache.
        split: only this split.

    Raises:
        DatasetError: `source` is missing, or has no known layout (the message says which were looked for).
        TaskSetError: the task set is damaged, or has no such split.
    """
    if str(source) == "embedded":
        return _cached("embedded", None, cache_folder() / f"embedded-{embedded_version()}", split)
    path = Path(source).expanduser().absolute()
    if is_task_set(path):
        return TaskSet.open(path, split)
    dataset = detect_dataset(path)
    key = hashlib.sha256(f"{path}\n{_signature(path)}".encode()).hexdigest()[:16]
    stem = re.sub(r"[^\w.-]+", "_", path.name)
    return _cached(dataset.name, path, cache_folder() / f"{dataset.name}-{stem}-{key}", split)


def _signature(path: Path) -> str:
    """Names, sizes and modification times of all files: changes when the release does."""
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    for file in files:
        stat = file.stat()
        digest.update(
            f"{file.relative_to(path)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


def _cached(name: str, source: Path | None, folder: Path, split: str | None) -> TaskSet:
    """The task set in a cache folder, made first if it is not there; processes that race wait for the first one."""
    if not is_task_set(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if not is_task_set(folder):
                with progress_bar() as bar:
                    report = convert(name, source, folder, on_progress=on_progress(bar))
                if report.skipped:
                    _log.warning("%s: skipped %s (details: %s)", source, report.skipped, folder / "report.json")
    return TaskSet.open(folder, split)


def progress_bar() -> Progress:
    """A progress bar on standard error, which vanishes when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def on_progress(bar: Progress) -> OnProgress:
    """A callback that shows each stage of a conversion as one line of `bar`."""
    lines = {}

    def show(stage: str, done: int, total: int | None) -> None:
        if stage not in lines:
            lines[stage] = bar.add_task(stage, total=total)
        bar.update(lines[stage], completed=done, total=total)

    return show
