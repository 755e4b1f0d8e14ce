"""IconQA (Lu et al., 2021, arXiv 2110.13214): abstract diagrams in three sub-tasks.

Release: `iconqa_data/{problems.json,pid_splits.json}` and `iconqa/<split>/<sub-task>/<pid>/` with `image.png`,
`data.json` and `choice_k.png` (folder or zip; `problems.json` may be absent). In `choose_img` the choices are pictures:
they follow the question's picture, and the choices read `image 2`, `image 3` ... Mirror: `lmms-lab/ICON-QA`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.fields import index_field, letter, texts
from envs.datasets.layout import Item, Layout, Raw, Records, register_adapter
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import SPLITS, RecordError, text_field
from envs.datasets.registry import DatasetError
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

SUB_TASKS = ("choose_txt", "choose_img", "fill_in_blank")
_COLUMNS = {"question_id", "question", "choices", "answer", "query_image", "ques_type"}


def _find(release: Release) -> Mapping[str, Records]:
    for name in release.find("pid_splits.json"):
        pids = release.json(name, dict)
        splits = {
            split: {pid: task for task in SUB_TASKS for pid in pids.get(f"{task}_{split}") or ()} for split in SPLITS
        }
        if any(splits.values()):
            return {split: partial(_problems, release, name, split, found) for split, found in splits.items() if found}
    return {}


def _problems(release: Release, table: str, split: str, tasks: dict[str, str]) -> Iterator[Raw]:
    folder, name = parent(table), f"{parent(table)}problems.json"
    read = release.items(name) if release.has(name) else _files(release, folder, split, tasks)
    for pid, record in read:
        if pid in tasks:
            if isinstance(record, dict):
                place = f"{folder}iconqa/{split}/{tasks[pid]}/{pid}/"
                record = {**record, "pid": pid, "sub_task": tasks[pid], "folder": place}
            yield Raw(pid, f"problem {pid}", record)


def _files(release: Release, folder: str, split: str, tasks: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for pid, task in tasks.items():
        try:
            yield pid, release.json(f"{folder}iconqa/{split}/{task}/{pid}/data.json", dict)
        except DatasetError as error:
            yield pid, RecordError("malformed record", str(error))


def _build(item: Item) -> Task:
    record, folder = item.record, item.record["folder"]
    images = [item.release.image(f"{folder}image.png")]
    if record["sub_task"] == "choose_img":
        files = texts(record, "choices", "choices missing")
        images += [item.release.image(f"{folder}{file}") for file in files]
    choices = texts(record, "choices", "choices missing") if record["sub_task"] == "choose_txt" else ()
    return _task(item, record["sub_task"], images, choices)


def _build_row(item: Item) -> Task:
    record = item.record
    task = text_field(record, "ques_type")
    images = [cell_image(item, "query_image")]
    choices: tuple[str, ...] = ()
    if task == "choose_img":
        names = sorted(name for name in record if name.startswith("choice_image_") and record[name] is not None)
        images += [cell_image(item, name) for name in names]
    elif task == "choose_txt":
        choices = tuple(text.strip() for text in text_field(record, "choices", "choices missing").split(","))
    return _task(item, task, images, choices)


def _task(item: Item, sub_task: str, images: list[Image], choices: tuple[str, ...]) -> Task:
    record = item.record
    metadata: dict[str, Any] = {
        "original_id": record.get("pid", record.get("question_id")),
        "task_type": sub_task,
        "grade": record.get("grade"),
        "label": record.get("label"),
        "skills": record.get("skills"),
    }
    question = text_field(record, "question", "question missing")
    if sub_task == "fill_in_blank":
        return item.task(question, text_field(record, "answer", "answer missing"), images, metadata=metadata)
    if sub_task == "choose_img":
        choices = tuple(f"image {n}" for n in range(2, len(images) + 1))
    elif sub_task != "choose_txt":
        raise RecordError("malformed record", f"field 'ques_type': no sub-task is called {sub_task!r}")
    index = _index(record, choices)
    metadata |= {"answer_index": index, "answer_letter": letter(index), "num_choices": len(choices)}
    return item.task(question, choices[index], images, choices=choices, metadata=metadata)


def _index(record: dict[str, Any], choices: tuple[str, ...]) -> int:
    """The answer is an index in the release; mirrors also write the choice itself, or its file (`choice_1.png`)."""
    value = record.get("answer")
    if isinstance(value, str):
        if value in choices:
            return choices.index(value)
        value = value.removeprefix("choice_").removesuffix(".png")
    return index_field({"answer": value}, "answer", len(choices))


register_adapter(
    "iconqa",
    title="IconQA",
    task_type="spatial",
    evaluation_only=True,
    layout="iconqa_data/ (or its zip) with pid_splits.json and iconqa/<split>/<sub-task>/<pid>/, "
    "or Parquet files with columns " + ", ".join(sorted(_COLUMNS)),
    layouts=(Layout(_find, _build), mirror(_COLUMNS, _build_row, key="question_id")),
)
