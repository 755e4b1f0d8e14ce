"""Rewards by name: `@register_reward("paper")`, `get_reward("paper", attempt_rewards=(1.0, 0.5))`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from envs.episode_record import EpisodeRecord
from envs.plugins import Plugins
from tools.errors import VistaError, boundary

F = TypeVar("F", bound=Callable[..., Any])
Reward = Callable[[EpisodeRecord], dict[str, float]]
"""From a finished episode to the named terms of its reward; the reward is their sum."""

_rewards: Plugins[Reward] = Plugins("reward")


class RewardError(VistaError):
    """A reward returned something that is not a finite number. The message names the reward and the term."""


def register_reward(name: str) -> Callable[[F], F]:
    """Registers a factory `(**config) -> Reward`; a frozen dataclass with `__call__` is the usual form."""
    return _rewards.register(name)


def reward_names() -> list[str]:
    """Registered names, sorted."""
    return _rewards.names()


def get_reward(name: str, **config: Any) -> Reward:
    """Makes the reward `name`.

    What it returns is checked: an exception inside, or a term that is not finite, is raised as a `FaultError` at
    `reward:<name>`, so that the episode is voided instead of being trained on.

    Raises:
        UnknownPluginError: no reward has that name.
        PluginConfigError: an unknown key, or a value out of range; the message names the key.
    """
    return CheckedReward(name, _rewards.make(name, config))


@dataclass(frozen=True, slots=True)
class CheckedReward:
    """A reward whose failures carry its name.

    Attributes:
        name: registered name.
        reward: what computes the terms.
    """

    name: str
    reward: Reward

    def __call__(self, record: EpisodeRecord) -> dict[str, float]:
        """The terms of `record`'s reward. Raises `FaultError` at `reward:<name>`."""
        with boundary(f"reward:{self.name}"):
            parts = self.reward(record)
            if not isinstance(parts, dict):
                raise RewardError(f"reward {self.name!r} returned {type(parts).__name__}, not a dict of terms")
            for part, value in parts.items():
                if not isinstance(value, int | float) or not math.isfinite(value):
                    raise RewardError(f"reward {self.name!r}: term {part!r} is {value!r}, not a finite number")
            return parts
