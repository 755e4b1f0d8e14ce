"""UniGeo (Chen et al., 2022, arXiv 2212.02746): calculation (GeoQA in English) and proving problems, pickled.

Release: `UniGeo/{calculation,proving}_{train,val,test}.pk` and `sub_dataset_dict.pk`. The answer of a proof is its
sequence of steps. Mirror: `UniGeo(MathV360K)` of `lmms-lab/LLaVA-OneVision-Data` (`image, conversations`).

`metadata["original_id"]` of a calculation is GeoQA's problem id: mixtures split both sets by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial

from envs.datasets.dialogue import conversations
from envs.datasets.fields import fill_placeholders, texts
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, register_adapter, split_files
from envs.datasets.pickled_geometry import array_image, choices_of, numbers_of, problems, program_metadata
from envs.datasets.reader import text_field
from envs.datasets.release import Release
from envs.task import Task

_FILE = re.compile(r"(calculation|proving)_(?P<split>train|val|test)\.pk$")


def _find(release: Release) -> Mapping[str, Records]:
    files = split_files(release, _FILE, "calculation_*.pk", "proving_*.pk")
    return by_split(files, partial(_problems, release))


def _problems(release: Release, name: str) -> Iterator[Raw]:
    form = _FILE.search(name)
    return problems(release, name, f"{form[1] if form else ''}-")


def _build(item: Item) -> Task:
    return _proving(item) if "proving_sequence" in item.record else _calculation(item)


def _calculation(item: Item) -> Task:
    record = item.record
    choices, index = choices_of(record)
    released = text_field(record, "English_problem", "question missing")
    metadata = {
        "problem_form": "calculation",
        **program_metadata(record, index),
        "split": item.split,
        "target_number": record.get("target_number"),
        "solution": record.get("answer"),
        "original_question_with_placeholders": released,
    }
    question = fill_placeholders(released, numbers_of(record))
    image = array_image(record.get("image"), "image")
    return item.task(question, choices[index], [image], choices=choices, metadata=metadata)


def _proving(item: Item) -> Task:
    record = item.record
    steps = texts(record, "proving_sequence", "answer missing")
    metadata = {
        "problem_form": "proving",
        "original_id": record.get("id"),
        "split": item.split,
        "problem_type": record.get("problem_type"),
        "proving_sequence": list(steps),
    }
    image = array_image(record.get("img"), "img")
    question = text_field(record, "input_text", "question missing")
    return item.task(question, " ".join(steps), [image], metadata=metadata)


register_adapter(
    "unigeo",
    title="UniGeo",
    task_type="geometry",
    layout="{calculation,proving}_{train,val,test}.pk (pickles, in a folder or zip), "
    "or Parquet files with columns image, conversations",
    layouts=(Layout(_find, _build), conversations()),
)
