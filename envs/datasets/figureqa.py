"""FigureQA (Kahou et al., 2018, arXiv 1710.07300): five archives of synthetic plots with yes/no questions.

Release: `{train1,validation1,validation2,no_annot_test1,no_annot_test2}/{qa_pairs.json,png/<image_index>.png}`; the
test parts have no answers. Mirrors: `vikhyatk/figureqa` (`image, qa`), the Cauldron.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.dialogue import cauldron, short_answer
from envs.datasets.fields import extras
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, list_records, register_adapter
from envs.datasets.mirror import cell_image, listed, mirror
from envs.datasets.reader import RecordError, text_field
from envs.datasets.release import Release, parent
from envs.task import Task

_PART = re.compile(r"(train|validation|no_annot_test)\d")
_SPLIT = {"train": "train", "validation": "val", "no_annot_test": "test"}
_YES_NO = {0: "No", 1: "Yes"}


def _find(release: Release) -> Mapping[str, Records]:
    parts = [(found[-1], name) for name in release.find("qa_pairs.json") if (found := _parts(name))]
    return by_split(((_SPLIT[part], name) for part, name in parts), partial(_pairs, release))


def _parts(name: str) -> list[str]:
    return [found[1] for part in name.split("/")[:-1] if (found := _PART.search(part))]


def _pairs(release: Release, name: str) -> Iterator[Raw]:
    part = next(found[0] for piece in reversed(name.split("/")[:-1]) if (found := _PART.search(piece)))
    return list_records(release, name, "qa_pairs", prefix=f"{part}-", folder=parent(name))


def _build(item: Item) -> Task:
    record = item.record
    question = text_field(record, "question_string", "question missing")
    index = text_field(record, "image_index")
    value = record.get("answer")
    if value is None and item.split != "test":
        raise RecordError("answer missing", "field 'answer' is absent")
    if value is not None and (not isinstance(value, int) or value not in _YES_NO):
        raise RecordError("malformed record", f"field 'answer': expected 0 or 1, got {value!r}")
    answer = "" if value is None else _YES_NO[value]
    metadata = {"yes_no_answer": answer or None, **extras(record, "question_string", "answer", "folder")}
    image = item.release.image(f"{record['folder']}png/{index}.png")
    return item.task(question, answer, [image], metadata=metadata)


def _expand(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for n, pair in enumerate(listed(row, "qa")):
        yield f"-{n}", {"image": row.get("image"), **(pair if isinstance(pair, dict) else {})}


def _build_pair(item: Item) -> Task:
    question = text_field(item.record, "question", "question missing")
    answer = short_answer(text_field(item.record, "answer", "answer missing")).capitalize()
    if answer not in _YES_NO.values():
        raise RecordError("malformed record", f"field 'answer': expected yes or no, got {answer!r}")
    return item.task(question, answer, [cell_image(item, "image")], metadata={"yes_no_answer": answer})


register_adapter(
    "figureqa",
    title="FigureQA",
    task_type="chart",
    layout="the parts train1, validation1|2, no_annot_test1|2 (folders or .tar.gz) with qa_pairs.json and png/, "
    "or Parquet files with columns image, qa",
    layouts=(
        Layout(_find, _build, archives="figureqa-*.tar.gz"),
        mirror({"image", "qa"}, _build_pair, expand=_expand),
        cauldron("figureqa"),
    ),
)
