"""Zip and tar archives read in place: members by name, nothing is ever written under a member's name.

A member whose name leaves the archive (`..`, an absolute path, a drive letter) makes the whole archive refused, and so
does one that unpacks to far more than it was packed from.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import threading
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, BinaryIO, Protocol

from envs.datasets.registry import DatasetError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
"""Names of files that are read as archives."""
MAX_RATIO = 200
"""Unpacked bytes per packed byte above which an archive is a bomb. JSON made by templates reaches about 40."""
RATIO_FROM = 64 << 20
"""Unpacked bytes below which no ratio is looked at."""


class Archive(Protocol):
    """Attributes:
    names: the regular files in it, by member name.
    """

    names: frozenset[str]

    def open(self, name: str) -> BinaryIO:
        """A member for reading from its start. Raises `DatasetError` when it is damaged or encrypted."""
        ...

    def size(self, name: str) -> int:
        """Unpacked bytes of a member."""
        ...

    def close(self) -> None:
        """Lets go of files; reading a member opens them again."""
        ...


def open_archive(path: Path) -> Archive:
    """The archive in a file; remembered until the file changes.

    Raises:
        DatasetError: it is damaged, has a member that leaves it, or is a bomb.
    """
    stat = path.stat()
    return _open(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _open(path: Path, modified: int, size: int) -> Archive:
    return ZipArchive(path) if path.suffix.lower() == ".zip" else TarArchive(path)


def _check(path: Path, name: str, unpacked: int, packed: int) -> str:
    """The member's name in POSIX form. Raises `DatasetError`."""
    posix = PurePosixPath(name.replace("\\", "/"))
    if posix.is_absolute() or PureWindowsPath(name).drive or ".." in posix.parts or "\0" in name:
        raise DatasetError(f"{path}: member {name!r} leaves the archive, which is refused")
    if unpacked > RATIO_FROM and unpacked > MAX_RATIO * max(packed, 1):
        raise DatasetError(f"{path}: member {name!r} unpacks {packed:,} bytes to {unpacked:,}, which is refused")
    return str(posix)


class ZipArchive:
    """A zip file."""

    def __init__(self, path: Path) -> None:
        """Reads the directory. Raises `DatasetError`."""
        self.path = path
        self._file: zipfile.ZipFile | None = None
        try:
            with zipfile.ZipFile(path) as file:
                infos = file.infolist()
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise DatasetError(f"{path}: damaged zip file: {error}") from error
        self._members = {
            _check(path, info.filename, info.file_size, info.compress_size): info for info in infos if not info.is_dir()
        }
        self.names = frozenset(self._members)

    def size(self, name: str) -> int:
        return self._members[name].file_size

    def open(self, name: str) -> BinaryIO:
        try:
            if self._file is None:
                self._file = zipfile.ZipFile(self.path)
            member: IO[bytes] = self._file.open(self._members[name])
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
            raise DatasetError(f"{self.path}: member {name!r} cannot be read: {error}") from error
        return member  # type: ignore[return-value]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class TarArchive:
    """A tar file, compressed or not.

    A compressed one has no random access: when its first member is read it is unpacked, as one tar, into an unnamed
    temporary file that vanishes when the archive is closed.
    """

    def __init__(self, path: Path) -> None:
        """Reads all headers. Raises `DatasetError`."""
        self.path = path
        self._plain: IO[bytes] | None = None
        self._lock = threading.Lock()
        self._members: dict[str, tuple[int, int]] = {}
        packed = path.stat().st_size
        try:
            with tarfile.open(path) as file:
                for info in file:
                    name = _check(path, info.name, info.offset_data + info.size, packed)
                    if info.isreg() and not info.sparse:
                        self._members[name] = (info.offset_data, info.size)
        except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
            raise DatasetError(f"{path}: damaged tar file: {error}") from error
        self.names = frozenset(self._members)

    def size(self, name: str) -> int:
        return self._members[name][1]

    def open(self, name: str) -> BinaryIO:
        offset, size = self._members[name]
        return io.BufferedReader(_Slice(self._bytes(), offset, size), 1 << 16)

    def close(self) -> None:
        with self._lock:
            if self._plain is not None:
                self._plain.close()
                self._plain = None

    def _bytes(self) -> IO[bytes]:
        with self._lock:
            if self._plain is None:
                try:
                    with tarfile.open(self.path, "r:"):
                        self._plain = self.path.open("rb")
                except tarfile.ReadError:
                    self._plain = self._unpacked()
            return self._plain

    def _unpacked(self) -> IO[bytes]:
        file = tempfile.TemporaryFile(prefix="vista-tar-")  # noqa: SIM115  (`close` closes it)
        try:
            with tarfile.open(self.path) as packed:
                source: Any = packed.fileobj
                source.seek(0)
                shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            file.close()
            raise DatasetError(f"{self.path}: damaged tar file: {error}") from error
        return file


class _Slice(io.RawIOBase):
    """Bytes `offset` to `offset + size` of a file, read without moving its position, so that slices do not meet."""

    def __init__(self, file: IO[bytes], offset: int, size: int) -> None:
        self._handle, self._at, self._end = file, offset, offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._handle.fileno(), min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
