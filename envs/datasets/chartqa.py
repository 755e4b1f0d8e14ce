"""ChartQA (Masry et al., 2022, arXiv 2203.10244): the released folder or zip, and the Hugging Face Parquet mirrors.

Released layout (https://github.com/vis-nlp/ChartQA): `{train,val,test}/{split}_{human,augmented}.json` with records
`{"imgname", "query", "label"}`, `png/<imgname>`, and optionally `tables/<stem>.csv` and `annotations/<stem>.json`.
Mirrors: `HuggingFaceM4/ChartQA` (`image, query, label: list, human_or_machine`), `ahmed-masry/ChartQA`
(`imgname, query, label, type, image`), one or several Parquet files per split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from envs.datasets import layout
from envs.datasets.fields import texts
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, register_adapter
from envs.datasets.mirror import cell_image, files_of, read_rows
from envs.datasets.reader import SPLITS, RecordError, parse_table, safe_name, text_field
from envs.datasets.registry import DatasetError, ReadRequest, Skip
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image

SOURCES = ("human", "augmented")


def _find(release: Release) -> Mapping[str, Records]:
    names = [(s, n) for s in SPLITS for source in SOURCES for n in release.find(f"{s}/{s}_{source}.json")]
    return by_split(names, partial(_records, release))


def _records(release: Release, name: str) -> Iterator[Raw]:
    file = PurePosixPath(name)
    source = file.stem.partition("_")[2]
    for n, record in enumerate(release.json(name, list)):
        if isinstance(record, dict):
            record = {"record": record, "folder": parent(name), "source": source}
        yield Raw(f"{source}-{n}", f"{file.name} record {n}", record)


def _build(item: Item) -> Task:
    record, folder = item.record["record"], item.record["folder"]
    name = text_field(record, "imgname")
    picture = f"{folder}png/{safe_name(name)}"
    extra = {k: v for k, v in record.items() if k not in ("imgname", "query", "label")}
    chart = _chart(item.release, folder, PurePosixPath(picture).stem)
    metadata = {"source": item.record["source"], "imgname": name, **chart, **extra}
    return _task(item, record, item.release.image(picture), metadata)


def _chart(release: Release, folder: str, stem: str) -> dict[str, Any]:
    """The chart's gold table, type and title where the release has them."""
    found: dict[str, Any] = {}
    table, annotation = f"{folder}tables/{stem}.csv", f"{folder}annotations/{stem}.json"
    if release.has(table):
        found["table"] = parse_table(release.read(table), table)
    if release.has(annotation):
        try:
            content = release.json(annotation, dict)
        except DatasetError as error:
            raise RecordError("annotation unreadable", str(error)) from error
        if isinstance(content.get("type"), str):
            found["chart_type"] = content["type"]
        info = content.get("general_figure_info")
        title = info.get("title") if isinstance(info, dict) else None
        if isinstance(title, dict) and isinstance(title.get("text"), str):
            found["title"] = title["text"]
    return found


def _find_mirror(release: Release) -> Mapping[str, Records]:
    files = files_of(release, {"image", "query", "label"})
    return {split: partial(_rows, found) for split, found in files.items()}


def _rows(files: list[Path]) -> Iterator[Raw]:
    position: Counter[str] = Counter()
    for file in files:
        for row in read_rows(file):
            source = _source(row)
            yield Raw(f"{source}-{position[source]}", file.name, {**row, "source": source})
            position[source] += 1


def _source(row: dict[str, Any]) -> str:
    """`human_or_machine` is 0 for human; the other mirror has a text column `type` such as `human_test`."""
    machine = row.get("human_or_machine")
    if machine is not None:
        return "human" if str(machine) in ("0", "human") else "augmented"
    return "human" if str(row.get("type", "")).startswith("human") else "augmented"


def _build_row(item: Item) -> Task:
    record, cell = item.record, item.record["image"]
    name = record.get("imgname") or (cell.get("path") if isinstance(cell, dict) else None)
    return _task(item, record, cell_image(item, "image"), {"source": record["source"], "imgname": name})


def _task(item: Item, record: dict[str, Any], image: Image, metadata: dict[str, Any]) -> Task:
    question = text_field(record, "query", "question missing")
    label = record.get("label")
    if isinstance(label, list):
        answers = texts(record, "label", "answer missing")
    else:
        answers = (text_field(record, "label", "answer missing"),)
    return item.task(question, answers[0], [image], answers=answers, metadata=metadata)


_LAYOUTS = (Layout(_find, _build), Layout(_find_mirror, _build_row))
_LAYOUT = (
    "a folder or zip with train|val|test/{split}_human|augmented.json and png/ (itself, or up to two levels below), "
    "or Parquet files train|val|test-*.parquet with columns image, query, label"
)


def read(request: ReadRequest) -> Iterator[Task | Skip]:
    """Tasks of a release or mirror, ids `chartqa-<split>-<human|augmented>-<n>` with n the record's position."""
    return read_as(request, "chartqa")


def read_as(request: ReadRequest, prefix: str) -> Iterator[Task | Skip]:
    """Like `read`, with another prefix for the ids (for sets that borrow ChartQA's layout)."""
    return layout.read(_LAYOUTS, "chartqa", "chart", f"ChartQA: looked for {_LAYOUT}", request, prefix)


register_adapter("chartqa", title="ChartQA", task_type="chart", layout=_LAYOUT, layouts=_LAYOUTS)
