"""MapQA (Chang et al., 2022, arXiv 2211.08545): choropleth maps in three subsets, U (named V in the download), R and S.

Release: `MapQA_V/{images/,questions/{train,dev,test}-QA.json}`. An answer is one value or a list whose order does not
matter: its values are in `metadata["answer_list"]`, and joined by `, ` in `answer`. Mirror: the Cauldron.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial

from envs.datasets.dialogue import cauldron
from envs.datasets.fields import extras, texts
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, list_records, register_adapter, split_files
from envs.datasets.reader import text_field
from envs.datasets.release import Release, parent
from envs.task import Task

_FILE = re.compile(r"(?P<split>train|dev|test)-QA\.json$")
_SUBSET = re.compile(r"MapQA_([A-Z])\b")


def _find(release: Release) -> Mapping[str, Records]:
    files = split_files(release, _FILE, *(f"questions/{name}-QA.json" for name in ("train", "dev", "test")))
    return by_split(files, partial(_pairs, release))


def _pairs(release: Release, name: str) -> Iterator[Raw]:
    folder = parent(parent(name).rstrip("/"))
    found = _SUBSET.findall(str(release.root / name))
    subset = {"V": "U"}.get(found[-1], found[-1]) if found else None
    return list_records(release, name, prefix=f"{subset or 'map'}-", folder=folder, subset=subset)


def _build(item: Item) -> Task:
    record = item.record
    question = text_field(record, "question", "question missing")
    map_id = text_field(record, "map_id", "image missing")
    if isinstance(record.get("answer"), list):
        values = texts(record, "answer", "answer missing")
        answer, listed = ", ".join(values), list(values)
    elif record.get("answer") is None and item.split == "test":
        answer, listed = "", None
    else:
        answer, listed = text_field(record, "answer", "answer missing"), None
    metadata = {"image_name": map_id, "answer_list": listed, **extras(record, "question", "answer", "folder")}
    image = item.release.image(f"{record['folder']}images/{map_id}")
    return item.task(question, answer, [image], metadata=metadata)


register_adapter(
    "mapqa",
    title="MapQA",
    task_type="geospatial",
    layout="MapQA_{V,R,S}/ with questions/{train,dev,test}-QA.json and images/, or Parquet files of the Cauldron",
    layouts=(Layout(_find, _build), cauldron("mapqa")),
)
