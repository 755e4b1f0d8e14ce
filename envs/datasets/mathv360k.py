"""MathV360K (Shi et al., 2024, arXiv 2406.17294): 360,000 chats over 24 other sets.

Release: `train_samples_all_tuning.json` and `data_images/<source>/images/` (folder or zip). It holds items of TabMWP,
IconQA, PlotQA, CLEVR-Math, MapQA, AI2D and more, which a mixture must keep out of its tests: `metadata["source"]`.
Mirror: the folders `*(MathV360K)` of `lmms-lab/LLaVA-OneVision-Data` (`id, image, conversations, data_source`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from envs.datasets.dialogue import gold, split_choices, turns
from envs.datasets.layout import Item, Layout, Raw, Records, list_records, register_adapter
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import text_field
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image


def _find(release: Release) -> Mapping[str, Records]:
    names = release.find("train_samples_all_tuning.json")
    return {"train": partial(_chats, release, names[0])} if names else {}


def _chats(release: Release, name: str) -> Iterator[Raw]:
    return list_records(release, name, folder=parent(name))


def _build(item: Item) -> Task:
    folder, name = item.record["folder"], text_field(item.record, "image", "image missing")
    image = item.release.image(f"{folder}data_images/{name}", f"{folder}images_data/{name}", f"{folder}{name}")
    return _task(item, image, name, name.replace("\\", "/").partition("/")[0])


def _build_row(item: Item) -> Task:
    source = str(item.record.get("data_source") or "").removesuffix("(MathV360K)")
    return _task(item, cell_image(item, "image"), None, source or None)


def _task(item: Item, image: Image, name: str | None, source: str | None) -> Task:
    asked, reply = turns(item.record)
    question, choices = split_choices(asked)
    answer, metadata = gold(reply, choices)
    own = {"source": source, "image_filename": name, "original_id": item.record.get("id"), **metadata}
    return item.task(question, answer, [image], choices=choices, metadata=own)


register_adapter(
    "mathv360k",
    title="MathV360K",
    task_type="mathematics",
    layout="train_samples_all_tuning.json and data_images/ (folder or zip), "
    "or Parquet files with columns id, image, conversations, data_source",
    layouts=(Layout(_find, _build), mirror({"id", "image", "conversations", "data_source"}, _build_row)),
)
