"""Which grader grades which dataset: the official metric (`strict`) and its `robust` form under one name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from envs.grade import Grade, Grader, Mode
from envs.graders.registry import GradingError, get_grader, register_grader
from envs.plugins import UnknownPluginError, nearest
from envs.task import Task


class DatasetGrader(NamedTuple):
    """Attributes:
    grader: registered name.
    config: its parameters.
    metric: the official metric, in words.
    """

    grader: str
    config: Mapping[str, Any]
    metric: str


def _row(grader: str, metric: str, **config: Any) -> DatasetGrader:
    return DatasetGrader(grader, MappingProxyType(config), metric)


DATASET_GRADERS: Mapping[str, DatasetGrader] = MappingProxyType(
    {
        "ai2d": _row("multiple_choice", "multiple-choice accuracy"),
        "aokvqa": _row("aokvqa", "multiple choice, or agreement with annotators"),
        "chartqa": _row("chartqa", "relaxed accuracy, 5 %"),
        "clevr": _row("exact", "exact match", synonyms="clevr"),
        "clevr_math": _row("integer", "equal integers"),
        "docvqa": _row("anls", "ANLS, threshold 0.5"),
        "figureqa": _row("yes_no", "binary accuracy"),
        "geometry3k": _row("geometry", "the option nearest the value"),
        "geoqa": _row("geometry", "the option nearest the value"),
        "iconqa": _row("iconqa", "multiple choice, or exact match"),
        "infographicvqa": _row("anls", "ANLS, threshold 0.5, spans in any order"),
        "mapqa": _row("mapqa", "set match of lists, exact match of values"),
        "mathv360k": _row("short_answer", "exact match after extraction"),
        "mathvision": _row("mathvision", "equal to two decimals, or the option"),
        "mathvista": _row("mathvista", "normalised by answer type, then equal"),
        "plotqa": _row("chartqa", "relaxed accuracy, 5 %"),
        "scienceqa": _row("multiple_choice", "multiple-choice accuracy"),
        "tabmwp": _row("tabmwp", "normalised to three decimals, then equal"),
        "thinkvl": _row("short_answer", "exact match after extraction"),
        "unigeo": _row("unigeo", "the option nearest the value, or the proof's steps"),
        "vizwiz": _row("vqa", "VQA consensus"),
    }
)
"""By dataset name."""


def grader_for(dataset: str, mode: Mode = "robust", **config: Any) -> Grader:
    """The dataset's grader; `config` goes before its usual parameters.

    Raises:
        UnknownPluginError: no grader is known for the dataset.
        PluginConfigError: an unknown mode or parameter, or a value out of range.
    """
    row = DATASET_GRADERS.get(dataset)
    if row is None:
        raise UnknownPluginError(f"no grader is known for dataset {dataset!r}; {nearest(dataset, DATASET_GRADERS)}")
    return get_grader(row.grader, mode, **{**row.config, **config})


@register_grader("by_dataset")
def by_dataset(mode: Mode = "robust", other: str = "") -> Grader:
    """For mixtures: each task is graded as its dataset is.

    Args:
        mode: `strict` or `robust`.
        other: name of the grader of tasks from other datasets; without one they are errors.

    Raises:
        UnknownPluginError: no grader is named `other`.
    """
    graders = {name: grader_for(name, mode) for name in DATASET_GRADERS}
    return MixtureGrader(graders, get_grader(other, mode) if other else None)


@dataclass(frozen=True, slots=True)
class MixtureGrader:
    """Attributes:
    graders: by dataset name.
    other: grades tasks of any other dataset.
    """

    graders: Mapping[str, Grader]
    other: Grader | None

    def __call__(self, answer: str, task: Task) -> Grade:
        """Grades the text inside `<answer>`. Raises `GradingError` when nothing can."""
        grader = self.graders.get(task.dataset, self.other)
        if grader is None:
            known = nearest(task.dataset, self.graders)
            raise GradingError(f"task {task.id}: no grader is known for dataset {task.dataset!r}; {known}")
        return grader(answer, task)
