"""InfographicVQA (Mathew et al., 2022, arXiv 2104.12756), task 3 of the Document VQA challenge.

Release: `infographicsVQA_{train_v1.0,val_v1.0_withQT,test_v1.0}.json` with `{"data": [...]}` and
`infographicsvqa_images/<image_local_name>`; test has no answers. An answer of several spans is released as one text,
the spans joined by `, ` in any order. Mirror: `lmms-lab/DocVQA`, folder `InfographicVQA`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial

from envs.datasets.dialogue import cauldron
from envs.datasets.docvqa import answers_of
from envs.datasets.fields import check_split, extras
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, list_records, register_adapter, split_files
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import text_field
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

_FILE = re.compile(r"infographicsVQA_(?P<split>train|val|test)_v1\.0(_withQT)?\.json$", re.IGNORECASE)


def _find(release: Release) -> Mapping[str, Records]:
    files = split_files(release, _FILE, "infographicsVQA_*.json", "infographicsvqa_*.json")
    return by_split(files, partial(_questions, release))


def _questions(release: Release, name: str) -> Iterator[Raw]:
    return list_records(release, name, "data", id="questionId", folder=parent(name))


def _build(item: Item) -> Task:
    folder, name = item.record["folder"], text_field(item.record, "image_local_name", "image missing")
    above = parent(folder.rstrip("/")) if folder else ""
    places = [f"{base}{sub}{name}" for base in (folder, above) for sub in ("infographicsvqa_images/", "images/", "")]
    return _task(item, item.release.image(*dict.fromkeys(places)))


def _build_row(item: Item) -> Task:
    return _task(item, cell_image(item, "image"))


def _task(item: Item, image: Image) -> Task:
    record = item.record
    check_split(record, "data_split", item.split)
    answers = answers_of(item)
    kinds = record.get("answer_type")
    spans = isinstance(kinds, list) and any(str(kind).lower() == "multi-span" for kind in kinds)
    metadata = {
        "original_question_id": record.get("questionId"),
        "multi_span": spans,
        **extras(record, "question", "questionId", "answers", "image", "folder", "ocr"),
    }
    question = text_field(record, "question", "question missing")
    return item.task(question, answers[0] if answers else "", [image], answers=answers, metadata=metadata)


register_adapter(
    "infographicvqa",
    title="InfographicVQA",
    task_type="geospatial",
    layout="infographicsVQA_{train,val,test}_v1.0*.json and infographicsvqa_images/, "
    "or Parquet files with columns questionId, question, image, answers, operation/reasoning",
    layouts=(
        Layout(_find, _build),
        mirror({"questionId", "question", "image", "answers", "operation/reasoning"}, _build_row, key="questionId"),
        cauldron("infographicvqa"),
    ),
)
