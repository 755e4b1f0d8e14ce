"""`ImageFile`: the images of a task set, looked up by content hash, read one row group at a time."""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from envs.datasets.task_set_error import TaskSetError
from envs.task import IMAGE_SCHEMA

IMAGES_FILE = "images.parquet"


class ImageFile:
    """Random access to the encoded images of one Parquet file of `IMAGE_SCHEMA` rows. Safe in threads."""

    def __init__(self, path: Path) -> None:
        """Reads the hashes only. Raises `TaskSetError` when the file is missing, damaged or of another schema."""
        self.path = path
        self._lock = threading.Lock()
        if not path.is_file():
            raise TaskSetError(f"{path.parent}: not a task set: {path.name} is not there")
        try:
            self._file = pq.ParquetFile(path, memory_map=True)
            schema = self._file.schema_arrow
            for field in IMAGE_SCHEMA:
                if field.name not in schema.names or schema.field(field.name).type != field.type:
                    raise TaskSetError(f"{path}: field {field.name!r} is missing or not {field.type}")
            hashes = self._file.read(["hash"]).column("hash").to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise TaskSetError(f"{path}: damaged Parquet file: {error}") from error
        groups = (self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups))
        self._starts = list(accumulate(groups, initial=0))
        self._row = {digest: row for row, digest in enumerate(hashes)}

    def __contains__(self, digest: object) -> bool:
        return digest in self._row

    def __len__(self) -> int:
        return len(self._row)

    def read(self, digest: str) -> bytes:
        """The encoded bytes of one image.

        Raises:
            TaskSetError: there is no such image, or its bytes no longer have that hash.
        """
        row = self._row.get(digest)
        if row is None:
            raise TaskSetError(f"{self.path}: image {digest} is not there")
        group = bisect_right(self._starts, row) - 1
        try:
            with self._lock:
                column = self._file.read_row_group(group, ["data"]).column("data")
        except (pa.ArrowException, OSError) as error:
            raise TaskSetError(f"{self.path}: field 'data': row group {group} is damaged: {error}") from error
        data: bytes = column[row - self._starts[group]].as_py()
        if hashlib.sha256(data).hexdigest() != digest:
            raise TaskSetError(f"{self.path}: field 'data': the bytes of image {digest} were changed")
        return data
