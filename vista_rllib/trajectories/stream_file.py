"""`StreamFile`: an Arrow IPC stream on disk that only ever grows by whole batches."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
from pathlib import Path

import pyarrow as pa

from vista_rllib.trajectories.schema import TrajectoryLogError


class StreamFile:
    """Appends record batches, each in one write; a failed write leaves the file as it was before.

    The file is locked while it is open (`is_open_elsewhere`), so that compaction leaves a living worker's file alone;
    the lock ends with the process, however it ends.
    """

    def __init__(self, path: Path, schema: pa.Schema, compression: str | None) -> None:
        """Creates `path`, which must not exist. Raises `TrajectoryLogError` naming it and the errno."""
        self.path = path
        self._memory = io.BytesIO()
        self._stream = pa.ipc.new_stream(
            self._memory, schema, options=pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
        )
        try:
            self._file = path.open("xb", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise log_error(path, error) from error
        self._length = 0
        # Arrow writes the schema with the first batch. An empty one now, so that no later failure can lose it.
        self.append(pa.RecordBatch.from_arrays([pa.array([], column.type) for column in schema], schema=schema))

    def append(self, batch: pa.RecordBatch) -> None:
        """Writes one batch. Raises `TrajectoryLogError`; what was written before stays readable."""
        self._stream.write_batch(batch)
        self._flush()

    def close(self) -> None:
        """Ends the stream; further calls do nothing."""
        if not self._file.closed:
            try:
                self._stream.close()
                self._flush()
            finally:
                self._file.close()

    def _flush(self) -> None:
        """Moves what Arrow wrote to memory into the file, or leaves the file as it was."""
        written = 0
        try:
            with self._memory.getbuffer() as data:
                while written < len(data):
                    written += self._file.write(data[written:]) or 0
        except OSError as error:
            # Half a batch would end the file for readers. Should the truncation fail too, they stop before the half.
            with contextlib.suppress(OSError):
                self._file.truncate(self._length)
                self._file.seek(self._length)
            raise log_error(self.path, error) from error
        finally:
            self._memory.seek(0)
            self._memory.truncate()
        self._length += written


def is_open_elsewhere(path: Path) -> bool:
    """Whether a living `StreamFile` has `path` open."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def log_error(path: Path, error: OSError) -> TrajectoryLogError:
    """What happened to which file, with the errno's name: `ENOSPC (No space left on device)`."""
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    return TrajectoryLogError(f"{path}: the trajectory log cannot be written: {name} ({os.strerror(error.errno or 0)})")
