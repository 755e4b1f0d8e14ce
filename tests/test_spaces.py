"""The opaque-object spaces: elements, samples, equality, copies, and RLlib's own checks."""

from __future__ import annotations

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from episodes import TOOLS, answer, call, make_env, task
from gymnasium.utils.env_checker import data_equivalence
from ray import cloudpickle
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModule, RLModuleSpec
from ray.rllib.env.multi_agent_env_runner import MultiAgentEnvRunner
from ray.rllib.env.vector.sync_vector_multi_agent_env import SyncVectorMultiAgentEnv
from ray.rllib.utils.pre_checks.env import check_multiagent_environments

from envs.message import Message, Turn
from envs.registration import register_envs
from envs.spaces import MessageSpace, ToolCallSpace, ToolResultSpace, TurnSpace
from tools.tool import ToolCall, ToolResult

SPACES = [MessageSpace(), TurnSpace(TOOLS), TurnSpace(), ToolCallSpace(TOOLS), ToolCallSpace(), ToolResultSpace()]


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_samples_are_elements_and_follow_the_seed(space):
    space.seed(3)
    drawn = [space.sample() for _ in range(50)]
    assert all(element in space for element in drawn)
    assert len({repr(element) for element in drawn}) > 1 or isinstance(space, ToolCallSpace)
    again = copy.deepcopy(space)
    again.seed(3)
    assert data_equivalence([again.sample() for _ in range(50)], drawn)


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_copies_are_equal(space):
    space.seed(4)
    for twin in (copy.deepcopy(space), pickle.loads(pickle.dumps(space)), cloudpickle.loads(cloudpickle.dumps(space))):
        assert twin == space and hash(twin) == hash(space)
        assert twin.sample() == space.sample()  # the generator's state travels
        space.seed(4)


def test_different_spaces_differ():
    for i, one in enumerate(SPACES):
        assert [one == other for other in SPACES] == [i == j for j in range(len(SPACES))]


def test_membership():
    assert Message("user", "x") in MessageSpace() and "x" not in MessageSpace()
    assert "x" in TurnSpace() and np.str_("x") in TurnSpace() and Turn("x") in TurnSpace() and b"x" not in TurnSpace()
    assert ToolCall("zoom") in ToolCallSpace(("zoom",)) and ToolCall("ocr") not in ToolCallSpace(("zoom",))
    assert all(action in ToolResultSpace() for action in (ToolResult("x"), "x", Turn("x")))
    assert None not in ToolResultSpace() and {"text": "x"} not in ToolResultSpace()


def test_masks_are_refused():
    with pytest.raises(ValueError, match="mask"):
        MessageSpace().sample(mask=np.ones(3, dtype=np.int8))


def test_spaces_compose_in_a_dict_space():
    space = gym.spaces.Dict({"vlm": TurnSpace(TOOLS), "zoom": ToolResultSpace()})
    space.seed(0)
    assert space.sample() in space


def test_rllibs_environment_check_passes():
    for _ in range(10):  # the action it tries is sampled: a call, an answer or a malformed turn
        check_multiagent_environments(make_env())


def test_rllibs_vector_env_does_not_copy_pixels():
    vector = SyncVectorMultiAgentEnv([make_env, make_env])
    observations, _ = vector.reset(seed=5)
    first = vector.envs[0].record.first
    assert observations[0]["vlm"] is first
    observations, rewards, terminateds, _, _ = vector.step([{"vlm": answer()}, {"vlm": "hm"}])
    assert [t["__all__"] for t in terminateds] == [True, False]
    assert rewards[0]["vlm"] > 0 and observations[1]["vlm"].role == "user"
    observations, *_ = vector.step([{}, {"vlm": answer()}])  # the finished one resets by itself
    assert observations[0]["vlm"].images[0] is first.images[0]


class Scripted(RLModule):
    """Calls the calculator, then answers; as the calculator, returns 2."""

    framework = "torch"

    def setup(self) -> None:
        pass

    def _forward(self, batch, **keywords):
        observations = batch[Columns.OBS]
        actions = np.empty(len(observations), dtype=object)
        for i, seen in enumerate(observations):
            if isinstance(seen, ToolCall):
                actions[i] = ToolResult("2")
            else:
                actions[i] = Turn(answer()) if seen.role == "tool" else call()
        return {Columns.ACTIONS: actions}

    _forward_inference = _forward_exploration = _forward_train = _forward


def test_observations_and_actions_survive_rllibs_stock_runner_and_connectors():
    register_envs()
    modules = {"vlm": RLModuleSpec(module_class=Scripted), "calculator": RLModuleSpec(module_class=Scripted)}
    tasks = {str(i): task(str(i)) for i in range(5)}
    config = (
        PPOConfig()
        .environment("vista/ChartQA-v0", env_config={"tasks": tasks, "tools": ("calculator",)})
        .multi_agent(policies=set(modules), policy_mapping_fn=lambda agent, episode, **keywords: agent)
        .rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs=modules))
        .env_runners(num_envs_per_env_runner=3, episodes_to_numpy=False, batch_mode="complete_episodes")
    )
    runner = MultiAgentEnvRunner(config=config, worker_index=1)
    for episode in runner.sample(num_episodes=6, random_actions=False, explore=False):
        vlm = episode.agent_episodes["vlm"]
        assert [seen.role for seen in vlm.get_observations()] == ["user", "tool", "tool"]  # the last one repeated
        assert vlm.get_actions() == [call(), Turn(answer())] and episode.get_return() == 2.0
        assert episode.agent_episodes["calculator"].get_actions() == [ToolResult("2")]
    assert all(e.is_terminated for e in runner.sample(num_episodes=9, random_actions=True))
    runner.stop()
