"""Parquet mirrors as the Hugging Face hub keeps them: files per split, pictures as `{"bytes", "path"}` cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from envs.datasets.fields import split_name
from envs.datasets.layout import Item, Layout, Raw, Records
from envs.datasets.reader import RecordError, check_image
from envs.datasets.registry import DatasetError
from envs.datasets.release import Release
from envs.task import Task
from tools.image import Image

_DEPTHS = ("", "*/", "*/*/", "*/*/*/")
BATCH_ROWS = 32
"""Rows in memory at once."""


def mirror(
    columns: set[str],
    build: Callable[[Item], Task],
    *,
    key: str | None = None,
    without: frozenset[str] = frozenset(),
    expand: Callable[[dict[str, Any]], Iterator[tuple[str, dict[str, Any]]]] | None = None,
    certain: bool = True,
    accept: Callable[[Path], bool] | None = None,
) -> Layout:
    """The layout of a mirror whose files have these columns, at least.

    Args:
        columns: what a file must have.
        build: one task of one row.
        key: the column that names a row within its split; its position where None.
        without: what it must not have, being another dataset's.
        expand: the records of one row, each with an end for its key, where a row holds several questions.
        certain: whether those columns tell the dataset.
        accept: a further look at a file.
    """
    return Layout(partial(_find, columns, without, key, expand, accept), build, certain)


def files_of(
    release: Release,
    columns: set[str],
    without: frozenset[str] = frozenset(),
    accept: Callable[[Path], bool] | None = None,
) -> dict[str, list[Path]]:
    """The Parquet files of each split that have these columns.

    A damaged file counts, so that reading it complains, but not for detection.
    """
    splits: dict[str, list[Path]] = {}
    root = release.root
    files = (
        [release.path] if release.path.is_file() else sorted({p for d in _DEPTHS for p in root.glob(d + "*.parquet")})
    )
    for file in files:
        split = _split(file, root) if file.suffix == ".parquet" else None
        if split and _has(file, columns, without, not release.shallow) and (accept is None or accept(file)):
            splits.setdefault(split, []).append(file)
    return splits


def _split(file: Path, root: Path) -> str | None:
    """From the file's name (`validation-00000-of-00003-abc.parquet`), else from the folders above it."""
    names = [re.split(r"[-_.]", file.name)[0], *reversed(file.relative_to(root).parts[:-1])]
    return next((found for name in names if (found := split_name(name))), None)


def _has(file: Path, columns: set[str], without: frozenset[str], damaged: bool) -> bool:
    try:
        names = set(pq.read_schema(file).names)
        return columns <= names and not without & names
    except (pa.ArrowException, OSError):
        return damaged


def _find(
    columns: set[str],
    without: frozenset[str],
    key: str | None,
    expand: Callable[[dict[str, Any]], Iterator[tuple[str, dict[str, Any]]]] | None,
    accept: Callable[[Path], bool] | None,
    release: Release,
) -> Mapping[str, Records]:
    files = files_of(release, columns, without, accept)
    return {split: partial(_rows, found, key, expand) for split, found in files.items()}


def _rows(
    files: list[Path], key: str | None, expand: Callable[[dict[str, Any]], Iterator[tuple[str, dict[str, Any]]]] | None
) -> Iterator[Raw]:
    n = 0
    for file in files:
        for row in read_rows(file):
            name = str(n) if key is None or row.get(key) in (None, "") else str(row[key])
            where = f"{file.name} row {n}"
            if expand is None:
                yield Raw(name, where, row)
            else:
                try:
                    for end, record in expand(row):
                        yield Raw(name + end, where, record)
                except RecordError as error:
                    yield Raw(name, where, error)
            n += 1


def read_rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file. Raises `DatasetError` when it is damaged."""
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=BATCH_ROWS):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{file}: damaged Parquet file: {error}") from error


def first_row(file: Path, column: str) -> Any:
    """The first value of a column; None when there is none."""
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=1, columns=[column]):
                return batch.column(0)[0].as_py()
    except (pa.ArrowException, OSError, KeyError):
        return None  # a damaged file: reading it by name gives the error
    return None


def cell_image(item: Item, name: str) -> Image:
    """The picture in a column: a `{"bytes", "path"}` cell, or bytes alone.

    Raises:
        RecordError: the cell is empty, or its bytes are no image.
    """
    return decode_cell(item.record.get(name), f"{item.id}: {name}")


def cell_images(item: Item, name: str) -> list[Image]:
    """The pictures in a column of lists; none where it is empty. Raises `RecordError`."""
    return [decode_cell(cell, f"{item.id}: {name}") for cell in listed(item.record, name)]


def listed(row: Mapping[str, Any], name: str) -> list[Any]:
    """A column of lists; an absent one is empty. Raises `RecordError` when it is something else."""
    value = row.get(name)
    if value is not None and not isinstance(value, list):
        raise RecordError("malformed record", f"field {name!r}: expected a list, got {type(value).__name__}")
    return value or []


def decode_cell(cell: Any, name: str) -> Image:
    """Like `cell_image`, for a cell alone."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes) or not data:
        raise RecordError("image missing", f"field {name!r} has no bytes")
    return check_image(data, name)
