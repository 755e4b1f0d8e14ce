"""MathVista (Lu et al., 2024, arXiv 2310.02255): visual mathematics from 31 other sets.

Release: `data/{testmini,test}.json` (an object by pid) and `images/`; test has no answers. A unit is part of what is
asked, so it is written after the question as the authors do. Mirror: `AI4Math/MathVista`, the same fields with the
picture in `decoded_image`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.fields import letter, texts
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, object_records, register_adapter
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import RecordError, text_field
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

_COLUMNS = {
    "pid",
    "question",
    "decoded_image",
    "choices",
    "unit",
    "precision",
    "answer",
    "question_type",
    "answer_type",
}


def _find(release: Release) -> Mapping[str, Records]:
    names = release.find("data/testmini.json", "data/test.json") or release.find("testmini.json")
    return by_split((("test", name) for name in names), partial(_problems, release))


def _problems(release: Release, name: str) -> Iterator[Raw]:
    return object_records(release, name, folder=parent(name))


def _build(item: Item) -> Task:
    folder, name = item.record["folder"], text_field(item.record, "image", "image missing")
    above = parent(folder.rstrip("/")) if folder else ""
    return _task(item, item.release.image(f"{above}{name}", f"{folder}{name}"))


def _build_row(item: Item) -> Task:
    return _task(item, cell_image(item, "decoded_image"))


def _task(item: Item, image: Image) -> Task:
    record = item.record
    question = text_field(record, "question", "question missing")
    if record.get("unit"):
        question = f"{question} (Unit: {text_field(record, 'unit')})"
    choices: tuple[str, ...] = ()
    if record.get("question_type") == "multi_choice" or record.get("choices"):
        choices = texts(record, "choices", "choices missing")
    answer = "" if record.get("answer") in (None, "") else text_field(record, "answer")
    own = record.get("metadata")
    if own is not None and not isinstance(own, dict):
        raise RecordError("malformed record", f"field 'metadata': expected an object, got {type(own).__name__}")
    metadata: dict[str, Any] = {
        **(own or {}),
        "original_id": record.get("pid"),
        "image_filename": record.get("image"),
        "question_type": record.get("question_type"),
        "answer_type": record.get("answer_type"),
        "precision": record.get("precision"),
        "unit": record.get("unit"),
    }
    if answer in choices:
        index = choices.index(answer)
        metadata |= {"answer_index": index, "answer_letter": letter(index)}
    return item.task(question, answer, [image], choices=choices, metadata=metadata)


register_adapter(
    "mathvista",
    title="MathVista",
    task_type="mathematics",
    evaluation_only=True,
    layout="data/testmini.json and images/ (folders or zips), or Parquet files with columns "
    + ", ".join(sorted(_COLUMNS)),
    layouts=(Layout(_find, _build), mirror(_COLUMNS, _build_row, key="pid")),
)
