"""The env as PettingZoo sees it: `env()` and `raw_env()` give an `AECEnv` over `VisualReasoningEnv`.

Observations are one-entry dictionaries (`{"message": Message}`, `{"call": ToolCall}`), because PettingZoo expects an
observation to be an array or a dictionary. Actions are those of the RLlib env.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from pettingzoo import AECEnv
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from envs.env_config import VLM, EnvConfig
from envs.episode_record import EpisodeRecord
from envs.message import Message
from envs.task import Task
from envs.visual_reasoning import RESET_OPTIONS, VisualReasoningEnv
from tools.tool import ToolCall

_Observation = dict[str, Message | ToolCall]


class VisualReasoningAEC(AECEnv[str, _Observation, Any]):
    """A view: turn-taking, limits, rewards and errors are those of the `VisualReasoningEnv` inside."""

    metadata: dict[str, Any] = {"name": "vista_visual_reasoning_v0", "render_modes": [], "is_parallelizable": False}

    def __init__(
        self, config: EnvConfig | Mapping[str, Any] | None = None, tasks: Mapping[str, Task] | None = None
    ) -> None:
        """See `VisualReasoningEnv`."""
        super().__init__()
        self._env = VisualReasoningEnv(config, tasks=tasks)
        self.possible_agents: list[str] = [VLM, *self._env.config.tools]
        self.agents: list[str] = []
        self.observation_spaces = {
            agent: gym.spaces.Dict({_key(agent): self._env.get_observation_space(agent)})
            for agent in self.possible_agents
        }
        self.action_spaces = {agent: self._env.get_action_space(agent) for agent in self.possible_agents}

    @property
    def record(self) -> EpisodeRecord:
        """See `VisualReasoningEnv.record`."""
        return self._env.record

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """The same object for the same agent."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """The same object for the same agent."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Begins an episode. Unknown options are ignored: PettingZoo's `api_test` demands that they are accepted."""
        known = {key: value for key, value in (options or {}).items() if key in RESET_OPTIONS}
        observations, infos = self._env.reset(seed=seed, options=known)
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: infos.get(agent, {}) for agent in self.agents}
        # What a tool that was never called observes: a call without arguments or images.
        self._seen: dict[str, Message | ToolCall] = {agent: ToolCall(agent) for agent in self.agents if agent != VLM}
        self._seen |= observations
        self.agent_selection = VLM
        self._skip_agent_selection = None

    def observe(self, agent: str) -> _Observation:
        """What the agent observed last."""
        return {_key(agent): self._seen[agent]}

    def step(self, action: Any) -> None:
        """Takes the selected agent's action; None removes an agent that is done."""
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        observations, rewards, terminateds, _, infos = self._env.step({agent: action})
        self._seen |= observations
        self.rewards |= rewards
        self.infos |= infos
        if terminateds["__all__"]:
            self.terminations = dict.fromkeys(self.agents, True)
            self.agent_selection = self.agents[0]
        else:
            self.agent_selection = self._env.acting
        self._accumulate_rewards()

    def close(self) -> None:
        """Nothing to release."""


def _key(agent: str) -> str:
    return "message" if agent == VLM else "call"


def raw_env(**keywords: Any) -> VisualReasoningAEC:
    """The bare view; `keywords` as for `VisualReasoningAEC`."""
    return VisualReasoningAEC(**keywords)


def env(**keywords: Any) -> OrderEnforcingWrapper[str, _Observation, Any]:
    """The view inside PettingZoo's check of the order of calls."""
    return OrderEnforcingWrapper(raw_env(**keywords))
