"""Compaction: the streams of all workers become one Parquet file of episodes and one of images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from envs.task import IMAGE_SCHEMA
from vista_rllib.trajectories.reader import EPISODES_PARQUET, IMAGES_PARQUET, episode_files, image_files, unique
from vista_rllib.trajectories.schema import SCHEMA
from vista_rllib.trajectories.stream_file import is_open_elsewhere, log_error
from vista_rllib.trajectories.writer import SUFFIX


def compact(folder: str | Path) -> Path:
    """Merges every closed stream of `folder` into its Parquet files, and removes the merged streams.

    Episodes and images are kept once each. Streams that a living worker is writing are left as they are. The sources
    stay until both results are complete on disk, so compaction can be killed and repeated at any moment. A stream that
    ends in mid-batch is renamed to `.cut` instead of being removed.

    Returns:
        The path of `trajectories.parquet`.

    Raises:
        TrajectoryLogError: there is no log, or the result cannot be written (names the file and errno).
    """
    episodes, images = _closed(episode_files(folder)), _closed(image_files(folder))
    target = (episodes or images)[0].parent if episodes or images else Path(folder)
    streams = [file for file in [*episodes, *images] if file.suffix == SUFFIX]
    if streams:
        cut: set[Path] = set()
        _write(target / IMAGES_PARQUET, IMAGE_SCHEMA, unique(images, IMAGE_SCHEMA.names, "hash", cut), "none")
        _write(target / EPISODES_PARQUET, SCHEMA, unique(episodes, SCHEMA.names, "episode_id", cut), "zstd")
        for stream in streams:
            if stream in cut:
                stream.replace(stream.with_suffix(".cut"))
            else:
                stream.unlink()
    return target / EPISODES_PARQUET


def _closed(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if file.suffix != SUFFIX or not is_open_elsewhere(file)]


def _write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], compression: str) -> None:
    """Writes beside `path`, then takes its place in one step."""
    partial = path.with_suffix(".partial")
    try:
        with pq.ParquetWriter(partial, schema, compression=compression) as writer:
            for group in _groups(batches):
                writer.write_table(pa.Table.from_batches(group, schema))
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise log_error(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _groups(batches: Iterable[pa.RecordBatch], size: int = 32 << 20) -> Iterable[list[pa.RecordBatch]]:
    """Batches in groups of about `size` bytes: one row group each, so memory stays bounded."""
    group: list[pa.RecordBatch] = []
    total = 0
    for batch in batches:
        group.append(batch)
        total += batch.nbytes
        if total >= size:
            yield group
            group, total = [], 0
    if group:
        yield group
