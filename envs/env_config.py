"""`EnvConfig`: everything that can be set about an env, as a checked, frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from envs.grade import Mode
from envs.plugins import nearest
from envs.prompts import PromptStyle
from envs.reflection import check_level
from envs.task import Task
from tools.errors import VistaError
from tools.registry import NO_TOOLS, get_tool

VLM = "vlm"
"""Agent id of the vision-language model. Every other agent id is the name of a tool."""


class EnvConfigError(VistaError):
    """A field of `env_config` is unknown or has a bad value. The message names the field."""


class EnvConfig(BaseModel):
    """Settings of a `VisualReasoningEnv`; in RLlib the dictionary given to `.environment(env_config=...)`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    dataset: str = "embedded"
    """What `envs.datasets.store.open_task_set` opens: a name, or the folder of a converted or released dataset."""
    split: str | None = "train"
    """`train`, `val` or `test`; None for all."""
    tasks: Mapping[str, Task] | None = Field(None, repr=False)
    """Tasks by id, used in place of `dataset` and `split`."""
    tools: tuple[str, ...] = ("chart_to_table", "calculator")
    """Names or aliases of the tools, in the order of the prompt; `"a,b"` and `"none"` work too."""
    max_turns: int = Field(3, ge=1)
    """VLM turns in one attempt. 3 in the paper."""
    max_attempts: int = Field(1, ge=1)
    """Answers the policy may give; above 1, a wrong one brings feedback."""
    feedback: str = "verdict"
    """Level of that feedback, by its name in `envs.reflection`."""
    attempt_rewards: tuple[float, ...] = (1.0,)
    """What a right answer is worth at the first, second ... attempt; the last value holds for all later ones. Handed to
    the reward under this name; `(1.0,)` hands nothing."""
    max_tokens: int | None = Field(None, ge=1)
    """Sampled VLM tokens in one episode. None: no limit."""
    max_images: int = Field(16, ge=0)
    """Images in one episode, the question's included."""
    max_wall_s: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Seconds from `reset` after which nothing but an answer is accepted. None: no limit."""
    grader: str = "chartqa"
    """Name in `envs.graders`."""
    grade_mode: Mode = "robust"
    """`strict` or `robust`."""
    grader_config: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the grader."""
    reward: str = "paper"
    """Name in `envs.rewards`."""
    reward_config: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the reward."""
    reward_tools: bool = False
    """Whether tool agents that acted in the episode get the VLM's reward too."""
    prompt: PromptStyle = "compact"
    """`compact` or `full`."""

    @classmethod
    def of(cls, config: EnvConfig | Mapping[str, Any] | None) -> EnvConfig:
        """Checks RLlib's `env_config` (a dict or an `EnvContext`, whose attributes are not fields).

        Raises:
            EnvConfigError: names every bad field.
        """
        if isinstance(config, cls):
            return config
        try:
            return cls.model_validate(dict(config or {}))
        except ValidationError as error:
            raise EnvConfigError("; ".join(_explain(detail) for detail in error.errors())) from error

    def reward_terms(self) -> dict[str, Any]:
        """Parameters of the reward: `reward_config` and `attempt_rewards`."""
        if self.attempt_rewards == (1.0,):
            return self.reward_config
        return {**self.reward_config, "attempt_rewards": self.attempt_rewards}

    @field_validator("dataset", mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value

    @field_validator("tools", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Aliases resolved, repeated names refused."""
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",") if name.strip()]
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
            raise ValueError("expected a list of tool names")
        names = tuple(get_tool(name).name for name in value) if list(value) != [NO_TOOLS] else ()
        if len(set(names)) < len(names) or VLM in names:
            raise ValueError(f"{', '.join(names)}: tools must differ, and none may be called {VLM!r}")
        return names

    @field_validator("feedback")
    @classmethod
    def _level(cls, value: str) -> str:
        return check_level(value)

    @field_validator("attempt_rewards")
    @classmethod
    def _multipliers(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or not all(0 <= multiplier < float("inf") for multiplier in value):
            raise ValueError("expected at least one multiplier, each finite and not negative")
        return value


def _explain(detail: Any) -> str:
    field = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return f"env_config: there is no field {field!r}; {nearest(field, EnvConfig.model_fields)}"
    return f"env_config: {field}: {detail['msg']}, got {detail['input']!r:.80}"
