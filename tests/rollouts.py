"""Agents, tasks and a runner shared by the tests of rollouts, learning and the algorithm."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import PIL.Image
from episodes import answer, call
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module import RLModule
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode

from envs.episode_record import EpisodeRecord
from envs.message import Message
from envs.task import Task
from policies.request import Request, object_array, requests_of
from policies.vlm import VLMModule
from tools.image import Image
from tools.tool import ToolResult
from vista_rllib.connectors import RECORD
from vista_rllib.grpo_config import GRPOConfig
from vista_rllib.job import RolloutJob
from vista_rllib.rollout_runner import RolloutRunner

TINY_VLM = {"max_new_tokens": 6, "max_length": 512}
"""Settings under which the model that ships is fast enough for a test."""


class Actor(RLModule):
    """An agent without weights that plays by `model_config["act"]`, a function of its request."""

    framework = "torch"

    def setup(self) -> None:
        self._act = self.model_config["act"]

    def _forward(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTIONS: object_array(self._act(request) for request in requests_of(batch))}

    def get_state(self, components: str | Collection[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        pass


class ThreadedActor(Actor):
    """One that the runner runs in threads, as it runs tools."""

    concurrency = 4


class TypistModule(VLMModule):
    """The VLM with its own tokens, images and log-probabilities, but what it writes is set by `write`."""

    def _sample(
        self, requests: Sequence[Request], limit: int, greedy: bool
    ) -> Iterator[tuple[list[int], list[float], bool]]:
        for request in requests:
            transcript = request.transcript
            ids = self.chat._text(write(request))[:limit]
            sampled = [False] * len(transcript) + [True] * len(ids)
            batch = self.train_batch([transcript.token_ids + ids], [sampled], [transcript.images])
            yield ids, self._forward_train(batch)["logps"][0, len(transcript) :].tolist(), True


def write(request: Request) -> str:
    """One call of the calculator, then an answer; a bit of the seed decides whether it is right."""
    if not request.history:
        return call("calculator", expression=f"{request.seed % 97}+1")
    return answer("3" if request.seed & 2 else "4")


def planned(request: Request) -> str:
    """As many calls of the calculator as the question asks for (`calls=2`), then the right answer."""
    first = request.history[0][0] if request.history else request.observation
    assert isinstance(first, Message)
    calls = int(first.text.split("calls=")[1].split()[0])
    return call() if len(request.history) < calls else answer("3")


def returns_two(request: Request) -> ToolResult:
    """A tool's action."""
    return ToolResult("2")


def tasks_with(calls: Sequence[int]) -> dict[str, Task]:
    """One task per entry, asking for that many tool calls; each answer is 3."""
    return {
        f"t{index}": picture_task(f"t{index}", f"Task {index} calls={count} ?", "3")
        for index, count in enumerate(calls)
    }


def picture_task(id: str, question: str, answer: str, **metadata: Any) -> Task:
    """A task about a small grey picture."""
    image = Image.from_pil(PIL.Image.new("L", (32, 32), 128))
    return Task(id, "chartqa", question, answer, (image,), metadata=metadata)


def config_of(tasks: Mapping[str, Task], num_envs: int = 4, **env_config: Any) -> GRPOConfig:
    """An unvalidated config over in-memory tasks with the calculator."""
    return (
        GRPOConfig()
        .environment(
            "vista/ChartQA-v0", env_config={"tasks": tasks, "tools": ["calculator"], "max_turns": 20, **env_config}
        )
        .env_runners(num_envs_per_env_runner=num_envs)
        .policy(vlm=TINY_VLM)
        .debugging(seed=1)
    )


def actors(act: Any = planned, tool: Any = returns_two, threaded: bool = True) -> dict[str, RLModuleSpec]:
    """Modules in place of the VLM and the calculator."""
    return {
        "vlm": RLModuleSpec(module_class=Actor, model_config={"act": act}),
        "calculator": RLModuleSpec(module_class=ThreadedActor if threaded else Actor, model_config={"act": tool}),
    }


def make_runner(config: GRPOConfig) -> RolloutRunner:
    """A runner in this process, without an algorithm and without Ray."""
    config.validate()
    return RolloutRunner(config=config, worker_index=0)


def jobs_for(task_ids: Sequence[str], group_size: int = 1) -> list[RolloutJob]:
    """One group per task; seeds differ."""
    return [
        RolloutJob(task_id, group, replica, seed=group * group_size + replica, iteration=1)
        for group, task_id in enumerate(task_ids)
        for replica in range(group_size)
    ]


def record_of(episode: MultiAgentEpisode) -> EpisodeRecord:
    """What the env knows of the episode."""
    record: EpisodeRecord = episode.custom_data[RECORD]
    return record
