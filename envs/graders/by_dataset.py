"""Which grader grades which dataset: the official metric (`strict`) and its `robust` form under one name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from envs.grade import Grader, Mode
from envs.graders.registry import get_grader
from envs.plugins import UnknownPluginError, nearest


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
