"""The algorithm: one iteration, restored weights, a killed env runner, two trained agents, several learners."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import episodes
import numpy as np
import pytest
import ray
import rollouts
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.metrics import WEIGHTS_SEQ_NO
from rollouts import TypistModule, config_of, jobs_for, make_runner, tasks_with

from policies.vlm import VLMModule
from tools.errors import VistaError
from vista_rllib import GRPOConfig
from vista_rllib.connectors import JOB, TRANSCRIPTS
from vista_rllib.groups import sort_groups
from vista_rllib.grpo import GRPO
from vista_rllib.grpo_torch_learner import GRPOTorchLearner
from vista_rllib.ledger_log import verify

for _module in (episodes, rollouts, sys.modules[__name__]):
    ray.cloudpickle.register_pickle_by_value(_module)  # Ray's workers do not find the modules of this folder

TYPIST = {"max_new_tokens": 64, "max_length": 1024, "random_init_seed": 3}
TASKS = tasks_with([1] * 6)


def typist_config(**env_config: Any) -> GRPOConfig:
    """The VLM with scripted turns, half of them right, and a step that is easily seen."""
    config = config_of(TASKS, num_envs=8, **env_config)
    config.policy(modules={"vlm": RLModuleSpec(module_class=TypistModule, model_config=TYPIST)})
    return config.training(groups_per_iteration=2, rollouts_per_task=3, lr=1e-3, kl_coeff=0.0)


def learner_weights(algo: GRPO, module_id: str = "vlm") -> bytes:
    state = algo.learner_group.get_state(components="learner/rl_module", inference_only=True)["learner"]
    return state["rl_module"][module_id]["weights"]


def runner_weights(algo: GRPO) -> tuple[int, bytes]:
    """Number and bytes of the weights that episodes are sampled with."""

    def read(runner: Any) -> tuple[int, bytes]:
        return runner._weights_seq_no, runner.module["vlm"].get_state(inference_only=True)["weights"]

    if algo.env_runner is not None:
        return read(algo.env_runner)
    (found,) = algo.env_runner_group.foreach_env_runner(read, local_env_runner=False)
    return found


def learner_version(algo: GRPO) -> int:
    state = algo.learner_group.get_state(components="learner/rl_module", inference_only=True)["learner"]
    return state[WEIGHTS_SEQ_NO]


def in_step(algo: GRPO) -> bool:
    """Whether episodes are sampled with exactly the learner's weights."""
    return runner_weights(algo) == (learner_version(algo), learner_weights(algo))


def logged(path: Path, iteration: int) -> list[int]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["group_id"] for line in lines if line["iteration"] == iteration]


# Settings.


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.environment(env_config={"tasks": TASKS, "tools": ["calculatr"]}), "calculatr"),
        (lambda c: c.training(rollouts_per_tsk=4), "rollouts_per_tsk"),
        (lambda c: c.training(rollouts_per_task=1), "rollouts_per_task"),
        (lambda c: c.training(num_minibatches=0), "num_minibatches"),
        (lambda c: c.training(loss_aggregation="fixed-length"), "loss_length"),
        (lambda c: c.training(policy_loss="grop"), "grop"),
        (lambda c: c.multi_agent(policies_to_train=["vlm", "abacus"]), "abacus"),
        (lambda c: c.policy(vlm={"max_tokens": 3}), "max_tokens"),
        (lambda c: c.environment("vista/ChartQB-v0"), "ChartQB"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_starts(
    change: Any, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GRPO, "setup", lambda *_: pytest.fail("the algorithm was set up"))
    with pytest.raises(VistaError, match=word):
        change(config_of(TASKS)).build_algo()


def test_env_runners_get_every_module_and_learners_only_what_learns() -> None:
    config = typist_config()
    config.validate()
    for_runner = config.get_multi_rl_module_spec(inference_only=True)
    for_learner = config.get_multi_rl_module_spec()
    assert set(for_runner.rl_module_specs) == {"vlm", "calculator"}
    assert all(spec.inference_only for spec in for_runner.rl_module_specs.values())
    assert set(for_learner.rl_module_specs) == {"vlm"}
    assert not for_learner.rl_module_specs["vlm"].inference_only


# In one process.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grpo")


@pytest.fixture(scope="module")
def local_config(folder: Path) -> GRPOConfig:
    return typist_config().logging(ledger_path=str(folder / "ledger.jsonl"), trajectory_dir=None)


@pytest.fixture(scope="module")
def local(local_config: GRPOConfig, ray_session: None) -> Iterator[GRPO]:
    algo = local_config.copy(copy_frozen=False).build_algo()
    yield algo
    algo.stop()


def test_iterations_and_checkpoints_in_one_process(
    local: GRPO, local_config: GRPOConfig, folder: Path, ray_session: None
) -> None:
    """Train, save, train on; a new algorithm continues from the save, and the old one can go back to it."""
    log = folder / "ledger.jsonl"
    start = learner_weights(local)
    assert set(local.env_runner.module.keys()) == {"vlm", "calculator"}
    assert all(module.inference_only for module in local.env_runner.module.values())
    assert set(local.learner_group._learner.module.keys()) == {"vlm"}
    assert in_step(local)

    result = local.train()
    assert result["training_iteration"] == 1
    assert 0.0 < result["accuracy"] < 1.0 and result["fault_count"] == 0
    assert result["tool_calls_per_episode"] == 1.0
    assert result["first_ratio_max_dev"] <= 1e-4 and result["grad_norm"] > 0
    assert result["env_runners"]["num_episodes"] == 6
    assert result["env_runners"]["num_env_steps_sampled_lifetime"] == 18  # a turn, a tool and an answer each
    saved = learner_weights(local)
    assert saved != start and in_step(local)
    checkpoint = local.save_to_path(str(folder / "first"))

    local.train()
    second = logged(log, 2)
    assert learner_weights(local) != saved and in_step(local)

    fresh = local_config.copy(copy_frozen=False).build_algo()
    try:
        fresh.restore_from_path(checkpoint)
        assert fresh.iteration == 1 and learner_weights(fresh) == saved and in_step(fresh)
        assert logged(log, 2) == []  # that checkpoint has not seen it
        assert fresh.train()["training_iteration"] == 2
        assert logged(log, 2) == second
        third = fresh.ledger.next_groups(2)
        assert not {group.group_id for group in third} & set(second + logged(log, 1))
    finally:
        fresh.stop()
    report = verify(log, list(TASKS))
    assert report.ok and report.trained == 4 and len(report.attempts) == 2

    version = learner_version(local)
    local.restore_from_path(checkpoint)
    assert learner_version(local) < version
    assert learner_weights(local) == saved and in_step(local)


def test_two_agents_learn_each_from_its_own_transcripts(ray_session: None) -> None:
    config = typist_config(reward_tools=True)
    zoom = {**TYPIST, "max_new_tokens": 5, "system": "You are a calculator.", "random_init_seed": 4}
    config.policy(modules={"calculator": RLModuleSpec(module_class=VLMModule, model_config=zoom)})
    config.multi_agent(policies_to_train=["vlm", "calculator"])
    learned: dict[str, list[Any]] = {}
    algo = config.build_algo()
    learner = algo.learner_group._learner
    accumulate = learner._accumulate_gradients
    learner._accumulate_gradients = lambda module_id, rows: (
        learned.setdefault(module_id, []).extend(rows) or accumulate(module_id, rows)
    )
    sampled: list[Any] = []
    rollout = algo._rollout
    algo._rollout = lambda jobs: sampled.extend(rollout(jobs)) or sampled
    try:
        before = {module_id: learner_weights(algo, module_id) for module_id in ("vlm", "calculator")}
        result = algo.train()
        after = {module_id: learner_weights(algo, module_id) for module_id in ("vlm", "calculator")}
        assert all(before[module_id] != after[module_id] for module_id in before)
        assert set(result["learners"]) >= {"vlm", "calculator"}
    finally:
        algo.stop()
    for agent in ("vlm", "calculator"):
        own = Counter(tuple(episode.custom_data[TRANSCRIPTS][agent].token_ids) for episode in sampled)
        assert Counter(tuple(row.token_ids.tolist()) for row in learned[agent]) == own
        assert own.total() == 6
    returns = {(row.episode_id, row.reward) for row in learned["vlm"]}
    assert {(row.episode_id, row.reward) for row in learned["calculator"]} == returns


# With an env runner in another process.


def test_a_remote_runner_is_restored_and_replaced(folder: Path, ray_session: None) -> None:
    """RLlib alone would sample on with first weights after a restore, and without tools after a restart."""
    config = typist_config().env_runners(num_env_runners=1)
    algo = config.copy(copy_frozen=False).build_algo()
    seen: list[Any] = []
    rollout = algo._rollout

    def watched(jobs: Any) -> Any:
        sampled = rollout(jobs)
        seen.append((list(jobs), [episode.custom_data[JOB] for episode in sampled]))
        return sampled

    algo._rollout = watched
    try:
        assert algo.env_runner is None and in_step(algo)
        algo.train()
        first, first_weights = algo.save_to_path(str(folder / "one")), learner_weights(algo)
        algo.train()
        second, second_weights = algo.save_to_path(str(folder / "two")), learner_weights(algo)
        assert in_step(algo) and first_weights != second_weights

        ray.kill(algo.env_runner_group._worker_manager.actors()[1], no_restart=False)
        assert algo.train()["training_iteration"] == 3
        jobs, returned = seen[-1]
        assert returned == jobs and len(set(jobs)) == len(jobs) == 6
        assert in_step(algo)
        modules = algo.env_runner_group.foreach_env_runner(lambda r: sorted(r.module.keys()), local_env_runner=False)
        assert modules == [["calculator", "vlm"]]
    finally:
        algo.stop()

    fresh = config.copy(copy_frozen=False).build_algo()
    try:
        fresh.restore_from_path(second)
        assert learner_weights(fresh) == second_weights and in_step(fresh)
        assert fresh.train()["first_ratio_max_dev"] <= 1e-4
        fresh.restore_from_path(first)
        assert learner_weights(fresh) == first_weights and in_step(fresh)
        assert fresh.iteration == 1
    finally:
        fresh.stop()


# Several learners.


def test_two_learners_make_the_gradient_of_one(ray_session: None) -> None:
    """Three groups, so that one learner has two and the other one, in two steps of which one is empty there."""
    sampling = typist_config()
    sampled = make_runner(_validated(sampling)).sample(jobs=jobs_for(["t0", "t1", "t2"], 3))
    groups = sort_groups(sampled, ["vlm"], drop_flat=False)
    config = typist_config().training(lr=0.0, grad_clip=None, num_minibatches=1)
    config.policy(modules={"vlm": RLModuleSpec(module_class=VLMModule, model_config=TYPIST)})
    one = GRPOTorchLearner(config=_validated(config), module_spec=config.get_multi_rl_module_spec())
    one.build()
    one.update(episodes=groups.episodes(), timesteps={})
    expected = _gradient(one)

    config = config.copy(copy_frozen=False).learners(num_learners=2)
    group = _validated(config).build_learner_group(rl_module_spec=config.get_multi_rl_module_spec())
    try:
        shards = groups.shards(2)
        assert sorted(map(len, shards)) == [3, 6]
        group.update(episodes_refs=[ray.put(shard) for shard in shards], timesteps={})
        found = [result.get() for result in group.foreach_learner(_gradient).result_or_errors]
        assert np.array_equal(found[0], found[1])
        assert np.abs(found[0] - expected).max() <= 1e-6 and np.linalg.norm(expected) > 1e-3

        # Two steps for one learner, one for the other: they stay in step, and hold the same weights afterwards.
        group.foreach_learner(_set_minibatches)
        group.update(episodes_refs=[ray.put(shard) for shard in shards], timesteps={})
        weights = [result.get() for result in group.foreach_learner(_weights).result_or_errors]
        assert weights[0] == weights[1] and weights[0] != _weights(one)
    finally:
        group.shutdown()


def _validated(config: GRPOConfig) -> GRPOConfig:
    config.validate()
    return config


def _gradient(learner: Any) -> np.ndarray:
    return np.concatenate([p.grad.flatten().numpy() for p in learner._params.values() if p.grad is not None])


def _set_minibatches(learner: Any) -> None:
    learner.config = learner.config.copy(copy_frozen=False).training(num_minibatches=2)
    for optimizer in learner._optimizer_parameters:
        for parameters in optimizer.param_groups:
            parameters["lr"] = 1e-3


def _weights(learner: Any) -> bytes:
    return learner._vlm("vlm").get_state(inference_only=True)["weights"]
