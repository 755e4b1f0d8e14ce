"""The update: its gradient depends on what was learned from, and not on how that was cut or what failed beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode
from rollouts import TypistModule, config_of, jobs_for, make_runner, record_of, tasks_with

from vista_rllib.connectors import JOB, TRANSCRIPTS
from vista_rllib.groups import Groups, sort_groups
from vista_rllib.grpo_config import GRPOConfig
from vista_rllib.grpo_torch_learner import METRICS, GRPOTorchLearner, LearnerError

TYPIST = {"max_new_tokens": 64, "max_length": 1024, "random_init_seed": 3}
NUM_GROUPS, GROUP_SIZE = 2, 4


def typist_config(fault_rate: float = 0.0, **training: Any) -> GRPOConfig:
    """The VLM with scripted turns, without clipping and without a step: only its gradient counts."""
    config = config_of(tasks_with([1] * NUM_GROUPS), num_envs=NUM_GROUPS * GROUP_SIZE)
    config.policy(
        modules={"vlm": RLModuleSpec(module_class=TypistModule, model_config=TYPIST)},
        tools={"fault_rate": fault_rate, "fault_seed": 6},
    )
    return config.training(lr=0.0, grad_clip=None, kl_coeff=0.0, **training)


def rollouts(config: GRPOConfig) -> list[MultiAgentEpisode]:
    return make_runner(config).sample(jobs=jobs_for([f"t{index}" for index in range(NUM_GROUPS)], GROUP_SIZE))


@pytest.fixture(scope="module")
def clean() -> list[MultiAgentEpisode]:
    return rollouts(typist_config())


@pytest.fixture(scope="module")
def some_faults() -> list[MultiAgentEpisode]:
    """The same episodes, but a fifth of the tool calls was to fail: one in each group did."""
    return rollouts(typist_config(fault_rate=0.2))


@pytest.fixture(scope="module")
def all_faults() -> list[MultiAgentEpisode]:
    return rollouts(typist_config(fault_rate=1.0))


@pytest.fixture(scope="module")
def learner() -> GRPOTorchLearner:
    return make_learner(typist_config())


def make_learner(config: GRPOConfig) -> GRPOTorchLearner:
    config.validate()
    learner = GRPOTorchLearner(config=config, module_spec=config.get_multi_rl_module_spec())
    learner.build()
    return learner


def update(learner: GRPOTorchLearner, episodes: Sequence[MultiAgentEpisode], **settings: Any) -> dict[str, float]:
    """One update of `learner` under changed settings; returns its metrics."""
    before = learner.config
    learner.config = before.copy(copy_frozen=False).training(**settings)
    try:
        results = learner.update(episodes=list(episodes), timesteps={})
    finally:
        learner.config = before
    return {name: float(stats.peek()) for name, stats in results["vlm"][METRICS].items()}


def gradient(learner: GRPOTorchLearner, episodes: Sequence[MultiAgentEpisode], **settings: Any) -> torch.Tensor:
    """The gradient of one update of all of `episodes`, flat."""
    update(learner, episodes, **settings)
    return torch.cat([param.grad.flatten().clone() for param in learner._params.values() if param.grad is not None])


# How the batch is cut.


@pytest.mark.parametrize("aggregation", ["token-mean", "sequence-mean", "fixed-length"])
def test_micro_batches_do_not_change_the_gradient(
    learner: GRPOTorchLearner, clean: list[MultiAgentEpisode], aggregation: str
) -> None:
    settings: dict[str, Any] = {"loss_aggregation": aggregation, "loss_length": 50}
    whole = gradient(learner, clean, token_budget=10**6, **settings)
    assert whole.norm() > 1e-3
    for budget in (1, 700):  # every row alone, and a few together
        assert (gradient(learner, clean, token_budget=budget, **settings) - whole).abs().max() <= 1e-6


def test_aggregations_differ(learner: GRPOTorchLearner, clean: list[MultiAgentEpisode]) -> None:
    a = gradient(learner, clean, loss_aggregation="token-mean")
    b = gradient(learner, clean, loss_aggregation="fixed-length", loss_length=50)
    assert (a - b).abs().max() > 1e-4


def test_the_order_of_episodes_does_not_change_the_gradient(
    learner: GRPOTorchLearner, clean: list[MultiAgentEpisode]
) -> None:
    assert (gradient(learner, clean) - gradient(learner, clean[::-1])).abs().max() <= 1e-6


# What failed beside it.


def test_faults_leave_the_gradient_of_the_clean_episodes(
    learner: GRPOTorchLearner, clean: list[MultiAgentEpisode], some_faults: list[MultiAgentEpisode]
) -> None:
    """What did not fail gives the gradient that it gives when nothing else was sampled."""
    failed = [record_of(episode).fault is not None for episode in some_faults]
    assert sum(failed) == NUM_GROUPS
    alone = [episode for episode, bad in zip(clean, failed, strict=True) if not bad]
    with_faults = gradient(learner, some_faults)
    assert with_faults.norm() > 1e-3
    assert (with_faults - gradient(learner, alone)).abs().max() <= 1e-6
    assert (with_faults - gradient(learner, clean)).abs().max() > 1e-4


def test_a_fault_never_counts_as_reward_0(learner: GRPOTorchLearner, some_faults: list[MultiAgentEpisode]) -> None:
    """A group of right answers and faults has no difference in reward, hence no gradient."""
    kept = [e for e in some_faults if record_of(e).fault is not None or record_of(e).correct]
    assert {record_of(e).fault is None for e in kept} == {True, False}
    assert float(gradient(learner, kept).abs().max()) == 0.0


# The policy that sampled, and the reference.


def test_the_first_ratio_is_one(learner: GRPOTorchLearner, clean: list[MultiAgentEpisode]) -> None:
    assert update(learner, clean)["first_ratio_max_dev"] <= 1e-4


def test_recomputed_log_probabilities_give_the_same_gradient(
    learner: GRPOTorchLearner, clean: list[MultiAgentEpisode]
) -> None:
    """Rollout and learner are the same model here, so truncated importance weights are all one."""
    plain = gradient(learner, clean)
    assert (gradient(learner, clean, tis_cap=2.0) - plain).abs().max() <= 1e-5


def test_truncated_importance_weights_correct_what_the_rollout_recorded(
    learner: GRPOTorchLearner, clean: list[MultiAgentEpisode]
) -> None:
    """The recorded log-probabilities are too high by log 2: with recomputed ones the ratio is 1, the weights 1/2."""
    plain = gradient(learner, clean)
    shifted = []
    for episode in clean:
        transcript = episode.custom_data[TRANSCRIPTS]["vlm"]
        shifted.append((transcript, list(transcript.logps)))
        transcript.logps = [
            logp + np.log(2) if flag else 0.0 for logp, flag in zip(transcript.logps, transcript.sampled, strict=True)
        ]
    try:
        halved = gradient(learner, clean, tis_cap=2.0)
        assert update(learner, clean, tis_cap=2.0)["first_ratio_max_dev"] <= 1e-4
        assert update(learner, clean)["first_ratio_max_dev"] == pytest.approx(0.5, abs=1e-3)
    finally:
        for transcript, logps in shifted:
            transcript.logps = logps
    assert (halved - plain / 2).abs().max() <= 1e-5


@pytest.mark.parametrize(
    ("lora", "lr"), [(None, 3e-3), ({"r": 2, "target_modules": ["q_proj", "v_proj"]}, 5e-2)], ids=["full", "lora"]
)
def test_the_reference_stays_at_the_start(
    clean: list[MultiAgentEpisode], lora: dict[str, Any] | None, lr: float
) -> None:
    config = typist_config(measure_kl=True, num_minibatches=1)
    config.policy(modules={"vlm": RLModuleSpec(module_class=TypistModule, model_config={**TYPIST, "lora": lora})})
    learner = make_learner(config.training(lr=lr))
    logps = reference_logps(learner, clean)
    assert update(learner, clean)["kl"] == pytest.approx(0.0, abs=1e-8)
    assert update(learner, clean)["kl"] > 1e-6
    assert np.array_equal(reference_logps(learner, clean), logps)

    restored = make_learner(config)
    restored.set_state(learner.get_state())
    assert np.allclose(reference_logps(restored, clean), logps, atol=1e-6)
    third, again = update(learner, clean), update(restored, clean)
    assert third["kl"] == pytest.approx(again["kl"], rel=1e-4) and third["kl"] > 1e-6


def reference_logps(learner: GRPOTorchLearner, episodes: Sequence[MultiAgentEpisode]) -> np.ndarray:
    arrays = episodes[0].custom_data[TRANSCRIPTS]["vlm"].arrays()
    images = episodes[0].custom_data[TRANSCRIPTS]["vlm"].images
    with learner._reference("vlm") as module, torch.no_grad():
        batch = module.train_batch([arrays["token_ids"].tolist()], [arrays["sampled"].tolist()], [images])
        return module.forward_train(batch)["logps"][0].numpy()


# Errors.


def test_nothing_to_learn_from_is_named(learner: GRPOTorchLearner, all_faults: list[MultiAgentEpisode]) -> None:
    with pytest.raises(LearnerError, match="no transcript to learn from"):
        learner.update(episodes=all_faults, timesteps={})


def test_a_gradient_that_is_not_a_number_is_named(clean: list[MultiAgentEpisode]) -> None:
    learner = make_learner(typist_config())
    with torch.no_grad():
        next(p for p in learner._params.values() if p.ndim == 2).fill_(float("nan"))
    weights = [param.detach().clone() for param in learner._params.values()]
    with pytest.raises(LearnerError, match="gradient norm is nan"):
        learner.update(episodes=clean, timesteps={})
    assert all(torch.equal(a, b) or a.isnan().any() for a, b in zip(weights, learner._params.values(), strict=True))


# Groups.


def test_shards_keep_groups_whole(clean: list[MultiAgentEpisode]) -> None:
    groups = sort_groups(clean, ["vlm"], drop_flat=False)
    assert [len(group) for group in groups.learn.values()] == [GROUP_SIZE] * NUM_GROUPS
    shards = groups.shards(2)
    owners = [{episode.custom_data[JOB].group_id for episode in shard} for shard in shards]
    assert owners[0].isdisjoint(owners[1]) and len(owners[0] | owners[1]) == NUM_GROUPS
    assert Counter(e.id_ for shard in shards for e in shard) == Counter(e.id_ for e in clean)
    assert sorted(map(len, groups.shards(3))) == [0, GROUP_SIZE, GROUP_SIZE]
    assert Groups().shards(2) == [[], []]


def test_groups_without_a_difference_can_be_left_out(clean: list[MultiAgentEpisode]) -> None:
    right = [e for e in clean if record_of(e).correct and e.custom_data[JOB].group_id == 1]
    kept = sort_groups(clean, ["vlm"], drop_flat=True)
    assert len(kept.learn) == NUM_GROUPS and not kept.flat
    flat = sort_groups(right, ["vlm"], drop_flat=True)
    assert not flat.learn and flat.flat == [1] and flat.num_dropped == 1
    assert len(sort_groups(right, ["vlm"], drop_flat=False).learn) == 1


def test_a_group_that_lost_all_but_one_is_faulted(
    clean: list[MultiAgentEpisode], all_faults: list[MultiAgentEpisode]
) -> None:
    episodes = [clean[0], *all_faults[1:]]
    groups = sort_groups(episodes, ["vlm"], drop_flat=False)
    assert groups.faulted == dict.fromkeys(range(NUM_GROUPS), "InjectedFault")
    assert not groups.episodes() and groups.num_dropped == NUM_GROUPS


def test_the_learner_drops_flat_groups_too(clean: list[MultiAgentEpisode]) -> None:
    learner = make_learner(typist_config(drop_zero_variance=True))
    flat = [e for e in clean if record_of(e).correct and e.custom_data[JOB].group_id == 1]
    varied = [e for e in clean if e.custom_data[JOB].group_id == 0]
    both, alone = gradient(learner, flat + varied), gradient(learner, varied)
    assert (both - alone).abs().max() <= 1e-6
    with pytest.raises(LearnerError, match="no group differs"):
        learner.update(episodes=flat, timesteps={})
