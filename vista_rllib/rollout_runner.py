"""`RolloutRunner`: an env runner that runs an exact list of episodes, each advancing on its own."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray
from ray.rllib.callbacks.utils import make_callback
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.core.columns import Columns
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.rllib.env.multi_agent_env_runner import MultiAgentEnvRunner
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode
from ray.rllib.utils.metrics import (
    ENV_TO_MODULE_CONNECTOR,
    MODULE_TO_ENV_CONNECTOR,
    NUM_AGENT_STEPS_SAMPLED,
    NUM_AGENT_STEPS_SAMPLED_LIFETIME,
    NUM_ENV_STEPS_SAMPLED,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_EPISODES,
    NUM_EPISODES_LIFETIME,
    NUM_MODULE_STEPS_SAMPLED,
    NUM_MODULE_STEPS_SAMPLED_LIFETIME,
    RLMODULE_INFERENCE_TIMER,
    SAMPLE_TIMER,
    WEIGHTS_SEQ_NO,
)

from envs.episode_record import EpisodeRecord
from envs.message import Message
from envs.task import Task
from policies.request import object_array
from policies.tool import ToolModule
from tools.errors import Fault, FaultError, boundary
from vista_rllib.connectors import JOB, RECORD, TRANSCRIPTS
from vista_rllib.job import RolloutJob

_UNKNOWN_TASK = Task(id="", dataset="", question="", answer="")


@dataclass(slots=True)
class _Slot:
    """One sub-env and the episode that runs in it."""

    index: int
    env: MultiAgentEnv
    job: RolloutJob
    episode: MultiAgentEpisode
    started: float


@dataclass(slots=True)
class _Ready:
    """Requests of one module that wait for a forward pass, with where their actions go."""

    rows: list[tuple[MultiAgentEpisode, str]] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    since: float = 0.0


class RolloutRunner(MultiAgentEnvRunner):
    """Runs episodes of a turn-based multi-agent env asynchronously.

    Up to `num_envs_per_env_runner` episodes are in flight. A module with a `concurrency` attribute (tools) runs in
    threads, one request each; any other module (generation) runs in this thread on a batch of all its waiting
    requests, while tools go on. `sample(jobs=...)` runs exactly those episodes: RLlib's `sample(num_episodes=...)`
    keeps the first that finish and so prefers short ones.

    RLlib's env-to-module and module-to-env connectors, callbacks and metrics apply as in its own runner.
    """

    _weights_seq_no: int

    def sample(  # type: ignore[override]
        self,
        *,
        num_timesteps: int | None = None,
        num_episodes: int | None = None,
        explore: bool | None = None,
        random_actions: bool = False,
        force_reset: bool = False,
        jobs: Sequence[RolloutJob] | None = None,
    ) -> list[MultiAgentEpisode]:
        """Runs episodes to their end.

        Args:
            num_timesteps: without `jobs`: starts episodes until this many env steps are done; all are completed.
            num_episodes: without `jobs`: exactly this many episodes.
            explore: sample (True) or act greedily (False); the config's `explore` by default.
            random_actions: unsupported, episodes are conversations.
            force_reset: accepted for compatibility; every call starts new episodes.
            jobs: exactly these episodes, returned in this order.

        Returns:
            Complete episodes. `custom_data` holds the job, the `EpisodeRecord` and each agent's `Transcript`. An
            episode that our fault voided is among them, with `record.fault` set.

        Raises:
            ValueError: `random_actions`, or both a number of steps and of episodes.
        """
        if random_actions:
            raise ValueError("RolloutRunner does not act at random: evaluate a scripted policy instead")
        if num_timesteps is not None and num_episodes is not None:
            raise ValueError(f"give num_timesteps or num_episodes, not both: {num_timesteps=}, {num_episodes=}")
        if explore is None:
            explore = self.config.explore
        self.metrics.log_value(WEIGHTS_SEQ_NO, self._weights_seq_no, window=1)
        with self.metrics.log_time(SAMPLE_TIMER):
            if jobs is None and num_timesteps is None:
                jobs = [self._own_job() for _ in range(num_episodes or self.num_envs)]
            episodes = _Run(self, explore, jobs, num_timesteps).episodes()
            self._write_trajectories(episodes)
            make_callback(
                "on_sample_end",
                callbacks_objects=self._callbacks,
                callbacks_functions=self.config.callbacks_on_sample_end,
                kwargs={"env_runner": self, "metrics_logger": self.metrics, "samples": episodes},
            )
        self._done_episodes_for_metrics.extend(
            episode for episode in episodes if episode.custom_data[RECORD].fault is None
        )
        return episodes

    def set_state(self, state: dict[str, Any]) -> None:
        """As RLlib's, but takes older weights too (a restored checkpoint), and tells modules which weights they hold.

        RLlib's runner silently keeps its own weights when those it is given have a lower number.
        """
        if COMPONENT_RL_MODULE in state and state.get(WEIGHTS_SEQ_NO, 0) < self._weights_seq_no:
            self._weights_seq_no = 0
        super().set_state(state)
        for module in self.module.values() if self.module is not None else ():
            if hasattr(module, "weights_version"):
                module.weights_version = self._weights_seq_no

    def take_weights(self, state_ref: Sequence[Any]) -> int:
        """Sets the state behind a reference, wrapped so that Ray does not resolve it per call; returns its version."""
        self.set_state(ray.get(state_ref[0]))
        return self._weights_seq_no

    def stop(self) -> None:
        """Closes the sub-envs, the tools and the trajectory log."""
        for module in self._tool_modules():
            module.close()
        if writer := getattr(self, "_trajectory_writer", None):
            writer.close()
        super().stop()

    def _tool_modules(self) -> list[ToolModule]:
        modules = self.module.values() if self.module is not None else ()
        return [module for module in modules if isinstance(module, ToolModule)]

    def _own_job(self) -> RolloutJob:
        """The next job of a runner that nobody gives jobs: the env chooses the task, the seed never repeats.

        RLlib re-seeds its sub-envs identically on every `sample(num_episodes=...)`.
        """
        count = self._own_jobs = getattr(self, "_own_jobs", -1) + 1
        sequence = np.random.SeedSequence([self.config.seed or 0, self.worker_index or 0, count])
        return RolloutJob(None, group_id=count, seed=int(sequence.generate_state(1, np.uint64)[0] >> 1))

    def _write_trajectories(self, episodes: Sequence[MultiAgentEpisode]) -> None:
        folder = getattr(self.config, "trajectory_dir", None)
        if not folder or not episodes:
            return
        from vista_rllib.trajectories import Trajectory, TrajectoryWriter

        if getattr(self, "_trajectory_writer", None) is None:
            self._trajectory_writer = TrajectoryWriter(folder, self.worker_index or 0)
        self._trajectory_writer.write(
            [
                Trajectory.from_record(
                    episode.custom_data[RECORD],
                    episode.custom_data.get(TRANSCRIPTS, {}),
                    episode_id=episode.id_,
                    group_id=episode.custom_data[JOB].group_id,
                    iteration=episode.custom_data[JOB].iteration,
                    seed=episode.custom_data[JOB].seed,
                    worker_index=self.worker_index or 0,
                    weights_version=self._weights_seq_no,
                )
                for episode in episodes
            ]
        )


class _Run:
    """One call of `sample`."""

    def __init__(
        self, runner: RolloutRunner, explore: bool, jobs: Sequence[RolloutJob] | None, num_timesteps: int | None
    ) -> None:
        self._runner = runner
        self._explore = explore
        self._jobs = deque(enumerate(jobs)) if jobs is not None else None
        self._num_timesteps = num_timesteps
        self._started = 0
        self._steps = 0
        self._agent_steps: Counter[tuple[str, str]] = Counter()
        self._slots: dict[str, _Slot] = {}
        self._free = list(range(runner.num_envs))[::-1]
        self._order: dict[str, int] = {}
        self._done: list[MultiAgentEpisode] = []
        self._waiting: dict[str, _Ready] = {}
        self._futures: dict[Future[Any], tuple[str, _Ready]] = {}
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def episodes(self) -> list[MultiAgentEpisode]:
        with ExitStack() as pools:
            self._start_episodes()
            while self._slots:
                self._submit_concurrent(pools)
                self._collect(block=not self._forward_waiting())
                self._start_episodes()
        self._log_counts()
        return sorted(self._done, key=lambda episode: self._order[episode.id_])

    # Episodes.

    def _start_episodes(self) -> None:
        started = []
        while self._free and (job := self._next_job()) is not None:
            slot = self._reset(self._free.pop(), job)
            if slot is not None:
                started.append(slot.episode)
        self._enqueue(started)

    def _next_job(self) -> RolloutJob | None:
        if self._jobs is None:
            assert self._num_timesteps is not None
            enough = self._steps >= self._num_timesteps
            return None if enough else self._runner._own_job()
        return self._jobs.popleft()[1] if self._jobs else None

    def _reset(self, index: int, job: RolloutJob) -> _Slot | None:
        runner = self._runner
        env = runner.env.envs[index].unwrapped
        runner._new_episode(index)
        episode = runner._ongoing_episodes[index]
        episode.custom_data[JOB] = job
        episode.custom_data[TRANSCRIPTS] = {}
        self._order[episode.id_] = self._started
        self._started += 1
        slot = self._slots[episode.id_] = _Slot(index, env, job, episode, time.perf_counter())
        try:
            with boundary("env"):
                options = None if job.task_id is None else {"task_id": job.task_id, "episode_id": episode.id_}
                observations, infos = env.reset(seed=job.seed, options=options)
        except FaultError as error:
            self._void(slot, error.fault, _bare_record(episode))  # the env's own may still be the last episode's
            return None
        episode.add_env_reset(observations=observations, infos=infos)
        runner._make_on_episode_callback("on_episode_start", index, runner._ongoing_episodes)
        return slot

    def _step(self, slot: _Slot, actions: dict[str, Any], for_env: dict[str, Any]) -> bool:
        """Steps one env; True when the episode goes on. A module may return a `Fault` in place of an action."""
        runner, episode = self._runner, slot.episode
        fault = next((action for action in actions.values() if isinstance(action, Fault)), None)
        if fault is not None:
            self._void(slot, fault, _record_of(slot))
            return False
        try:
            with boundary("env"):
                observations, rewards, terminateds, truncateds, infos = slot.env.step(for_env)
        except FaultError as error:
            self._void(slot, error.fault, _record_of(slot))
            return False
        episode.add_env_step(
            observations=observations,
            actions=actions,
            rewards=rewards,
            infos=infos,
            terminateds=terminateds,
            truncateds=truncateds,
            extra_model_outputs={agent_id: {WEIGHTS_SEQ_NO: runner._weights_seq_no} for agent_id in actions},
        )
        self._steps += 1
        for agent_id in actions:
            self._agent_steps[agent_id, episode.module_for(agent_id)] += 1
        runner._make_on_episode_callback("on_episode_step", slot.index, runner._ongoing_episodes)
        if not episode.is_done:
            return True
        record = _record_of(slot)
        if record.fault is None and (lost := _lost_reward(episode, record)):
            record.fault = Fault("LostReward", "env", lost)
        self._finish(slot, record)
        return False

    def _void(self, slot: _Slot, fault: Fault, record: EpisodeRecord) -> None:
        """Ends an episode that our fault broke; it is returned, but never learned from."""
        record.fault, record.end = fault, "fault"
        slot.episode.is_terminated = True
        self._finish(slot, record)

    def _finish(self, slot: _Slot, record: EpisodeRecord) -> None:
        runner, episode = self._runner, slot.episode
        episode.custom_data[RECORD] = record
        episode.custom_data["duration_s"] = time.perf_counter() - slot.started
        for module in runner._tool_modules():
            module.end_episode(episode.id_)
        runner._make_on_episode_callback("on_episode_end", slot.index, runner._ongoing_episodes)
        runner._prune_zero_len_sa_episodes(episode)
        self._done.append(episode)
        self._free.append(slot.index)
        del self._slots[episode.id_]

    # Modules.

    def _enqueue(self, episodes: list[MultiAgentEpisode]) -> None:
        """Runs the env-to-module pipeline on episodes whose agents must act, and queues their requests."""
        if not episodes:
            return
        runner = self._runner
        shared: dict[str, Any] = {}
        batch = runner._env_to_module(
            rl_module=runner.module,
            batch={},
            episodes=episodes,
            explore=self._explore,
            shared_data=shared,
            metrics=runner.metrics,
            metrics_prefix_key=(ENV_TO_MODULE_CONNECTOR,),
        )
        now = time.perf_counter()
        for module_id, rows in shared["acting"].items():
            ready = self._waiting.setdefault(module_id, _Ready())
            if not ready.rows:
                ready.since = now
            ready.rows += rows
            ready.requests += list(batch[module_id][Columns.OBS])

    def _submit_concurrent(self, pools: ExitStack) -> None:
        """Hands requests to the threads of their module: one that hangs does not keep others waiting."""
        for module_id in list(self._waiting):
            if concurrency := getattr(self._runner.module[module_id], "concurrency", 0):
                ready = self._waiting.pop(module_id)
                if module_id not in self._pools:
                    workers = min(concurrency, self._runner.num_envs)
                    self._pools[module_id] = pools.enter_context(ThreadPoolExecutor(workers, module_id))
                pool = self._pools[module_id]
                for row, request in zip(ready.rows, ready.requests, strict=True):
                    one = _Ready([row], [request])
                    self._futures[pool.submit(self._forward, module_id, one)] = (module_id, one)

    def _forward_waiting(self) -> bool:
        """Runs one batch of a module that runs in this thread; False when it is better to wait for tools first."""
        for module_id in list(self._waiting):
            ready = self._waiting[module_id]
            patient = time.perf_counter() - ready.since < self._runner.config.max_batch_wait_s
            share = len(ready.rows) / len(self._slots)
            if self._futures and patient and share < self._runner.config.min_batch_share:
                continue
            del self._waiting[module_id]
            with self._runner.metrics.log_time(RLMODULE_INFERENCE_TIMER):
                self._settle(module_id, ready, self._outcome(module_id, ready))
            return True
        return False

    def _forward(self, module_id: str, ready: _Ready) -> Any:
        module = self._runner.module[module_id]
        with boundary(f"module:{module_id}"):
            batch = {Columns.OBS: object_array(ready.requests)}
            return module.forward_exploration(batch) if self._explore else module.forward_inference(batch)

    def _outcome(self, module_id: str, ready: _Ready) -> Any:
        try:
            return self._forward(module_id, ready)
        except FaultError as error:
            return error.fault

    def _collect(self, block: bool) -> None:
        """Takes the results of finished tools; with `block` waits for at least one, or until a batch may run."""
        if not self._futures:
            return
        timeout = None if block and not self._waiting else (self._runner.config.max_batch_wait_s if block else 0)
        finished, _ = wait(self._futures, timeout=timeout, return_when=FIRST_COMPLETED)
        served: dict[str, tuple[_Ready, list[Any]]] = {}
        for future in finished:
            module_id, one = self._futures.pop(future)
            error = future.exception()
            if isinstance(error, FaultError):
                self._settle(module_id, one, error.fault)
            else:  # those that finished together take the way through the connectors together
                ready, outputs = served.setdefault(module_id, (_Ready(), []))
                ready.rows += one.rows
                outputs.append(future.result())
        for module_id, (ready, outputs) in served.items():
            columns = {column: [item for output in outputs for item in output[column]] for column in outputs[0]}
            self._settle(module_id, ready, {column: object_array(items) for column, items in columns.items()})

    def _settle(self, module_id: str, ready: _Ready, outcome: Any) -> None:
        """Turns a module's output into env steps, and queues what follows; a fault voids the rows' episodes."""
        runner = self._runner
        if isinstance(outcome, Fault):
            for episode, _ in ready.rows:
                if episode.id_ in self._slots:
                    slot = self._slots[episode.id_]
                    self._void(slot, outcome, _record_of(slot))
            return
        episodes = [episode for episode, _ in ready.rows]
        to_env = runner._module_to_env(
            rl_module=runner.module,
            batch={module_id: outcome},
            episodes=episodes,
            explore=self._explore,
            shared_data={"acting": {module_id: ready.rows}},
            metrics=runner.metrics,
            metrics_prefix_key=(MODULE_TO_ENV_CONNECTOR,),
        )
        actions = to_env[Columns.ACTIONS]
        for_env = to_env.get(Columns.ACTIONS_FOR_ENV, actions)
        going_on = [
            slot.episode
            for slot in [self._slots[episode_id] for episode_id in actions]
            if self._step(slot, actions[slot.episode.id_], for_env[slot.episode.id_])
        ]
        self._enqueue(going_on)

    def _log_counts(self) -> None:
        """RLlib's sampling counters, once per call: per step they would cost more than the step."""
        log = self._runner.metrics.log_value
        log(NUM_ENV_STEPS_SAMPLED, self._steps, reduce="sum")
        log(NUM_ENV_STEPS_SAMPLED_LIFETIME, self._steps, reduce="lifetime_sum", with_throughput=True)
        log(NUM_EPISODES, len(self._done), reduce="sum")
        log(NUM_EPISODES_LIFETIME, len(self._done), reduce="lifetime_sum")
        for (agent_id, module_id), count in self._agent_steps.items():
            log((NUM_AGENT_STEPS_SAMPLED, agent_id), count, reduce="sum")
            log((NUM_AGENT_STEPS_SAMPLED_LIFETIME, agent_id), count, reduce="lifetime_sum")
            log((NUM_MODULE_STEPS_SAMPLED, module_id), count, reduce="sum")
            log((NUM_MODULE_STEPS_SAMPLED_LIFETIME, module_id), count, reduce="lifetime_sum")


def _record_of(slot: _Slot) -> EpisodeRecord:
    """What the env knows of the episode that it runs."""
    record = getattr(slot.env, "record", None)
    return _bare_record(slot.episode) if record is None else record


def _bare_record(episode: MultiAgentEpisode) -> EpisodeRecord:
    """The record of an env that keeps none: the return, and no grade."""
    record = EpisodeRecord(_UNKNOWN_TASK, Message("user", ""))
    record.reward = float(episode.get_return()) if episode.agent_episodes else 0.0
    return record


def _lost_reward(episode: MultiAgentEpisode, record: EpisodeRecord) -> str:
    """What RLlib dropped of the reward that the env paid to the VLM agent; empty when nothing.

    `MultiAgentEpisode.add_env_step` silently drops a reward for an agent without a hanging action.
    """
    agent = episode.agent_episodes.get("vlm")
    got = float(agent.get_return()) if agent is not None else 0.0
    if agent is None or abs(got - record.reward) <= 1e-6:
        return ""
    return f"the env paid {record.reward}, the episode holds {got}"
