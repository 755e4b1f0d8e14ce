"""CLEVR-Math (Lindström and Abraham, 2022, arXiv 2208.05358): adding and taking away objects of CLEVR scenes.

Release: `clevr-math-{train,val,test}.json` (one or several folders, such as `multi-hop/`) in CLEVR's schema with whole
numbers as answers, beside `CLEVR_v1.0/images/`. Mirrors: the hub's Parquet conversion of `dali-does/clevr-math`
(`template, id, question, image, label`), the Cauldron.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.clevr import functions_of, scene_metadata
from envs.datasets.dialogue import cauldron
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, list_records, register_adapter, split_files
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import RecordError, text_field
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

_FILE = re.compile(r"clevr-math-(?P<split>train|val|test)\.json$")
_ANALYSIS = {
    "has_add": (r"\b(?:add|added|plus|more)\b", ("add", "addition")),
    "has_subtract": (r"\b(?:subtract|remove|take away)\w*\b", ("subtract", "subtraction")),
    "has_counting": (r"\bhow many\b", ("count",)),
    "has_existence": (r"\b(?:is|are) there\b", ("exist",)),
    "has_comparison": (r"\b(?:than|same number)\b", ("greater_than", "less_than", "equal_integer")),
    "has_remainder": (r"\b(?:left|remain\w*)\b", ()),
}


def _find(release: Release) -> Mapping[str, Records]:
    files = split_files(release, _FILE, "clevr-math-*.json")
    several = len({parent(name) for _, name in files}) > 1
    return by_split(files, partial(_questions, release, several))


def _questions(release: Release, several: bool, name: str) -> Iterator[Raw]:
    folder = parent(name)
    subset = folder.rstrip("/").rpartition("/")[2]
    prefix = f"{subset}-" if several and subset else ""
    return list_records(release, name, "questions", prefix=prefix, folder=folder, subset=subset or None)


def _build(item: Item) -> Task:
    record = item.record
    file = text_field(record, "image_filename", "image missing")
    folder = record["folder"]
    above = parent(folder.rstrip("/")) if folder else ""
    inside = (f"CLEVR_v1.0/images/{item.split}/", f"images/{item.split}/", "images/", f"{item.split}/", "")
    places = dict.fromkeys(f"{base}{sub}{file}" for base in (folder, above, "") for sub in inside)
    metadata = {**scene_metadata(record), "subset": record["subset"]}
    return _task(item, "answer", item.release.image(*places), metadata)


def _build_row(item: Item) -> Task:
    return _task(item, "label", cell_image(item, "image"), {"original_id": item.record.get("id")})


def _task(item: Item, field: str, image: Image, metadata: dict[str, Any]) -> Task:
    record = item.record
    question = text_field(record, "question", "question missing")
    answer = text_field(record, field, "answer missing")
    if not re.fullmatch(r"\d+", answer):
        raise RecordError("malformed record", f"field {field!r}: expected a whole number, got {answer!r}")
    functions = functions_of(record.get("program") or [])
    analysis = {
        name: bool(re.search(words, question, re.IGNORECASE)) or any(f in functions for f in names)
        for name, (words, names) in _ANALYSIS.items()
    }
    own = {"template": record.get("template"), "numeric_answer": int(answer), "question_analysis": analysis}
    return item.task(question, answer, [image], metadata={**metadata, **own})


register_adapter(
    "clevr_math",
    title="CLEVR-Math",
    task_type="spatial",
    evaluation_only=True,
    layout="clevr-math-{train,val,test}.json and CLEVR_v1.0/images/ (folders or zips), "
    "or Parquet files with columns template, id, question, image, label",
    layouts=(
        Layout(_find, _build),
        mirror({"template", "id", "question", "image", "label"}, _build_row),
        cauldron("clevrmath"),
    ),
)
