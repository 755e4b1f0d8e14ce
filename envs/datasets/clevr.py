"""CLEVR v1.0 (Johnson et al., 2017, arXiv 1612.06890): rendered scenes, questions with functional programs.

Release: `CLEVR_v1.0/{images/{split}/,questions/CLEVR_{split}_questions.json}`, a folder or the zip; test has no
answers. Mirrors: the Cauldron, `leonardPKU/clevr_cogen_a_train` (`image, problem, solution`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.dialogue import cauldron, problems
from envs.datasets.fields import check_split
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, list_records, register_adapter, split_files
from envs.datasets.reader import RecordError, text_field
from envs.datasets.release import Release, parent
from envs.task import Task

_FILE = re.compile(r"CLEVR_(?P<split>train|val|test)_questions\.json$")


def _find(release: Release) -> Mapping[str, Records]:
    files = split_files(release, _FILE, "questions/CLEVR_*_questions.json")
    return by_split(files, partial(_questions, release))


def _questions(release: Release, name: str) -> Iterator[Raw]:
    return list_records(release, name, "questions", folder=parent(parent(name).rstrip("/")))


def _build(item: Item) -> Task:
    record = item.record
    check_split(record, "split", item.split)
    question = text_field(record, "question", "question missing")
    file = text_field(record, "image_filename", "image missing")
    answer = "" if item.split == "test" and record.get("answer") is None else answer_of(record)
    image = item.release.image(f"{record['folder']}images/{item.split}/{file}", f"{record['folder']}images/{file}")
    return item.task(question, answer, [image], metadata=scene_metadata(record))


def answer_of(record: dict[str, Any]) -> str:
    """The answer as text; a truth value is `yes` or `no`. Raises `RecordError`."""
    value = record.get("answer")
    return ("yes" if value else "no") if isinstance(value, bool) else text_field(record, "answer", "answer missing")


def scene_metadata(record: dict[str, Any]) -> dict[str, Any]:
    """Metadata of a CLEVR question: its picture, its program and the program's size.

    Raises:
        RecordError: the program is no list of steps.
    """
    program = record.get("program") or []
    if not isinstance(program, list) or not all(isinstance(step, dict) for step in program):
        raise RecordError("malformed record", "field 'program': expected a list of steps")
    functions = functions_of(program)
    return {
        "image_filename": record.get("image_filename"),
        "image_index": record.get("image_index"),
        "question_index": record.get("question_index"),
        "question_family": record.get("question_family_index"),
        "template": record.get("template_filename") or record.get("template"),
        "program": program or None,
        "program_length": len(program) or None,
        "program_depth": _depth(program) or None,
        "program_functions": sorted(set(functions)) or None,
    }


def functions_of(program: list[dict[str, Any]]) -> list[str]:
    """The functions of a program's steps, in order; released files write `function`, generated ones `type`."""
    return [str(step.get("function", step.get("type"))) for step in program]


def _depth(program: list[dict[str, Any]]) -> int:
    """Steps on the longest chain of inputs. A step's inputs come before it."""
    depths: list[int] = []
    for step in program:
        inputs = step.get("inputs")
        known = (
            [depths[i] for i in inputs if isinstance(i, int) and 0 <= i < len(depths)]
            if isinstance(inputs, list)
            else []
        )
        depths.append(1 + max(known, default=0))
    return max(depths, default=0)


register_adapter(
    "clevr",
    title="CLEVR",
    task_type="spatial",
    layout="CLEVR_v1.0/ (or its zip) with questions/CLEVR_{train,val,test}_questions.json and images/, "
    "or Parquet files of the Cauldron",
    layouts=(Layout(_find, _build), cauldron("clevr"), problems("image", "solution")),
)
