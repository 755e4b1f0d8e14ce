"""Reading the log: finished, still being written, cut short by a crash, or compacted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envs.task import IMAGE_SCHEMA
from tools.image import Image
from vista_rllib.trajectories.schema import SCHEMA, TrajectoryLogError
from vista_rllib.trajectories.writer import EPISODES, IMAGES, SUFFIX

EPISODES_PARQUET, IMAGES_PARQUET = "trajectories.parquet", "images.parquet"
"""What compaction makes of a folder's streams."""

_log = logging.getLogger(__name__)


def read_trajectories(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """All episodes of a log, each once, in the order written.

    Args:
        path: a log folder (or a run's folder that holds one named `trajectories`), a stream file or a Parquet file.
        columns: names of `SCHEMA` to read; all by default. Leave out `transcripts` where tokens are not needed.

    Raises:
        TrajectoryLogError: nothing to read there, or a name that is no column.
    """
    return pa.Table.from_batches(iter_batches(path, columns), _schema(SCHEMA, columns))


def iter_trajectories(path: str | Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The same, one Python row at a time."""
    for batch in iter_batches(path, columns):
        yield from batch.to_pylist(maps_as_pydicts="strict")


def iter_batches(path: str | Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The same, one record batch at a time: what fits no memory can still be read."""
    schema = _schema(SCHEMA, columns)
    wanted = schema.names
    names = wanted if "episode_id" in wanted else ["episode_id", *wanted]
    for batch in unique(episode_files(path), names, "episode_id"):
        yield pa.RecordBatch.from_arrays([batch.column(name) for name in wanted], schema=schema)


def recover(path: str | Path) -> pa.Table:
    """Every whole batch of one stream file, however it ends; logs a warning when it ends in the middle of one."""
    return pa.Table.from_batches(_stream(Path(path), SCHEMA), SCHEMA)


def find_image(path: str | Path, digest: str) -> Image | None:
    """The image of that hash from the log at `path`; None when the log lacks it (its writing was cut short)."""
    for file in image_files(path):
        for batch in batches(file, IMAGE_SCHEMA):
            row = pc.index(batch.column("hash"), digest).as_py()
            if row >= 0:
                return Image.from_bytes(batch.column("data")[row].as_py(), f"{file}: {digest}")
    return None


def episode_files(path: str | Path) -> list[Path]:
    """The files that hold the episodes of a log, compacted first. Raises `TrajectoryLogError` when there is none."""
    return _files(Path(path), EPISODES, EPISODES_PARQUET)


def image_files(path: str | Path) -> list[Path]:
    """The files that hold the images of a log (of the whole folder, when `path` is one of its files)."""
    path = Path(path)
    return _files(path if path.is_dir() else path.parent, IMAGES, IMAGES_PARQUET)


def _files(path: Path, kind: str, parquet: str) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise TrajectoryLogError(f"{path}: no such file or folder; expected a trajectory log")
    for folder in (path, path / "trajectories"):
        compacted = [folder / parquet] if (folder / parquet).is_file() else []
        if files := compacted + sorted(folder.glob(f"{kind}-*{SUFFIX}")):
            return files
    raise TrajectoryLogError(f"{path}: no trajectory log here (neither {parquet} nor {kind}-*{SUFFIX})")


def unique(
    files: Sequence[Path], names: Sequence[str], key: str, cut: set[Path] | None = None
) -> Iterator[pa.RecordBatch]:
    """Batches of `files` without the rows whose `key` came before; adds to `cut` the streams that end in mid-batch."""
    seen: set[str] = set()
    for file in files:
        for batch in batches(file, _schema(IMAGE_SCHEMA if key == "hash" else SCHEMA, names), cut):
            new = []
            for value in batch.column(key).to_pylist():
                new.append(value not in seen)
                seen.add(value)
            yield batch if all(new) else batch.filter(pa.array(new))


def batches(file: Path, schema: pa.Schema, cut: set[Path] | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of one Parquet or stream file, with the columns of `schema`."""
    return _parquet(file, schema) if file.suffix == ".parquet" else _stream(file, schema, cut)


def _parquet(file: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(file) as source:
            _check(file, source.schema_arrow, schema)
            yield from source.iter_batches(batch_size=256, columns=schema.names)
    except (pa.ArrowInvalid, OSError) as error:
        raise TrajectoryLogError(f"{file}: cannot be read as a Parquet trajectory log: {error}") from error


def _stream(file: Path, schema: pa.Schema, cut: set[Path] | None = None) -> Iterator[pa.RecordBatch]:
    try:
        source = pa.memory_map(str(file))
    except OSError as error:
        raise TrajectoryLogError(f"{file}: cannot be read: {error}") from error
    with source:
        if source.size() == 0:  # opened, and nothing written yet
            return
        count = 0
        try:
            with pa.ipc.open_stream(source) as stream:
                _check(file, stream.schema, schema)
                for batch in stream:
                    count += batch.num_rows
                    yield batch.select(schema.names)
        except (pa.ArrowInvalid, OSError) as error:
            if cut is not None:
                cut.add(file)
            _log.warning("%s: cut short; the %d rows before the cut are kept (%s)", file, count, error)


def _check(file: Path, found: pa.Schema, wanted: pa.Schema) -> None:
    for column in wanted:
        if column.name not in found.names:
            raise TrajectoryLogError(f"{file}: not a trajectory log: it has no column {column.name!r}")


def _schema(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    if columns is None:
        return schema
    for name in columns:
        if name not in schema.names:
            raise TrajectoryLogError(f"no column {name!r} in a trajectory log; it has {', '.join(schema.names)}")
    return pa.schema([schema.field(name) for name in columns])
