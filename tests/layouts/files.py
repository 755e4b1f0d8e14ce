"""Writing a fixture: files by name, as a folder or packed, and Parquet mirrors."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq

Files = Mapping[str, Any]
"""Content by name: bytes as they are, anything else as JSON."""


@dataclass(frozen=True)
class Fixture:
    """A tiny release of one dataset in its exact layout, and its mirrors.

    Attributes:
        release: the files of the release.
        mirrors: the Parquet files of each mirror, as rows by file name.
        tasks: tasks of the release by split.
        skipped: records of the release that give none, by reason.
        mirror_tasks: tasks of each mirror by split.
        mirror_skipped: of each mirror.
    """

    release: Callable[[], Files]
    tasks: dict[str, int]
    skipped: dict[str, int] = field(default_factory=dict)
    mirrors: tuple[Callable[[], Mapping[str, list[dict[str, Any]]]], ...] = ()
    mirror_tasks: tuple[dict[str, int], ...] = ()
    mirror_skipped: tuple[dict[str, int], ...] = ()


def picture(seed: int = 0, kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    """A small encoded picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def cell(seed: int = 0) -> dict[str, Any]:
    """A picture as a mirror holds it."""
    return {"bytes": picture(seed), "path": None}


def encoded(content: Any) -> bytes:
    """The bytes of a file."""
    return content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()


def write(root: Path, files: Files) -> Path:
    """Writes a release as a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(content))
    return root


def write_zip(path: Path, files: Files) -> Path:
    """Packs files into a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, encoded(content))
    return path


def write_tar(path: Path, files: Files, mode: str = "w:gz") -> Path:
    """Packs files into a tar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(encoded(content))
            archive.addfile(info, io.BytesIO(encoded(content)))
    return path


def write_mirror(root: Path, tables: Mapping[str, list[dict[str, Any]]]) -> Path:
    """Writes Parquet files from rows."""
    for name, rows in tables.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
    return root


def cauldron(source: str, *turns: tuple[str, str]) -> dict[str, list[dict[str, Any]]]:
    """A mirror of the Cauldron: one row whose texts are all turns, one with the first turn again on another picture."""
    texts = [{"user": user, "assistant": assistant, "source": source} for user, assistant in turns]
    rows = [{"images": [cell(1)], "texts": texts}, {"images": [cell(2)], "texts": texts[:1]}]
    return {f"{source.lower()}/train-00000-of-00001-abc.parquet": rows}
