"""Evaluation of a policy on an exact list of held-out tasks, greedily."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.env.env_runner_group import EnvRunnerGroup
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode

from envs.datasets.store import open_task_set
from envs.episode_record import EpisodeRecord
from envs.registration import default_config, grading_of
from policies.scripted import ScriptedModule
from tools.errors import VistaError
from vista_rllib.connectors import JOB, RECORD, TRANSCRIPTS
from vista_rllib.grpo import tasks_of
from vista_rllib.grpo_config import VLM, GRPOConfig
from vista_rllib.job import RolloutJob
from vista_rllib.rollout_runner import RolloutRunner

HELD_OUT = "test"
"""Split that is evaluated when none is named and the data are the env's own."""

POLICIES: dict[str, type] = {"scripted": ScriptedModule}
"""Named policies, which need no weights."""


class EvaluationError(VistaError):
    """There is nothing to evaluate, or nothing to evaluate with."""


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Attributes:
    accuracy: share of right answers among the episodes without a fault.
    num_tasks: episodes, faulted ones included.
    num_faults: episodes that a fault voided.
    tool_calls_per_episode: calls that reached a tool.
    response_tokens: tokens the VLM sampled per episode; 0 for scripted policies.
    model_errors: turns with a model error, by code (E1 to E6).
    failures: wrong episodes by class: `no answer: LIMIT`, `wrong, no tool used`, `wrong after tool` (E6).
    by_kind: accuracy by question kind, chart type and source, where the tasks say them.
    first_attempt_accuracy: share of right first answers.
    wall_s: seconds.
    episodes: the records, in the order of the tasks.
    """

    accuracy: float
    num_tasks: int
    num_faults: int
    tool_calls_per_episode: float
    response_tokens: float
    model_errors: dict[str, int]
    failures: dict[str, int]
    by_kind: dict[str, float]
    first_attempt_accuracy: float
    wall_s: float
    episodes: tuple[EpisodeRecord, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible, without the episodes."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "episodes"}


def evaluate(
    config: AlgorithmConfig,
    *,
    policy: str | None = None,
    algo: Algorithm | None = None,
    data: str | None = None,
    split: str | None = None,
    limit: int | None = None,
    tools: Sequence[str] | None = None,
    max_attempts: int = 1,
    feedback: str = "verdict",
    tolerance: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Runs one greedy episode per task.

    Args:
        config: a `GRPOConfig`, whose env, model and resources are used.
        policy: a name in `POLICIES` in place of the VLM.
        algo: evaluates its current weights; without it, the weights of `config.vlm_config["model"]`.
        data: dataset in place of the env's own; with it, `split` None means all of it.
        split: which split; None means the held-out one of the env's own data.
        limit: at most so many tasks.
        tools: tools on offer in place of the env's.
        max_attempts: answers per task, with feedback in between.
        feedback: its level.
        tolerance: relative error at which a number is right; None for the grader's own.
        progress: called with (episodes done, episodes in all).

    Raises:
        EvaluationError: no such policy, or no tasks.
    """
    if not isinstance(config, GRPOConfig):
        raise EvaluationError(f"{type(config).__name__} cannot be evaluated here: expected a GRPOConfig")
    env = default_config(str(config.env), config.env_config)
    changes: dict[str, Any] = {
        "split": split if data is not None or split is not None else HELD_OUT,
        "max_attempts": max_attempts,
        "feedback": feedback,
    }
    if tolerance is not None:
        changes["grader_config"] = {**changes.get("grader_config", env.grader_config), "tolerance": tolerance}
    if data is not None:
        changes |= {"dataset": str(data), "tasks": None}
        if "grader" not in config.env_config:
            changes |= grading_of(_dataset_of(str(data), changes["split"]))
    if tools is not None:
        changes["tools"] = tuple(tools)
    evaluation = config.copy(copy_frozen=False)
    evaluation.environment(env_config={**config.env_config, **changes})
    evaluation.trajectory_dir = evaluation.ledger_path = None
    if policy is not None:
        evaluation.policy(modules={VLM: _named(policy)})
    evaluation.policies_to_train = []
    evaluation.validate()
    ids = tasks_of(default_config(str(config.env), evaluation.env_config))[0][:limit]
    if not ids:
        raise EvaluationError(f"no tasks to evaluate: dataset {data or env.dataset!r}, split {changes['split']!r}")
    jobs = [RolloutJob(task_id, group_id=index, seed=index) for index, task_id in enumerate(ids)]
    started = time.perf_counter()
    episodes: list[MultiAgentEpisode] = []
    with _runners(evaluation, algo if policy is None else None) as sample:
        chunk = evaluation.num_envs_per_env_runner * max(evaluation.num_env_runners, 1)
        for start in range(0, len(jobs), chunk):
            episodes += sample(jobs[start : start + chunk])
            if progress is not None:
                progress(len(episodes), len(jobs))
    return _report(episodes, time.perf_counter() - started)


def _dataset_of(data: str, split: str | None) -> str:
    """The dataset that a task set's tasks come from."""
    return next((task.dataset for task in open_task_set(data, split)), "")


def _named(policy: str) -> RLModuleSpec:
    if policy not in POLICIES:
        raise EvaluationError(f"unknown policy {policy!r}: expected one of {', '.join(POLICIES)}")
    return RLModuleSpec(module_class=POLICIES[policy], model_config={})


@contextmanager
def _runners(
    config: GRPOConfig, algo: Algorithm | None
) -> Iterator[Callable[[Sequence[RolloutJob]], list[MultiAgentEpisode]]]:
    """Env runners of their own for the evaluation env; in one process they share the trained module."""
    if config.num_env_runners == 0:
        runner = _LocalRunner(config, algo)
        try:
            yield lambda jobs: runner.sample(jobs=jobs, explore=False)
        finally:
            runner.stop()
        return
    group = EnvRunnerGroup(config=config, local_env_runner=False)
    try:
        if algo is not None:
            state_ref = ray.put(_weights(algo))
            group.foreach_env_runner("take_weights", kwargs={"state_ref": [state_ref]}, local_env_runner=False)
        ids = group.healthy_worker_ids()

        def sample(jobs: Sequence[RolloutJob]) -> list[MultiAgentEpisode]:
            shards = [{"jobs": jobs[index :: len(ids)], "explore": False} for index in range(len(ids))]
            parts = group.foreach_env_runner(
                ["sample"] * len(ids), kwargs=shards, remote_worker_ids=ids, local_env_runner=False
            )
            done = {episode.custom_data[JOB]: episode for part in parts for episode in part}
            if missing := len(jobs) - len(done):
                raise EvaluationError(
                    f"{missing} of {len(jobs)} episodes did not come back; the env runners' logs say why"
                )
            return [done[job] for job in jobs]

        yield sample
    finally:
        group.stop()


class _LocalRunner(RolloutRunner):
    """A runner in this process that samples with the VLM module of a running algorithm, not with a copy."""

    def __init__(self, config: GRPOConfig, algo: Algorithm | None) -> None:
        self._algo = algo
        super().__init__(config=config, worker_index=0)

    def make_module(self) -> None:
        if self._algo is None:
            super().make_module()
            return
        trained = self._algo.env_runner.module
        spec = self.config.get_multi_rl_module_spec(inference_only=True)
        spec.remove_modules([module_id for module_id in trained.keys() if module_id in spec])  # noqa: SIM118
        self.module = spec.build()
        for module_id in trained.keys():  # noqa: SIM118 (MultiRLModule is no mapping)
            if module_id in self.config.policies:
                self.module.add_module(module_id, trained[module_id])


def _weights(algo: Algorithm) -> Mapping[str, Any]:
    state = algo.learner_group.get_state(components=f"learner/{COMPONENT_RL_MODULE}", inference_only=True)
    return state["learner"]


def _report(episodes: Sequence[MultiAgentEpisode], wall_s: float) -> EvaluationReport:
    records = [episode.custom_data[RECORD] for episode in episodes]
    clean = [record for record in records if record.fault is None]
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for record in clean:
        for key in ("question_kind", "chart_type", "source"):
            if value := record.task.metadata.get(key):
                by_kind[str(value)].append(record.correct)
    firsts = [next((step.grade for step in record.steps if step.grade is not None), None) for record in clean]
    tokens = [t.num_sampled for e in episodes for agent, t in e.custom_data[TRANSCRIPTS].items() if agent == VLM]
    num = max(len(clean), 1)
    return EvaluationReport(
        accuracy=sum(record.correct for record in clean) / num,
        num_tasks=len(records),
        num_faults=len(records) - len(clean),
        tool_calls_per_episode=sum(record.num_tool_calls for record in clean) / num,
        response_tokens=sum(tokens) / num,
        model_errors=dict(Counter(str(s.error.code) for record in clean for s in record.steps if s.error)),
        failures=dict(Counter(_failure(record) for record in clean if not record.correct)),
        by_kind={kind: sum(values) / len(values) for kind, values in sorted(by_kind.items())},
        first_attempt_accuracy=sum(grade is not None and grade.correct for grade in firsts) / num,
        wall_s=wall_s,
        episodes=tuple(records),
    )


def _failure(record: EpisodeRecord) -> str:
    if record.grade is None:
        return f"no answer: {record.end}"
    return "wrong after tool (E6)" if record.num_tool_calls else "wrong, no tool used"
