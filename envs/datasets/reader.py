"""What every adapter needs: JSON with clear errors, text fields, paths that stay inside the release, checked images."""

from __future__ import annotations

import csv
import io
import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import PIL.Image

from envs.datasets.registry import DatasetError
from tools.errors import ImageError
from tools.image import Image

SPLITS = ("train", "val", "test")


class RecordError(DatasetError):
    """One record is unusable: adapters turn it into a `Skip`.

    Attributes:
        reason: the class it is counted under.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def load_json(file: Path, kind: type[list] | type[dict] = list) -> Any:
    """A JSON file whose top level is a list (or dict); a byte-order mark is accepted.

    Raises:
        DatasetError: it cannot be read, is not JSON, or its top level is something else.
    """
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # also UnicodeDecodeError
        raise DatasetError(f"{file}: not JSON: {error}") from error
    if not isinstance(content, kind):
        raise DatasetError(f"{file}: expected a JSON {kind.__name__}, got {type(content).__name__}")
    return content


def parse_table(data: bytes, name: str) -> dict[str, Any] | None:
    """A CSV file as `{"columns": [...], "rows": [[...]]}`, cells as released; None when it is empty.

    Raises:
        RecordError: it is not UTF-8 text or not CSV.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))) if row]
    except (ValueError, csv.Error) as error:
        raise RecordError("table unreadable", f"{name}: {error}") from error
    return {"columns": rows[0], "rows": rows[1:]} if rows else None


def text_field(record: dict[str, Any], name: str, missing: str = "malformed record") -> str:
    """A record's text field, stripped; a number is taken as its text.

    Raises:
        RecordError: it is absent or blank (counted as `missing`), of another type, or not storable as UTF-8.
    """
    value = record.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RecordError(missing, f"field {name!r} is {'absent' if value is None else 'empty'}")
    if not isinstance(value, str):
        raise RecordError("malformed record", f"field {name!r}: expected text, got {type(value).__name__}")
    return encodable(value.strip(), name)


def encodable(text: str, name: str) -> str:
    """`text` itself. Raises `RecordError` when it holds half a surrogate pair, which UTF-8 cannot store."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RecordError("malformed record", f"field {name!r}: {error}") from error
    return text


def safe_path(root: Path, name: str) -> Path:
    """`root / name` for a relative name with either separator.

    Raises:
        RecordError: the name is absolute, has a drive letter, climbs with `..`, or holds a null byte.
    """
    return root / safe_name(name)


def safe_name(name: str) -> str:
    """A relative name in POSIX form. Raises `RecordError` when it is absolute, climbs, or holds a null byte."""
    posix = PurePosixPath(name.replace("\\", "/"))
    if posix.is_absolute() or PureWindowsPath(name).drive or ".." in posix.parts or "\0" in name:
        raise RecordError("unsafe image path", f"{name!r} leaves the release")
    return str(posix)


def check_image(data: bytes, name: str) -> Image:
    """Wraps encoded bytes after checking that the pixels can be read (PNG by its checksums, others by decoding).

    Raises:
        RecordError: they are no image, are corrupt or truncated, or too large (a decompression bomb).
    """
    try:
        image = Image.from_bytes(data, name)
        with PIL.Image.open(io.BytesIO(data)) as picture:
            if picture.format == "PNG":
                picture.verify()
            else:
                picture.draft(
                    "L", (1, 1)
                )  # a JPEG is read to its end all the same, but only its coarse pixels are made
                picture.load()
    except ImageError as error:
        reason = "image too large" if "allowed" in str(error) or "bomb" in str(error) else "image unreadable"
        raise RecordError(reason, str(error)) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise RecordError("image unreadable", f"{name}: corrupt pixel data: {error}") from error
    return image


class ImageReader:
    """Reads and checks image files; remembers the latest ones, since a picture's questions follow each other."""

    def __init__(self, keep: int = 256) -> None:
        self._keep = keep
        self._recent: OrderedDict[str, Image | RecordError] = OrderedDict()

    def read(self, path: Path) -> Image:
        """The image in a file. Raises `RecordError` when it is missing or damaged."""
        return self.get(str(path), path.read_bytes, str(path))

    def get(self, key: str, load: Callable[[], bytes], name: str) -> Image:
        """The image whose bytes `load` gives, called once per `key`. Raises `RecordError`; `name` is for messages."""
        found = self._recent.get(key)
        if found is None:
            try:
                found = check_image(load(), name)
            except OSError as error:
                found = RecordError("image missing", f"{name}: {error.strerror or error}")
            except RecordError as error:
                found = error
            self._recent[key] = found
            if len(self._recent) > self._keep:
                self._recent.popitem(last=False)
        if isinstance(found, RecordError):
            raise found
        return found
