"""Upstream's unified format, the *vlmgym record*: a JSON list of `{"id", "image_path", "question", "answer", ...}`.

All its keys are read; those without a field of their own go into `Task.metadata` (a `metadata` object is merged in).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from envs.datasets.reader import SPLITS, ImageReader, RecordError, load_json, safe_path, text_field
from envs.datasets.registry import DatasetError, ReadRequest, Skip, register_dataset
from envs.task import Task
from tools.image import Image

_REQUIRED = {"id", "image_path", "question", "answer"}
_OWN = {"id", "dataset", "image_path", "question", "answer", "choices", "metadata"}
_TASK_TYPES = {
    "chart": "chart", "table": "chart", "geometry": "geometry", "geo": "geometry", "map": "geospatial",
    "science": "science", "diagram": "science", "document": "document", "doc": "document", "spatial": "spatial",
    "math": "mathematics",
}  # fmt: skip
"""First word of upstream's `task` (`chart_qa`, `diagram_qa`) -> our task type; anything else is `general`."""


def detect(path: Path) -> bool:
    """Whether `path` is a JSON file that starts a list of objects with the key `image_path`."""
    if not path.is_file() or path.suffix.lower() != ".json":
        return False
    try:
        with path.open(encoding="utf-8-sig") as file:
            start = file.read(65536)
    except (OSError, ValueError):
        return False
    return start.lstrip().startswith("[") and '"image_path"' in start


@register_dataset(
    "vlmgym",
    title="vlmgym records",
    layout='a .json file with a list of {"id", "image_path", "question", "answer", ...}',
    detect=detect,
)
def read(request: ReadRequest) -> Iterator[Task | Skip]:
    """Tasks of one file. `image_path` is relative to the data root, else to the file, or absolute.

    An absolute path of another machine is looked for by its longest tail under the data root.

    Raises:
        DatasetError: the file is no JSON list, its first record lacks a required key, or the split is absent.
    """
    records = load_json(request.source)
    first = records[0] if records else None
    if isinstance(first, dict) and not first.keys() >= _REQUIRED:
        missing = ", ".join(sorted(_REQUIRED - first.keys()))
        raise DatasetError(f"{request.source}: not vlmgym records: the first one has no {missing}")
    splits = [_split(record, request.source) for record in records]
    if request.split is not None and request.split not in splits:
        raise DatasetError(f"{request.source}: no split {request.split!r}; it has {', '.join(sorted(set(splits)))}")
    images, root = ImageReader(), request.data_root or request.source.parent
    taken: Counter[str] = Counter()
    for n, (record, split) in enumerate(zip(records, splits, strict=True)):
        if (request.split is not None and split != request.split) or taken[split] == request.limit:
            continue
        id = str(record.get("id", n)) if isinstance(record, dict) else str(n)
        try:
            yield _task(record, split, images, root)
            taken[split] += 1
        except RecordError as error:
            yield Skip(id, error.reason, f"{request.source.name} record {n}: {error.detail}")


def _split(record: Any, file: Path) -> str:
    """The record's own split, else the one in its source file's name, else in this file's name, else `train`."""
    metadata = record.get("metadata") if isinstance(record, dict) else None
    metadata = metadata if isinstance(metadata, dict) else {}
    for text in (metadata.get("split"), metadata.get("source_file"), file.name):
        for word in re.split(r"[^a-z]+", str(text or "").lower()):
            name = {"validation": "val", "dev": "val", "testmini": "test"}.get(word, word)
            if name in SPLITS:
                return name
    return "train"


def _task(record: Any, split: str, images: ImageReader, root: Path) -> Task:
    if not isinstance(record, dict):
        raise RecordError("malformed record", f"expected an object, got {type(record).__name__}")
    id = text_field(record, "id")
    question = text_field(record, "question", "question missing")
    answer = record.get("answer")
    answers = tuple(text_field({"answer": a}, "answer", "answer missing") for a in _list(answer) or [None])
    choices = tuple(text_field({"choices": c}, "choices") for c in _list(record.get("choices")))
    metadata = {**{k: v for k, v in record.items() if k not in _OWN}, **_object(record.get("metadata"))}
    kind = re.split(r"[^a-z]+", str(record.get("task", "chart")).lower())[0]
    return Task(
        id=id,
        dataset=str(record.get("dataset") or "vlmgym"),
        question=question,
        answer=answers[0],
        answers=answers if len(answers) > 1 else (),
        images=tuple(_image(path, images, root) for path in _list(record.get("image_path"))),
        task_type=_TASK_TYPES.get(kind, "general"),
        choices=choices,
        split=split,
        metadata=metadata,
    )


def _list(value: Any) -> list[Any]:
    """A list as it is, nothing for None, anything else as one entry."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RecordError("malformed record", f"field 'metadata': expected an object, got {type(value).__name__}")
    return value


def _image(name: Any, images: ImageReader, root: Path) -> Image:
    text = text_field({"image_path": name}, "image_path", "image missing")
    path = PurePosixPath(text.replace("\\", "/"))
    if not (path.is_absolute() or re.match(r"[A-Za-z]:/", str(path))):
        return images.read(safe_path(root, text))
    if Path(path).is_file():
        return images.read(Path(path))
    parts = path.parts[1:]
    tails = (safe_path(root, "/".join(parts[start:])) for start in range(len(parts)))
    found = next((tail for tail in tails if tail.is_file()), None)
    if found is None:
        raise RecordError("image missing", f"field 'image_path': {text} is not there, nor any tail of it under {root}")
    return images.read(found)
