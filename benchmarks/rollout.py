"""What the rollout runner itself costs: slow tools side by side, and steps per second against RLlib's own runner.

Run `python benchmarks/rollout.py`. Agents are functions without a model, so only the runner, its connectors and the env
are measured. Slow tools are measured in wall time; steps in the process's own CPU time, so that a busy machine does not
show (where every agent runs in the main thread nothing waits). Each figure is the best of three.

RLlib's runner is given the same cheap connector pieces and `episodes_to_numpy=False`: its default pieces cannot batch
messages, and its conversion to NumPy is quadratic in the episodes of a call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import PIL.Image
import typer
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module import RLModule
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.env.multi_agent_env_runner import MultiAgentEnvRunner
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode
from rich.console import Console
from rich.table import Table

from envs.task import Task
from policies.request import Request, object_array, requests_of
from tools.image import Image
from tools.tool import ToolCall, ToolResult
from vista_rllib.connectors import TRANSCRIPTS, EpisodesToRequests
from vista_rllib.grpo_config import GRPOConfig
from vista_rllib.job import RolloutJob
from vista_rllib.rollout_runner import RolloutRunner

TOOL_S = 0.05
"""Seconds that the slow tool takes."""
CALLS = 2
"""Tool calls of an episode; then it answers."""

_CALL = '<think>t</think><tool_call>{"name": "calculator", "arguments": {"expression": "1+1"}}</tool_call>'
_ANSWER = "<think>t</think><answer>2</answer>"


class Actor(RLModule):
    """Plays both agents by a function of the request: calls first, then an answer; or a tool's result."""

    framework = "torch"

    def setup(self) -> None:
        """Reads how long a tool takes."""
        self._seconds = self.model_config.get("seconds", 0.0)

    def _forward(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTIONS: object_array(self._act(request) for request in requests_of(batch))}

    def _act(self, request: Request) -> str | ToolResult:
        if not isinstance(request.observation, ToolCall):
            return _CALL if len(request.history) < CALLS else _ANSWER
        if self._seconds:
            time.sleep(self._seconds)
        return ToolResult("2")

    def get_state(self, components: str | Collection[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        """Empty: there are no weights."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Does nothing: there are no weights."""


class ThreadedActor(Actor):
    """A tool that the rollout runner runs in threads."""

    concurrency = 16


class ActionsBySubEnv(ConnectorV2):
    """`OutputsToActions` as RLlib's runner wants it: one dict of actions per sub-env."""

    def __call__(self, *, batch: dict[str, Any], episodes: list[MultiAgentEpisode], **kwargs: Any) -> dict[str, Any]:
        """The actions of each episode, empty for those that do not act."""
        actions = batch[Columns.ACTIONS]
        return {Columns.ACTIONS: [actions.get(episode.id_, {}) for episode in episodes]}


class EpisodesToRequestsInPlace(EpisodesToRequests):
    """`EpisodesToRequests` for a runner that makes its episodes itself and never takes their transcripts."""

    def __call__(self, *, episodes: list[MultiAgentEpisode], **kwargs: Any) -> dict[str, Any]:
        """The requests of all episodes that go on."""
        for episode in episodes:
            episode.custom_data.setdefault(TRANSCRIPTS, {})
        return super().__call__(episodes=[episode for episode in episodes if not episode.is_done], **kwargs)


def config_of(num_envs: int, tool: type[Actor], seconds: float = 0.0) -> GRPOConfig:
    """Settings over one task, without a model."""
    image = Image.from_pil(PIL.Image.new("L", (64, 64), 200))
    tasks = {"t": Task("t", "chartqa", "What is 1 + 1?", "2", (image,))}
    config = (
        GRPOConfig()
        .environment("vista/ChartQA-v0", env_config={"tasks": tasks, "tools": ["calculator"]})
        .env_runners(num_envs_per_env_runner=num_envs)
        .policy(
            modules={
                "vlm": RLModuleSpec(module_class=Actor, model_config={}),
                "calculator": RLModuleSpec(module_class=tool, model_config={"seconds": seconds}),
            }
        )
        .debugging(seed=0)
    )
    config.validate()
    return config


def ours(config: GRPOConfig) -> Callable[[int], Sequence[MultiAgentEpisode]]:
    """The rollout runner: a function that samples so many episodes."""
    runner = RolloutRunner(config=config, worker_index=0)
    return lambda num: runner.sample(jobs=[RolloutJob("t", seed=seed) for seed in range(num)])


def rllibs(config: GRPOConfig) -> Callable[[int], Sequence[MultiAgentEpisode]]:
    """RLlib's own runner over the same env, modules and connector pieces."""

    class Config(type(config)):  # type: ignore[misc]
        def build_env_to_module_connector(self, env: Any = None, spaces: Any = None, device: Any = None) -> Any:
            pipeline = super().build_env_to_module_connector(env=env, spaces=spaces, device=device)
            pipeline.remove(EpisodesToRequests)
            pipeline.append(EpisodesToRequestsInPlace())
            return pipeline

        def build_module_to_env_connector(self, env: Any = None, spaces: Any = None) -> Any:
            pipeline = super().build_module_to_env_connector(env=env, spaces=spaces)
            pipeline.append(ActionsBySubEnv())
            return pipeline

    config = config.copy(copy_frozen=False)
    config.__class__ = Config
    runner = MultiAgentEnvRunner(config=config, worker_index=0)
    return lambda num: runner.sample(num_episodes=num, explore=True)


def best_of(times: int, run: Callable[[], float]) -> float:
    """The largest result of several runs."""
    return max(run() for _ in range(times))


def steps_per_second(sample: Callable[[int], Sequence[MultiAgentEpisode]], num_episodes: int) -> float:
    """Env steps per CPU second of one call."""
    started = time.process_time()
    episodes = sample(num_episodes)
    return sum(map(len, episodes)) / (time.process_time() - started)


def wall_s(sample: Callable[[int], Sequence[MultiAgentEpisode]], num_episodes: int) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    sample(num_episodes)
    return time.perf_counter() - started


def main(
    num_envs: Annotated[int, typer.Option(help="Sub-envs of the throughput rows.")] = 32,
    num_episodes: Annotated[int, typer.Option(help="Episodes of one throughput run.")] = 256,
) -> None:
    """Prints two tables: slow tools, and steps per second."""
    logging.disable(logging.WARNING)
    console = Console()
    slow = ours(config_of(16, ThreadedActor, TOOL_S))
    slow(1)
    one, many = (-best_of(3, lambda num=num: -wall_s(slow, num)) for num in (1, 16))
    table = Table(title=f"{CALLS} calls of a {1000 * TOOL_S:.0f} ms tool per episode (wanted: ratio at most 1.3)")
    for column in ("1 episode", "16 episodes", "ratio"):
        table.add_column(column, justify="right")
    table.add_row(f"{1000 * one:.0f} ms", f"{1000 * many:.0f} ms", f"{many / one:.2f}")
    console.print(table)

    runners = {
        "RLlib's MultiAgentEnvRunner": rllibs(config_of(num_envs, Actor)),
        "RolloutRunner": ours(config_of(num_envs, Actor)),
        "RolloutRunner, tools in threads": ours(config_of(num_envs, ThreadedActor)),
    }
    rates: dict[str, float] = dict.fromkeys(runners, 0.0)
    for sample in runners.values():
        sample(num_envs)
    for _ in range(3):  # in turn, so that a slow moment of the machine hits all
        for name, sample in runners.items():
            rates[name] = max(rates[name], steps_per_second(sample, num_episodes))
    base = next(iter(rates.values()))
    table = Table(title=f"Env steps per CPU second, {num_envs} sub-envs, no model (wanted: at least 2x)")
    for column in ("runner", "steps/s", "µs/step", "against RLlib"):
        table.add_column(column, justify="left" if column == "runner" else "right")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}", f"{1e6 / rate:.0f}", f"{rate / base:.2f}x")
    console.print(table)


if __name__ == "__main__":
    np.random.seed(0)
    typer.run(main)
