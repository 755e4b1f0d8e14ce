"""GeoQA (Chen et al., 2021, arXiv 2105.14517) and GeoQA+ (Cao and Xiao, 2022): pickled problems in Chinese.

Releases: `GeoQA3/{train,dev,test}.pk`, and `GeoQA2.2/{Mix-train,GeoQA-train,Backtrans-train,new-test}.pk` with
`sub_dataset_dict.pk` beside or above. Of the training files of GeoQA+, which contain each other, one is read: the mixed
one, else the plain one, else the back-translated one. Mirrors: `leonardPKU/GEOQA_R1V_Train_8K` (`image, problem,
solution`), `Yuting6/geoqa_plus` (`images, problem, answer`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from envs.datasets.dialogue import problems as problem_rows
from envs.datasets.fields import fill_placeholders, texts
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, register_adapter
from envs.datasets.pickled_geometry import array_image, choices_of, numbers_of, problems, program_metadata
from envs.datasets.reader import text_field
from envs.datasets.release import Release, parent
from envs.task import Task

_FILES = {"train": "train", "dev": "val", "test": "test", "new-test": "test"}
_TRAINING = ("Mix-train", "GeoQA-train", "Backtrans-train")


def _find(release: Release) -> Mapping[str, Records]:
    names = release.find(*(f"{stem}.pk" for stem in (*_FILES, *_TRAINING)))
    stems = {name: name.removeprefix(parent(name)).removesuffix(".pk") for name in names}
    chosen = {
        next(name for stem in _TRAINING for name in names if parent(name) == folder and stems[name] == stem)
        for folder in {parent(name) for name in names if stems[name] in _TRAINING}
    }
    splits = ((_FILES.get(stems[n], "train" if n in chosen else None), n) for n in names)
    return by_split(splits, partial(_problems, release))


def _problems(release: Release, name: str) -> Iterator[Raw]:
    stem = name.removeprefix(parent(name)).removesuffix(".pk")
    return problems(release, name, "" if stem in ("train", "dev", "test") else f"{stem}-")


def _build(item: Item) -> Task:
    record = item.record
    choices, index = choices_of(record)
    metadata = {**program_metadata(record, index), "explanation": record.get("answer")}
    question = fill_placeholders(_question(record), numbers_of(record))
    image = array_image(record.get("image"), "image")
    return item.task(question, choices[index], [image], choices=choices, metadata=metadata)


def _question(record: dict[str, Any]) -> str:
    """The problem's text; where only its tokens were released, they are joined, apart where both are Latin."""
    if record.get("subject"):
        return text_field(record, "subject")
    joined = ""
    for token in texts(record, "token_list", "question missing"):
        apart = joined[-1:].isascii() and joined[-1:].isalnum() and token[0].isascii() and token[0].isalnum()
        joined += f" {token}" if apart else token
    return joined


register_adapter(
    "geoqa",
    title="GeoQA",
    task_type="geometry",
    layout="GeoQA3/{train,dev,test}.pk or GeoQA2.2/{Mix-train,new-test}.pk (pickles, in a folder or data.zip), "
    "or Parquet files with columns image, problem, solution",
    layouts=(Layout(_find, _build), problem_rows("image", "solution"), problem_rows("images", "answer")),
)
