"""MATH-Vision (Wang et al., 2024, arXiv 2402.14804): competition problems with a picture, half with five choices.

Release: `data/{test,testmini}.jsonl` and `images/<id>.jpg`. testmini is a part of test: it is read only where test is
not there. Mirror: `MathLLMs/MathVision`, the same fields with the picture in `decoded_image`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from envs.datasets.fields import letter, letter_index, named_tags, texts, without_tags
from envs.datasets.layout import Item, Layout, Raw, Records, list_records, register_adapter
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import RecordError, text_field
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

_COLUMNS = {"id", "question", "options", "decoded_image", "answer", "level", "subject"}


def _find(release: Release) -> Mapping[str, Records]:
    names = release.find("test.jsonl") or release.find("testmini.jsonl")
    return {"test": partial(_problems, release, names[0])} if names else {}


def _problems(release: Release, name: str) -> Iterator[Raw]:
    return list_records(release, name, id="id", folder=parent(name))


def _build(item: Item) -> Task:
    record, folder = item.record, item.record["folder"]
    name = text_field(record, "image", "image missing")
    above = parent(folder.rstrip("/")) if folder else ""
    return _task(item, item.release.image(f"{above}{name}", f"{folder}{name}"))


def _build_row(item: Item) -> Task:
    return _task(item, cell_image(item, "decoded_image"))


def _task(item: Item, image: Image) -> Task:
    record = item.record
    question = without_tags(text_field(record, "question", "question missing"))
    answer = text_field(record, "answer", "answer missing")
    choices = tuple(named_tags(text) for text in texts(record, "options")) if record.get("options") else ()
    metadata = {
        "original_id": record.get("id"),
        "image_filename": record.get("image"),
        "level": record.get("level"),
        "subject": record.get("subject"),
        "solution": record.get("solution"),
    }
    if choices:
        index = letter_index(answer, len(choices))
        index = choices.index(answer) if index is None and answer in choices else index
        if index is None:
            raise RecordError("answer not among the choices", f"field 'answer' is {answer!r} of {len(choices)} choices")
        answer, metadata = choices[index], {**metadata, "answer_index": index, "answer_letter": letter(index)}
    return item.task(question, answer, [image], choices=choices, metadata=metadata)


_mini = mirror(_COLUMNS, _build_row, key="id", accept=lambda file: file.name.startswith("testmini"))
_full = mirror(_COLUMNS, _build_row, key="id", accept=lambda file: not file.name.startswith("testmini"))
register_adapter(
    "mathvision",
    title="MathVision",
    task_type="mathematics",
    layout="data/test.jsonl or data/testmini.jsonl and images/ (folders or zips), "
    "or Parquet files with columns " + ", ".join(sorted(_COLUMNS)),
    layouts=(Layout(_find, _build), _full, _mini),
)
