"""PlotQA (Methani et al., 2020, arXiv 1909.00997), versions 1 and 2: millions of questions about scientific plots.

Release: `{train,val,test}/{png/<image_index>.png,qa_pairs_V1.json,qa_pairs_V2.json}`, pictures in a folder or
`png.tar.gz`; the questions are a list, or a list under `qa_pairs`. Mirror: the Cauldron.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial

from envs.datasets.dialogue import cauldron
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, list_records, register_adapter, split_files
from envs.datasets.reader import text_field
from envs.datasets.release import Release, parent
from envs.task import Task

_FILE = re.compile(r"(?:^|/)(?P<split>train|val|validation|test)/qa_pairs(?:_[vV]([12]))?\.json$")


def _find(release: Release) -> Mapping[str, Records]:
    files = split_files(release, _FILE, "qa_pairs.json", "qa_pairs_[vV][12].json")
    return by_split(files, partial(_pairs, release))


def _pairs(release: Release, name: str) -> Iterator[Raw]:
    found = re.search(r"_[vV]([12])\.json$", name)
    version = f"v{found[1]}" if found else "v1"
    return list_records(release, name, "qa_pairs", prefix=f"{version}-", folder=parent(name), version=version)


def _build(item: Item) -> Task:
    record = item.record
    question = text_field(record, "question_string", "question missing")
    answer = text_field(record, "answer", "answer missing")
    index = text_field(record, "image_index", "image missing")
    metadata = {
        "version": record["version"],
        "template": record.get("template"),
        "chart_type": record.get("type"),
        "qid": record.get("qid", record.get("question_id")),
        "image_index": record.get("image_index"),
        "answer_bbox": record.get("answer_bbox"),
    }
    return item.task(question, answer, [item.release.image(f"{record['folder']}png/{index}.png")], metadata=metadata)


register_adapter(
    "plotqa",
    title="PlotQA",
    task_type="chart",
    evaluation_only=True,
    layout="{train,val,test}/ with qa_pairs_V1.json or qa_pairs_V2.json, and png/ or png.tar.gz, "
    "or Parquet files of the Cauldron",
    layouts=(Layout(_find, _build), cauldron("plotqa")),
)
