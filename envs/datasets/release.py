"""`Release`: the files of a raw release by name, whether they lie in its folder or in the archives it came as.

An archive's members count as lying beside the archive, which is where unpacking it would have put them.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from envs.datasets.archive import SUFFIXES, Archive, open_archive
from envs.datasets.json_stream import stream_lines, stream_list, stream_object
from envs.datasets.reader import ImageReader, RecordError, safe_name
from envs.datasets.registry import DatasetError
from tools.image import Image

MAX_IMAGE_BYTES = 128 << 20
"""An image file above this many bytes is not read."""
_DEPTHS = ("", "*/", "*/*/")


class Release:
    """Attributes:
    path: what the user named, a folder, an archive or one file.
    root: the folder that names are relative to.
    shallow: whether it is only looked at, to tell which dataset it is.
    """

    def __init__(self, path: Path, *, shallow: bool = False) -> None:
        """`shallow`: compressed tars, which cost time to look into, are left closed."""
        self.path = path
        self.root = path if path.is_dir() else path.parent
        self.shallow = shallow
        self._found: list[tuple[str, Archive]] | None = None
        self._images = ImageReader()

    def find(self, *patterns: str) -> list[str]:
        """Names of the files that match a glob pattern, from the folder or up to two levels below it, sorted.

        A name is a path relative to `root`; members of archives match at any depth.
        """
        names: set[str] = set()
        for pattern in patterns:
            if self.path.is_dir():
                for depth in _DEPTHS:
                    names |= {p.relative_to(self.root).as_posix() for p in self.root.glob(depth + pattern)}
            elif not _is_archive(self.path.name) and self.path.match(pattern.rpartition("/")[2]):
                names.add(self.path.name)
            for base, archive in self._archives():
                names |= {base + name for name in archive.names if PurePosixPath(name).match(pattern)}
        hidden = (name for name in names if "__MACOSX" in name or PurePosixPath(name).name.startswith("._"))
        return sorted(names.difference(hidden))

    def folders(self, pattern: str) -> list[str]:
        """The folders, each once, that hold a file of that pattern."""
        return sorted({parent(name) for name in self.find(pattern)})

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.root / name).is_file() or self._member(name) is not None

    def open(self, name: str) -> BinaryIO:
        """A file for reading. Raises `DatasetError` when it is not there or cannot be read."""
        try:
            return (self.root / name).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            found = self._member(name)
            if found is None:
                raise DatasetError(f"{self.root / name}: no such file, in the folder or in an archive") from None
            return found[0].open(found[1])
        except OSError as error:
            raise DatasetError(f"{self.root / name}: cannot be read: {error.strerror or error}") from error

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises `DatasetError`."""
        try:
            with self.open(name) as file:
                return file.read()
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise DatasetError(f"{self.root / name}: cannot be read: {error}") from error

    def json(self, name: str, kind: type[list] | type[dict]) -> Any:
        """A small JSON file whose top level is a list (or dict). Raises `DatasetError`."""
        try:
            content = json.loads(self.read(name).decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{self.root / name}: not JSON: {error}") from error
        if not isinstance(content, kind):
            raise DatasetError(f"{self.root / name}: expected a JSON {kind.__name__}, got {type(content).__name__}")
        return content

    def lines(self, name: str) -> list[str]:
        """The lines of a small text file, stripped, without blank ones. Raises `DatasetError`."""
        try:
            return [line.strip() for line in self.read(name).decode("utf-8-sig").splitlines() if line.strip()]
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.root / name}: not UTF-8 text: {error}") from error

    def records(self, name: str, key: str | None = None) -> Iterator[Any]:
        """The records of a JSON list, of a list under `key`, or of a `.jsonl` file, one at a time."""
        opened, shown = partial(self.open, name), str(self.root / name)
        return stream_lines(opened, shown) if name.endswith(".jsonl") else stream_list(opened, shown, key)

    def items(self, name: str) -> Iterator[tuple[str, Any]]:
        """The fields of a JSON object, one at a time."""
        return stream_object(partial(self.open, name), str(self.root / name))

    def image(self, *names: str) -> Image:
        """The first of these files that is there.

        Raises:
            RecordError: a name leaves the release, none is there, or the file is no image.
        """
        safe = [safe_name(name) for name in names]
        return self._images.get(safe[0], partial(self._image_bytes, safe), str(self.root / safe[0]))

    def _image_bytes(self, names: list[str]) -> bytes:
        for name in names:
            try:
                return (self.root / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                member = self._member(name)
            if member is not None:
                if (size := member[0].size(member[1])) > MAX_IMAGE_BYTES:
                    raise RecordError("image too large", f"{name}: {size:,} bytes, {MAX_IMAGE_BYTES:,} allowed")
                try:
                    return self.read(name)
                except DatasetError as error:
                    raise RecordError("image unreadable", str(error)) from error
        raise FileNotFoundError(2, f"no such file; looked for {', '.join(names)}")

    def _member(self, name: str) -> tuple[Archive, str] | None:
        for base, archive in self._archives():
            member = name.removeprefix(base)
            if name.startswith(base) and member in archive.names:
                return archive, member
        return None

    def close(self) -> None:
        """Lets go of the archives' files."""
        for _, archive in self._found or ():
            archive.close()

    def _archives(self) -> list[tuple[str, Archive]]:
        if self._found is None:
            if self.path.is_dir():
                files = list(_archive_files(self.root, len(_DEPTHS)))
            else:
                files = [self.path] if _is_archive(self.path.name) else []
            if self.shallow:
                files = [file for file in files if file.suffix.lower() in (".zip", ".tar")]
            self._found = []
            for file in sorted(files):
                folder = file.parent.relative_to(self.root).as_posix()
                self._found.append(("" if folder == "." else folder + "/", open_archive(file)))
        return self._found


def _archive_files(folder: Path, depth: int) -> Iterator[Path]:
    """The archives in a folder and the ones below it, `depth` levels in all."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read: {error.strerror or error}") from error
    for entry in found:
        if _is_archive(entry.name) and entry.is_file():
            yield Path(entry.path)
        elif depth > 1 and entry.is_dir():
            yield from _archive_files(Path(entry.path), depth - 1)


def _is_archive(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def parent(name: str) -> str:
    """The folder of a name: `""` at the root, else ending in a slash."""
    folder = str(PurePosixPath(name).parent)
    return "" if folder == "." else folder + "/"
