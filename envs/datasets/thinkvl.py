"""ThinkVL: chats that reason about a picture and end in a short answer, as in `ydeng9/OpenVLThinker-sft-iter3`.

Layouts: a JSON list or `.jsonl` of `{"messages": [{"role", "content"}], "images": ["path"]}` (or `conversations`,
`image`, or `question` and `answer`), or Parquet files with columns `messages, images`. Only a reply with a short answer
(`\\boxed{}`, `<answer>`, `The answer is`) makes a task: captions cannot be graded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.dialogue import gold, short_answer, split_choices, turns
from envs.datasets.layout import Item, Layout, Raw, Records, register_adapter
from envs.datasets.mirror import cell_images, mirror
from envs.datasets.reader import RecordError, text_field
from envs.datasets.registry import DatasetError
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

MAX_ANSWER = 100
"""Characters of the longest answer that is short."""


def _find(release: Release) -> Mapping[str, Records]:
    names = [name for name in release.find("*.json", "*.jsonl") if _is_chat(release, name)]
    return {"train": partial(_chats, release, names)} if names else {}


def _is_chat(release: Release, name: str) -> bool:
    try:
        first = next(release.records(name), None)
    except DatasetError:
        return False
    keys = first.keys() if isinstance(first, dict) else set()
    return bool(keys & {"images", "image"}) and bool(keys & {"messages", "conversations", "question"})


def _chats(release: Release, names: list[str]) -> Iterator[Raw]:
    n = 0
    for name in names:
        for record in release.records(name):
            if isinstance(record, dict):
                record["folder"] = parent(name)
            yield Raw(str(n), f"{name} record {n}", record)
            n += 1


def _build(item: Item) -> Task:
    record = item.record
    value = record.get("images", record.get("image"))
    names = value if isinstance(value, list) else [] if value is None else [value]
    texts = [text_field({"images": name}, "images", "image missing") for name in names]
    return _task(item, [item.release.image(f"{record['folder']}{text}", text) for text in texts])


def _build_row(item: Item) -> Task:
    return _task(item, cell_images(item, "images"))


def _task(item: Item, images: list[Image]) -> Task:
    record = item.record
    if "messages" in record or "conversations" in record:
        asked, reply = turns(record)
    else:
        asked = text_field(record, "question", "question missing")
        reply = text_field(record, "answer", "answer missing")
    question, choices = split_choices(asked)
    answer = short_answer(reply)
    if len(answer) > MAX_ANSWER or "\n" in answer:
        raise RecordError("no short answer", f"the reply ends in no short answer: {reply[-60:]!r}")
    answer, metadata = gold(reply, choices)
    reasoning: dict[str, Any] = {"reasoning": reply} if reply != answer else {}
    return item.task(question, answer, images, choices=choices, metadata={**metadata, **reasoning})


register_adapter(
    "thinkvl",
    title="ThinkVL",
    task_type="general",
    layout="a .json list or .jsonl of chats (messages, images) and the pictures it names, "
    "or Parquet files with columns messages, images",
    layouts=(Layout(_find, _build, certain=False), mirror({"messages", "images"}, _build_row)),
)
