"""JSON files of any size, one record at a time: lists, objects, and one record to a line."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import ijson

from envs.datasets.registry import DatasetError

Open = Callable[[], BinaryIO]
"""Opens the file from its start; may be called again."""

_BOM = b"\xef\xbb\xbf"


class _Text:
    """What ijson reads from: the file without its byte-order mark, with its first character looked at."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        head = file.read(1024)
        self._head = head.removeprefix(_BOM)
        self.first = self._head.lstrip()[:1]

    def read(self, size: int = -1) -> bytes:
        if size == 0:  # how ijson learns that it reads bytes
            return b""
        head, self._head = self._head, b""
        return head or self._file.read(size)


def stream_list(opened: Open, name: str, key: str | None = None) -> Iterator[Any]:
    """The records of a list: the whole file, or (where the file is an object) its field `key`.

    Raises:
        DatasetError: the file is not JSON, or no list is there. `name` is what messages call it.
    """
    found = False
    with opened() as file:
        text = _Text(file)
        at = "item" if text.first == b"[" or key is None else f"{key}.item"
        expected = (b"[",) if key is None else (b"[", b"{")
        if text.first not in expected:
            kinds = "a JSON list" if key is None else f"a JSON list, or an object with {key!r}"
            raise DatasetError(f"{name}: expected {kinds}, found {text.first.decode('latin-1') or 'nothing'!r}")
        for record in _parsed(ijson.items(text, at, use_float=True), name):
            found = True
            yield record
    if not found and at != "item" and key is not None:
        _check_list(opened, name, key)


def _check_list(opened: Open, name: str, key: str) -> None:
    """An object that gave no record: its field must at least be an empty list."""
    with opened() as file:
        for prefix, event, _ in _parsed(ijson.parse(_Text(file)), name):
            if prefix == key:
                if event != "start_array":
                    raise DatasetError(f"{name}: field {key!r}: expected a list, got {event.removeprefix('start_')}")
                return
    raise DatasetError(f"{name}: no field {key!r}")


def stream_object(opened: Open, name: str) -> Iterator[tuple[str, Any]]:
    """The fields of a JSON object, in order. Raises `DatasetError` when the file is none."""
    with opened() as file:
        text = _Text(file)
        if text.first != b"{":
            raise DatasetError(f"{name}: expected a JSON object, found {text.first.decode('latin-1') or 'nothing'!r}")
        yield from _parsed(ijson.kvitems(text, "", use_float=True), name)


def stream_lines(opened: Open, name: str) -> Iterator[Any]:
    """One JSON value per line; blank lines are passed over. Raises `DatasetError` naming the line that is not JSON."""
    with opened() as file:
        for n, line in enumerate(file, 1):
            if n == 1:
                line = line.removeprefix(_BOM)
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise DatasetError(f"{name}: line {n}: not JSON: {error}") from error


def _parsed(events: Iterator[Any], name: str) -> Iterator[Any]:
    try:
        yield from events
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        raise DatasetError(f"{name}: not JSON: {error}") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DatasetError(f"{name}: cannot be read: {error}") from error
