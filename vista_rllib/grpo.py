"""`GRPO`: group-relative policy optimisation as an RLlib `Algorithm`."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core import COMPONENT_LEARNER, COMPONENT_RL_MODULE
from ray.rllib.env.env_runner_group import EnvRunnerGroup
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    LEARNER_RESULTS,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    WEIGHTS_SEQ_NO,
)

from envs.env_config import EnvConfig
from envs.registration import default_config
from tools.errors import VistaError
from vista_rllib.connectors import JOB, TRANSCRIPTS
from vista_rllib.groups import Groups, sort_groups
from vista_rllib.grpo_config import VLM, GRPOConfig
from vista_rllib.grpo_torch_learner import METRICS
from vista_rllib.job import RolloutJob
from vista_rllib.ledger import Job, Ledger
from vista_rllib.ledger_log import LedgerLog
from vista_rllib.rollout_metrics import rollout_metrics

logger = logging.getLogger(__name__)

COUNTS = ("fault_count/", "tools/")
"""Beginnings of metrics that are 0 in an iteration without any, once there were some. RLlib would report NaN."""
MAX_ROUNDS = 5
"""How often jobs that came back from no env runner are handed out again before the run stops."""


class RolloutError(VistaError):
    """Episodes cannot be sampled: env runners keep failing, or sample with old weights."""


class GRPO(Algorithm):
    """Samples groups of episodes, learns from their relative rewards, and keeps account of the tasks.

    One `training_step`: hand out tasks, sample G episodes of each, leave faulted ones out, update, push the new
    weights to every env runner and check that they arrived.
    """

    config: GRPOConfig

    @classmethod
    def get_default_config(cls) -> GRPOConfig:
        """RLlib's entry point to the default settings."""
        return GRPOConfig()

    def setup(self, config: GRPOConfig) -> None:
        """Builds env runners and learners, opens the task set and starts the ledger.

        Raises:
            TaskSetError: the task set cannot be opened.
        """
        super().setup(config)
        ids, fingerprint = tasks_of(default_config(str(self.config.env), self.config.env_config))
        log = LedgerLog(Path(self.config.ledger_path)) if self.config.ledger_path else None
        self._ledger = Ledger(ids, self.config.seed or 0, fingerprint, log)
        self._counts: dict[str, float] = {}
        self._sync_weights()

    @property
    def ledger(self) -> Ledger:
        """The account of tasks handed out and trained on."""
        return self._ledger

    def training_step(self) -> None:
        """One iteration. Metrics are logged at the top level of the result (see `rollout_metrics`)."""
        iteration = self.iteration + 1
        started = time.perf_counter()
        handed_out = self._ledger.next_groups(self.config.groups_per_iteration)
        episodes = self._rollout(self._jobs(handed_out, iteration))
        rollout_s = time.perf_counter() - started
        groups = sort_groups(episodes, self.config.policies_to_train, self.config.drop_zero_variance)
        self._account(groups)
        counted = rollout_metrics(episodes)
        self._counts |= {key: 0.0 for key in counted if key.startswith(COUNTS)}
        self._log(self._counts | counted | {"rollout_s": rollout_s, "num_groups_dropped": groups.num_dropped})

        learned = time.perf_counter()
        if groups.learn:
            self._learn(groups)
            self._sync_weights()
        else:
            logger.warning("iteration %d: nothing to learn from, %s", iteration, groups.why_dropped)
        self._ledger.train(list(groups.learn), iteration)
        learn_s = time.perf_counter() - learned
        tokens = sum(len(t) for e in episodes for t in e.custom_data[TRANSCRIPTS].values())
        self._log({"learn_s": learn_s, "tokens_per_s": tokens / (time.perf_counter() - started)})

    def _jobs(self, groups: Sequence[Job], iteration: int) -> list[RolloutJob]:
        return [
            RolloutJob(group.task_id, group.group_id, replica, group.replica_seed(replica), iteration)
            for group in groups
            for replica in range(self.config.rollouts_per_task)
        ]

    # Sampling.

    def _rollout(self, jobs: Sequence[RolloutJob]) -> list[MultiAgentEpisode]:
        """Runs every job exactly once, wherever it can; jobs of a runner that died are handed to another.

        Raises:
            RolloutError: jobs are still missing after `MAX_ROUNDS` rounds.
        """
        if self.env_runner is not None:
            episodes = self.env_runner.sample(jobs=jobs)
            results = [self.env_runner.get_metrics()]
        else:
            episodes, results = self._rollout_remotely(jobs)
        self.metrics.aggregate(results, key=ENV_RUNNER_RESULTS)
        self._check_versions(episodes)
        return episodes

    def _rollout_remotely(self, jobs: Sequence[RolloutJob]) -> tuple[list[MultiAgentEpisode], list[Any]]:
        done: dict[RolloutJob, MultiAgentEpisode] = {}
        for _ in range(MAX_ROUNDS):
            missing = [job for job in jobs if job not in done]
            if not missing:
                break
            ids = self._healthy_runners()
            shards = [missing[index :: len(ids)] for index in range(len(ids))]
            for episodes in self.env_runner_group.foreach_env_runner(
                ["sample"] * len(ids),
                kwargs=[{"jobs": shard} for shard in shards],
                remote_worker_ids=ids,
                local_env_runner=False,
            ):
                done |= {episode.custom_data[JOB]: episode for episode in episodes}
            if len(done) < len(jobs):
                logger.warning(
                    "%d of %d episodes did not come back: sampling them again", len(jobs) - len(done), len(jobs)
                )
                self.restore_env_runners(self.env_runner_group)
        if len(done) < len(jobs):
            raise RolloutError(
                f"{len(jobs) - len(done)} of {len(jobs)} episodes did not come back in {MAX_ROUNDS} rounds; "
                "the env runners' logs (ray logs) say why"
            )
        metrics = self.env_runner_group.foreach_env_runner("get_metrics", local_env_runner=False)
        return [done[job] for job in jobs], metrics

    def _healthy_runners(self) -> list[int]:
        """Ids of the env runners that can sample; while there is none, waits until one is up again.

        Raises:
            RolloutError: none came back within `env_runner_restore_timeout_s`, or none is to be restarted.
        """
        waited = time.monotonic()
        while not (ids := self.env_runner_group.healthy_worker_ids()):
            patience = self.config.env_runner_restore_timeout_s if self.config.restart_failed_env_runners else 0
            if time.monotonic() - waited >= patience:
                raise RolloutError(f"no env runner has been alive for {patience} s; their logs (ray logs) say why")
            time.sleep(1.0)
            self.restore_env_runners(self.env_runner_group)
        return list(ids)

    def restore_env_runners(self, env_runner_group: EnvRunnerGroup) -> list[int]:
        """Takes back env runners that Ray has restarted, with the present weights.

        RLlib's own removes every module from them that no learner has: the tools.
        """
        restored = env_runner_group.probe_unhealthy_env_runners()
        if restored:
            self._sync_weights()
        return list(restored or ())

    def _check_versions(self, episodes: Sequence[MultiAgentEpisode]) -> None:
        """Every sampled token must come from the weights that are now in the learner."""
        for episode in episodes:
            for agent_id, transcript in episode.custom_data[TRANSCRIPTS].items():
                stale = {version for version in transcript.versions if version not in (-1, self._version)}
                if stale and episode.module_for(agent_id) in self.config.policies_to_train:
                    raise RolloutError(
                        f"agent {agent_id!r} sampled with weights {sorted(stale)}, the learner has {self._version}"
                    )

    # Learning.

    def _account(self, groups: Groups) -> None:
        for group_id, kind in groups.faulted.items():
            self._ledger.fault(group_id, kind)
        for group_id in groups.flat:
            self._ledger.skip(group_id, "zero_variance")
        for group_id in groups.learn:
            self._ledger.finish(group_id)

    def _learn(self, groups: Groups) -> None:
        timesteps = {
            NUM_ENV_STEPS_SAMPLED_LIFETIME: self.metrics.peek(
                (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), default=0
            )
        }
        if self.config.num_learners < 2:
            results = self.learner_group.update(episodes=groups.episodes(), timesteps=timesteps)
        else:
            # References are never cut; `episodes=` would be split in the middle of groups and of episodes.
            refs = [ray.put(shard) for shard in groups.shards(self.config.num_learners)]
            results = self.learner_group.update(episodes_refs=refs, timesteps=timesteps)
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
        names = ("kl", "clip_fraction", "entropy", "ratio_max_dev", "first_ratio_max_dev", "grad_norm", "policy_loss")
        for name in names:
            # RLlib takes a default of None for none at all, and raises.
            value = float(self.metrics.peek((LEARNER_RESULTS, VLM, METRICS, name), default=math.nan))
            if not math.isnan(value):
                self._log({name: value})

    def _log(self, values: dict[str, float]) -> None:
        for key, value in values.items():
            self.metrics.log_value(key, value, reduce="mean", window=1)

    # Weights.

    def _sync_weights(self) -> None:
        """Pushes the learner's weights to all env runners and waits until each has them.

        RLlib's own `sync_weights` does not wait, and silently drops a sync while another is in flight, so that a run
        restored from a checkpoint samples with its first weights.

        Raises:
            RolloutError: an env runner did not take them.
        """
        state = self.learner_group.get_state(
            components=f"{COMPONENT_LEARNER}/{COMPONENT_RL_MODULE}", inference_only=True
        )[COMPONENT_LEARNER]
        self._version = state[WEIGHTS_SEQ_NO]
        state = {COMPONENT_RL_MODULE: state[COMPONENT_RL_MODULE], WEIGHTS_SEQ_NO: self._version}
        if self.env_runner is not None:
            self.env_runner.set_state(state)
            return
        versions = self.env_runner_group.foreach_env_runner(
            "take_weights", kwargs={"state_ref": [ray.put(state)]}, local_env_runner=False
        )
        if any(version != self._version for version in versions):
            raise RolloutError(f"env runners have weights {versions}, the learner {self._version}")

    # Checkpoints.

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """RLlib's state and the ledger's."""
        return super().get_state(*args, **kwargs) | {"ledger": self._ledger.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores both; refuses a checkpoint of another data set."""
        super().set_state(state)
        if "ledger" in state:
            self._ledger.set_state(state["ledger"])

    def restore_from_path(self, *args: Any, **kwargs: Any) -> None:
        """Restores a checkpoint, and only returns when every env runner has its weights."""
        super().restore_from_path(*args, **kwargs)
        self._sync_weights()


def tasks_of(env: EnvConfig) -> tuple[Sequence[str], str]:
    """(ids, fingerprint) of the tasks that an env hands out."""
    if env.tasks is not None:
        return tuple(env.tasks), ""
    from envs.datasets.store import open_task_set

    tasks = open_task_set(env.dataset, env.split)
    return tasks.ids, tasks.fingerprint


__all__ = ["GRPO", "GRPOConfig", "RolloutError"]
