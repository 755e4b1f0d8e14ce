"""VizWiz-VQA (Gurari et al., 2018, arXiv 1802.08218): photos and questions of blind people, ten answers each.

Release: `Annotations/{train,val,test}.json` and `{train,val,test}/<image>`; test has no answers. All ten answers are
kept, repeated ones too, since the metric counts people; `answer` is the most frequent one, `unanswerable` among them.
Mirror: `lmms-lab/VizWiz-VQA` (`question_id, image, question, answers, category`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.fields import consensus
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, list_records, register_adapter, split_files
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import SPLITS, RecordError, encodable, text_field
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

_FILE = re.compile(r"nnotations/(?P<split>train|val|test)\.json$")


def _find(release: Release) -> Mapping[str, Records]:
    files = split_files(release, _FILE, *(f"[Aa]nnotations/{split}.json" for split in SPLITS))
    return by_split(files, partial(_questions, release))


def _questions(release: Release, name: str) -> Iterator[Raw]:
    return list_records(release, name, folder=parent(parent(name).rstrip("/")))


def _build(item: Item) -> Task:
    record, folder = item.record, item.record["folder"]
    name = text_field(record, "image", "image missing")
    image = item.release.image(*(f"{folder}{base}{name}" for base in (f"{item.split}/", f"Images/{item.split}/", "")))
    entries = record.get("answers")
    if entries is not None and not isinstance(entries, list):
        raise RecordError("malformed record", f"field 'answers': expected a list, got {type(entries).__name__}")
    pairs = [entry if isinstance(entry, dict) else {"answer": entry} for entry in entries or []]
    confidence = Counter(str(pair.get("answer_confidence")) for pair in pairs if pair.get("answer_confidence"))
    metadata = {
        "image_filename": name,
        "answer_type": record.get("answer_type"),
        "answerable": record.get("answerable"),
        "answer_confidence": confidence.most_common(1)[0][0] if confidence else None,
        "confidence_distribution": dict(confidence) or None,
    }
    return _task(item, image, [pair.get("answer") for pair in pairs], metadata)


def _build_row(item: Item) -> Task:
    record = item.record
    said = record.get("answers")
    metadata = {"question_id": record.get("question_id"), "answer_type": record.get("category")}
    return _task(item, cell_image(item, "image"), said if isinstance(said, list) else [], metadata)


def _task(item: Item, image: Image, said: list[Any], metadata: dict[str, Any]) -> Task:
    answers = [encodable(answer.strip(), "answers") for answer in said if isinstance(answer, str) and answer.strip()]
    if not answers and item.split != "test":
        raise RecordError("answer missing", "field 'answers' has no text")
    counts = {"all_answers": answers or None, "answer_count": len(answers) or None}
    question = text_field(item.record, "question", "question missing")
    answer = consensus(answers) if answers else ""
    return item.task(question, answer, [image], answers=answers, metadata={**metadata, **counts})


register_adapter(
    "vizwiz",
    title="VizWiz",
    task_type="science",
    layout="Annotations/{train,val,test}.json and {train,val,test}/ with the pictures (folders or zips), "
    "or Parquet files with columns question_id, image, question, answers, category",
    layouts=(
        Layout(_find, _build),
        mirror({"question_id", "image", "question", "answers", "category"}, _build_row, key="question_id"),
    ),
)
