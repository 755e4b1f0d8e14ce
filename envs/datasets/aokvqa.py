"""A-OKVQA (Schwenk et al., 2022, arXiv 2206.01718): COCO photos; each question twice, with choices and without.

Release: `aokvqa_v1p0_{train,val,test}.json` and COCO 2017 pictures `{split}2017/<12 digits>.jpg` (folders or zips);
test has no answers. A question becomes a multiple-choice task and a direct-answer task with all ten answers, repeated
ones too, since the metric counts people; the latter is left out where the release marks it as too difficult for it.
Mirror: `HuggingFaceM4/A-OKVQA`, the same fields with the picture in `image` and `direct_answers` written as text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.fields import check_split, consensus, index_field, letter, texts
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, register_adapter, split_files
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import RecordError, text_field
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

_FILE = re.compile(r"aokvqa_v1p0_(?P<split>train|val|test)\.json$")
_COLUMNS = {"image", "question_id", "question", "choices", "correct_choice_idx", "direct_answers", "rationales"}


def _find(release: Release) -> Mapping[str, Records]:
    return by_split(split_files(release, _FILE, "aokvqa_v1p0_*.json"), partial(_questions, release))


def _questions(release: Release, name: str) -> Iterator[Raw]:
    for n, record in enumerate(release.records(name)):
        where = f"{name} record {n}"
        if not isinstance(record, dict):
            yield Raw(str(n), where, record)
            continue
        record["folder"] = parent(name)
        for end, form in _forms(record):
            yield Raw(f"{record.get('question_id') or n}{end}", where, form)


def _forms(record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "-mc", {**record, "form": "mc"}
    if str(record.get("difficult_direct_answer")).lower() != "true":
        yield "-da", {**record, "form": "da"}


def _build(item: Item) -> Task:
    record, folder = item.record, item.record["folder"]
    id = record.get("image_id")
    if isinstance(id, bool) or not isinstance(id, int):
        raise RecordError("malformed record", f"field 'image_id': expected a number, got {id!r}")
    name = f"{item.split}2017/{id:012d}.jpg"
    above = parent(folder.rstrip("/")) if folder else ""
    places = [f"{base}{sub}{name}" for base in (folder, above, "") for sub in ("", "coco/", "images/", "coco/images/")]
    return _task(item, item.release.image(*dict.fromkeys(places)), {"image_id": id, "image_name": name})


def _build_row(item: Item) -> Task:
    return _task(item, cell_image(item, "image"), {})


def _task(item: Item, image: Image, found: dict[str, Any]) -> Task:
    record = item.record
    check_split(record, "split", item.split)
    question = text_field(record, "question", "question missing")
    answers = _answers(record)
    hidden = item.split == "test" and record.get("correct_choice_idx") in (None, -1) and not answers
    metadata: dict[str, Any] = {
        **found,
        "form": {"mc": "multiple_choice", "da": "direct_answer"}[record["form"]],
        "question_id": record.get("question_id"),
        "direct_answers": list(answers) or None,
        "rationales": record.get("rationales"),
        "difficult_direct_answer": record.get("difficult_direct_answer"),
    }
    if record["form"] == "da":
        if not answers and not hidden:
            raise RecordError("answer missing", "field 'direct_answers' is absent or empty")
        return item.task(question, consensus(answers) if answers else "", [image], answers=answers, metadata=metadata)
    choices = texts(record, "choices", "choices missing")
    if hidden:
        return item.task(question, "", [image], choices=choices, metadata=metadata)
    index = index_field(record, "correct_choice_idx", len(choices))
    metadata |= {"correct_choice_idx": index, "answer_index": index, "answer_letter": letter(index)}
    return item.task(question, choices[index], [image], choices=choices, metadata=metadata)


def _answers(record: dict[str, Any]) -> tuple[str, ...]:
    value = record.get("direct_answers")
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError) as error:
            raise RecordError("malformed record", f"field 'direct_answers': not a list: {error}") from error
    return texts({"direct_answers": value}, "direct_answers") if value else ()


register_adapter(
    "aokvqa",
    title="A-OKVQA",
    task_type="general",
    layout="aokvqa_v1p0_{train,val,test}.json and {train,val,test}2017/ of COCO (folders or zips), "
    "or Parquet files with columns " + ", ".join(sorted(_COLUMNS)),
    layouts=(
        Layout(_find, _build, archives="aokvqa_v1p0*.tar.gz"),
        mirror(_COLUMNS, _build_row, key="question_id", expand=_forms),
    ),
)
