"""DocVQA (Mathew et al., 2021, arXiv 2007.00398), task 1 of the Document VQA challenge.

Release: `{train,val}_v1.0_withQT.json` and `test_v1.0.json` with `{"data": [...]}`, pictures in `documents/`,
`spdocvqa_images/` or `<split>/documents/`; test has no answers. Mirror: `lmms-lab/DocVQA`, folder `DocVQA`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath

from envs.datasets.dialogue import cauldron
from envs.datasets.fields import check_split, extras, split_name, texts
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, list_records, register_adapter
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import text_field
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

_FILE = re.compile(r"(?:^|/)(train|val|test)_v1\.0(_withQT)?\.json$")


def _find(release: Release) -> Mapping[str, Records]:
    names = release.find("train_v1.0*.json", "val_v1.0*.json", "test_v1.0*.json")
    found = [(match, name) for name in names if (match := _FILE.search(name))]
    typed = {(match[1], parent(name)) for match, name in found if match[2]}  # the same questions, with their types
    kept = ((split_name(m[1]), name) for m, name in found if m[2] or (m[1], parent(name)) not in typed)
    return by_split(kept, partial(_questions, release))


def _questions(release: Release, name: str) -> Iterator[Raw]:
    return list_records(release, name, "data", id="questionId", folder=parent(name))


def answers_of(item: Item) -> tuple[str, ...]:
    """All accepted answers, each once; none in a test split. Raises `RecordError` when another split lacks them."""
    if item.split == "test" and not item.record.get("answers"):
        return ()
    return tuple(dict.fromkeys(texts(item.record, "answers", "answer missing")))


def _build(item: Item) -> Task:
    record = item.record
    folder, name = record["folder"], text_field(record, "image", "image missing")
    file = PurePosixPath(name.replace("\\", "/")).name
    above = parent(folder.rstrip("/")) if folder else ""
    image = item.release.image(
        f"{folder}{name}", f"{folder}spdocvqa_images/{file}", f"{above}spdocvqa_images/{file}", f"{above}{name}",
        f"{folder}{item.split}/{name}", f"{folder}{file}",
    )  # fmt: skip
    return _task(item, [image], file)


def _build_row(item: Item) -> Task:
    return _task(item, [cell_image(item, "image")], None)


def _task(item: Item, images: list[Image], file: str | None) -> Task:
    record = item.record
    check_split(record, "data_split", item.split)
    answers = answers_of(item)
    metadata = {
        "original_question_id": record.get("questionId"),
        "original_image_filename": file,
        **extras(record, "question", "questionId", "answers", "image", "folder"),
    }
    question = text_field(record, "question", "question missing")
    return item.task(question, answers[0] if answers else "", images, answers=answers, metadata=metadata)


register_adapter(
    "docvqa",
    title="DocVQA",
    task_type="document",
    layout="{train,val}_v1.0_withQT.json, test_v1.0.json and documents/ or spdocvqa_images/, "
    "or Parquet files with columns questionId, question, image, answers, ucsf_document_id",
    layouts=(
        Layout(_find, _build),
        mirror({"questionId", "question", "image", "answers", "ucsf_document_id"}, _build_row, key="questionId"),
        cauldron("docvqa"),
    ),
)
