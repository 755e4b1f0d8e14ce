"""Names under which RLlib finds the envs: one per dataset (`vista/ChartQA-v0`), and `vista/VisualReasoning-v0`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ray.tune.registry import register_env

from envs.datasets.registry import datasets
from envs.env_config import EnvConfig, EnvConfigError
from envs.graders.by_dataset import DATASET_GRADERS
from envs.plugins import nearest
from envs.visual_reasoning import VisualReasoningEnv

TASK_TYPE_TOOLS: dict[str, tuple[str, ...]] = {
    "chart": ("chart_to_table", "calculator"),
    "geometry": ("symbolic_parse", "symbolic_solve", "geometry_calculator", "calculator"),
    "geospatial": ("ocr", "zoom"),
    "science": ("ocr", "zoom"),
    "document": ("ocr", "zoom"),
    "spatial": ("segment", "mark", "zoom"),
    "general": ("ocr", "zoom"),
    "mathematics": ("ocr", "geometry_calculator", "calculator"),
}
"""Tools that an env offers unless told otherwise, by the type of its dataset's tasks: those that run anywhere."""

_SOURCES = {f"vista/{dataset.title}-v0": name for name, dataset in datasets().items() if name in DATASET_GRADERS}
"""Env name to dataset name."""


def _settings_of(dataset: str) -> dict[str, Any]:
    row = DATASET_GRADERS[dataset]
    return {
        "grader": row.grader,
        "grader_config": dict(row.config),
        "tools": TASK_TYPE_TOOLS[datasets()[dataset].task_type],
    }


ENVS: dict[str, dict[str, Any]] = {
    "vista/VisualReasoning-v0": {"grader": "by_dataset", "grader_config": {"other": "short_answer"}},
    **{name: _settings_of(dataset) for name, dataset in _SOURCES.items()},
}
"""Defaults of each registered env, over those of `EnvConfig` and under the user's `env_config`."""

_EMBEDDED = ("vista/VisualReasoning-v0", "vista/ChartQA-v0")
"""Envs that have tasks of their own where the user names none."""


def default_config(name: str, env_config: Mapping[str, Any] | None = None) -> EnvConfig:
    """The settings of env `name` under `env_config`.

    Raises:
        EnvConfigError: no env has that name, or a setting is wrong.
    """
    if name not in ENVS:
        raise EnvConfigError(f"no env is named {name!r}; {nearest(name, ENVS)}")
    given = env_config or {}
    if name not in _EMBEDDED and given.get("dataset") is None and given.get("tasks") is None:
        source = _SOURCES[name]
        raise EnvConfigError(
            f"{name}: no tasks; set env_config.dataset to a release of {source} or to what "
            f"`vista data convert {source} SRC OUT` made of it"
        )
    return EnvConfig.of({**ENVS[name], **given})


def grading_of(dataset: str) -> dict[str, Any]:
    """`grader` and `grader_config` for tasks of a dataset; of one unknown here, those of `vista/VisualReasoning-v0`."""
    name = next((name for name, source in _SOURCES.items() if source == dataset), "vista/VisualReasoning-v0")
    return {key: ENVS[name][key] for key in ("grader", "grader_config")}


def make_env(name: str, env_config: Mapping[str, Any] | None = None) -> VisualReasoningEnv:
    """Makes the env `name`; `env_config` may be RLlib's `EnvContext`. Raises `EnvConfigError`."""
    return VisualReasoningEnv(default_config(name, env_config))


def register_envs() -> None:
    """Makes every name of `ENVS` known to RLlib, in this process and its Ray workers. May be called again."""
    for name in ENVS:
        register_env(name, partial(make_env, name))
