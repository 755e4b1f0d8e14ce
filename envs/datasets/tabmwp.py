"""TABMWP (Lu et al., 2023, arXiv 2209.14610, PromptPG): word problems over a table, given as a picture.

Release: `problems_{train,dev,test}.json` (or the part `problems_{dev1k,test1k}.json`, read only where the whole is not
there) and `tables/<pid>.png`. Mirror: the Cauldron.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from envs.datasets.dialogue import cauldron
from envs.datasets.fields import check_split, letter, texts
from envs.datasets.layout import Item, Layout, Raw, Records, object_records, register_adapter
from envs.datasets.reader import text_field
from envs.datasets.release import Release, parent
from envs.task import Task

_FILES = {"train": ("train",), "val": ("dev", "dev1k"), "test": ("test", "test1k")}
_FORMATS = {"integer_number": "integer", "decimal_number": "decimal"}


def _find(release: Release) -> Mapping[str, Records]:
    splits: dict[str, Records] = {}
    for split, parts in _FILES.items():
        for part in parts:
            if names := release.find(f"problems_{part}.json"):
                splits[split] = partial(_problems, release, names[0])
                break
    return splits


def _problems(release: Release, name: str) -> Iterator[Raw]:
    return object_records(release, name, folder=parent(name))


def _build(item: Item) -> Task:
    record = item.record
    check_split(record, "split", item.split)
    question = text_field(record, "question", "question missing")
    answer = text_field(record, "answer", "answer missing")
    choices = texts(record, "choices", "choices missing") if record.get("choices") is not None else ()
    index = choices.index(answer) if answer in choices else None
    metadata = {
        "original_id": record["pid"],
        "answer_index": index,
        "answer_letter": None if index is None else letter(index),
        "unit": record.get("unit"),
        "ques_type": record.get("ques_type"),
        "ans_type": record.get("ans_type"),
        "answer_format": _FORMATS.get(str(record.get("ans_type")), "text"),
        "grade_level": record.get("grade"),
        "table_dimensions": [record.get("row_num"), record.get("column_num")],
        "table_title": record.get("table_title"),
        "table_text": record.get("table"),
        "table_for_pd": record.get("table_for_pd"),
        "solution_explanation": record.get("solution"),
    }
    image = item.release.image(f"{record['folder']}tables/{record['pid']}.png")
    return item.task(question, answer, [image], choices=choices, metadata=metadata)


register_adapter(
    "tabmwp",
    title="TABMWP",
    task_type="chart",
    evaluation_only=True,
    layout="problems_{train,dev,test}.json (or dev1k, test1k) and tables/<pid>.png, or Parquet files of the Cauldron",
    layouts=(Layout(_find, _build), cauldron("tabmwp")),
)
