"""ScienceQA (Lu et al., 2022, arXiv 2209.09513): school science with 2 to 5 choices, about half with a picture.

Release: `{problems.json,pid_splits.json}` and `images/<split>/<pid>/image.png`. A problem's `hint` is text that the
question refers to: it comes before the question. Mirror: `derek-thomas/ScienceQA`, the same fields with the picture in
`image`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.fields import check_split, extras, index_field, letter, texts
from envs.datasets.layout import Item, Layout, Raw, Records, register_adapter
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import SPLITS, text_field
from envs.datasets.registry import DatasetError
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

_COLUMNS = {"image", "question", "choices", "answer", "hint", "lecture", "solution"}


def _find(release: Release) -> Mapping[str, Records]:
    for name in release.find("problems.json"):
        table = f"{parent(name)}pid_splits.json"
        if release.has(table):
            pids = release.json(table, dict)
            found = {split: pids[split] for split in SPLITS if isinstance(pids.get(split), list)}
            if found:
                return {split: partial(_problems, release, name, frozenset(ids)) for split, ids in found.items()}
    return {}


def _problems(release: Release, name: str, wanted: frozenset[str]) -> Iterator[Raw]:
    missing = set(wanted)
    for pid, record in release.items(name):
        if pid in wanted:
            missing.discard(pid)
            if isinstance(record, dict):
                record |= {"pid": pid, "folder": parent(name)}
            yield Raw(pid, f"{name} problem {pid}", record)
    if missing:
        raise DatasetError(
            f"{release.root / name}: {len(missing)} problems of pid_splits.json are missing, such as {min(missing)}"
        )


def _build(item: Item) -> Task:
    record, images = item.record, []
    if record.get("image") is not None:
        file, pid = text_field(record, "image"), record["pid"]
        split, folder = record.get("split") or item.split, record["folder"]
        images.append(item.release.image(f"{folder}images/{split}/{pid}/{file}", f"{folder}{split}/{pid}/{file}"))
    return _task(item, images)


def _build_row(item: Item) -> Task:
    return _task(item, [cell_image(item, "image")] if item.record.get("image") is not None else [])


def _task(item: Item, images: list[Image]) -> Task:
    record = item.record
    check_split(record, "split", item.split)
    question = text_field(record, "question", "question missing")
    if record.get("hint"):
        question = f"{text_field(record, 'hint')}\n{question}"
    choices = texts(record, "choices", "choices missing")
    index = index_field(record, "answer", len(choices))
    metadata: dict[str, Any] = {
        "answer_index": index,
        "answer_letter": letter(index),
        "original_subject": record.get("subject"),
        "original_topic": record.get("topic"),
        "skills": record.get("skill"),
        **extras(record, "question", "choices", "answer", "image", "folder", "subject", "topic", "skill"),
    }
    return item.task(question, choices[index], images, choices=choices, metadata=metadata)


register_adapter(
    "scienceqa",
    title="ScienceQA",
    task_type="science",
    layout="problems.json, pid_splits.json and images/{train,val,test}/<pid>/ (folders or zips), "
    "or Parquet files with columns image, question, choices, answer, hint, lecture, solution",
    layouts=(Layout(_find, _build), mirror(_COLUMNS, _build_row)),
)
