"""Names under which RLlib finds the envs: one per dataset, and `vista/VisualReasoning-v0` for anything else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ray.tune.registry import register_env

from envs.env_config import EnvConfig, EnvConfigError
from envs.plugins import nearest
from envs.visual_reasoning import VisualReasoningEnv

ENVS: dict[str, dict[str, Any]] = {
    "vista/VisualReasoning-v0": {},
    "vista/ChartQA-v0": {"dataset": "embedded", "grader": "chartqa"},
}
"""Defaults of each registered env, over those of `EnvConfig` and under the user's `env_config`."""


def default_config(name: str, env_config: Mapping[str, Any] | None = None) -> EnvConfig:
    """The settings of env `name` under `env_config`.

    Raises:
        EnvConfigError: no env has that name, or a setting is wrong.
    """
    if name not in ENVS:
        raise EnvConfigError(f"no env is named {name!r}; {nearest(name, ENVS)}")
    return EnvConfig.of({**ENVS[name], **(env_config or {})})


def make_env(name: str, env_config: Mapping[str, Any] | None = None) -> VisualReasoningEnv:
    """Makes the env `name`; `env_config` may be RLlib's `EnvContext`. Raises `EnvConfigError`."""
    return VisualReasoningEnv(default_config(name, env_config))


def register_envs() -> None:
    """Makes every name of `ENVS` known to RLlib, in this process and its Ray workers. May be called again."""
    for name in ENVS:
        register_env(name, partial(make_env, name))
