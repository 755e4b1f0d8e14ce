"""Geometry3K (Lu et al., 2021, arXiv 2105.04165, Inter-GPS): diagrams with four choices and formal language.

Release: `{train,val,test}/<id>/{data.json,logic_form.json,img_diagram.png}`, folders or zips. Mirror:
`hiyouga/geometry3k` (`images, problem, answer`, later also `choices, ground_truth`), whose questions are open without
choices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.dialogue import build_problem, problems
from envs.datasets.fields import letter, letter_index, texts, without_tags
from envs.datasets.layout import Item, Layout, Raw, Records, register_adapter
from envs.datasets.mirror import cell_images
from envs.datasets.reader import SPLITS, RecordError, text_field
from envs.datasets.registry import DatasetError
from envs.datasets.release import Release, parent
from envs.task import Task

_METADATA = (
    "problem_type_graph", "problem_type_goal", "precise_value", "rough_value", "compact_choices", "unit", "source",
    "annotat_text",
)  # fmt: skip


def _find(release: Release) -> Mapping[str, Records]:
    found = {split: release.find(f"{split}/*/data.json") for split in SPLITS}
    return {split: partial(_problems, release, names) for split, names in found.items() if names}


def _problems(release: Release, names: list[str]) -> Iterator[Raw]:
    by_id = {parent(name).rstrip("/").rpartition("/")[2]: name for name in names}
    for id in sorted(by_id, key=lambda text: (len(text), text)):  # numbers in order
        record: Any
        try:
            record = {**release.json(by_id[id], dict), "folder": parent(by_id[id]), "released_id": id}
        except DatasetError as error:
            record = RecordError("malformed record", str(error))
        yield Raw(id, by_id[id], record)


def _build(item: Item) -> Task:
    record, folder = item.record, item.record["folder"]
    question = text_field(record, "problem_text", "question missing")
    choices = texts(record, "choices", "choices missing")
    index = _answer(record, "answer", len(choices))
    metadata = {
        "original_id": record["released_id"],
        "answer_letter": letter(index),
        "answer_index": index,
        "has_logic_form": False,
        **{name: record.get(name) for name in _METADATA},
    }
    form = f"{folder}logic_form.json"
    if item.release.has(form):
        try:
            logic = item.release.json(form, dict)
        except DatasetError as error:
            raise RecordError("annotation unreadable", str(error)) from error
        names = ("text_logic_form", "dissolved_text_logic_form", "diagram_logic_form")
        metadata |= {"has_logic_form": True, **{name: logic.get(name) for name in names}}
    image = item.release.image(f"{folder}img_diagram.png")
    return item.task(question, choices[index], [image], choices=choices, metadata=metadata)


def _answer(record: dict[str, Any], name: str, count: int) -> int:
    text = text_field(record, name, "answer missing")
    index = letter_index(text, count)
    if index is None:
        raise RecordError("answer not among the choices", f"field {name!r} is {text!r}, there are {count} choices")
    return index


def _build_row(item: Item) -> Task:
    record = item.record
    if not record.get("choices"):
        return build_problem(item)
    choices = texts(record, "choices")
    index = _answer(record, "ground_truth", len(choices))
    images = cell_images(item, "images")
    return item.task(
        without_tags(text_field(record, "problem", "question missing")), choices[index], images, choices=choices,
        metadata={"answer_letter": letter(index), "answer_index": index, "original_id": record.get("id"),
                  "released_answer": record.get("answer")},
    )  # fmt: skip


_rows = problems("images", "answer")
register_adapter(
    "geometry3k",
    title="Geometry3K",
    task_type="geometry",
    layout="{train,val,test}/<id>/data.json with img_diagram.png and logic_form.json, in folders or zips, "
    "or Parquet files with columns images, problem, answer",
    layouts=(Layout(_find, _build), Layout(_rows.find, _build_row, certain=False)),
)
