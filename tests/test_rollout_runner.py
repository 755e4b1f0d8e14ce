"""Rollouts: exactly the episodes asked for, whatever their length, and whatever breaks in one of them."""

from __future__ import annotations

import threading
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from episodes import answer, call
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns
from rollouts import actors, config_of, jobs_for, make_runner, planned, record_of, returns_two, tasks_with

from envs.message import Turn
from envs.visual_reasoning import VisualReasoningEnv
from policies.request import Request, object_array
from tools.errors import ErrorCode, Fault, ModelError
from tools.tool import ToolResult
from vista_rllib.connectors import JOB, OutputsToActions
from vista_rllib.job import RolloutJob
from vista_rllib.rollout_runner import RolloutRunner


def runner_for(
    calls: list[int], num_envs: int = 4, act: Any = planned, tool: Any = returns_two, **env_config: Any
) -> RolloutRunner:
    """A runner over tasks that ask for so many calls each."""
    return make_runner(config_of(tasks_with(calls), num_envs, **env_config).policy(modules=actors(act, tool)))


# The job list.


def test_every_job_comes_back_once_and_in_order() -> None:
    calls = [0, 5, 1, 0, 3, 0, 0, 7, 2, 0, 0]
    jobs = jobs_for([f"t{index}" for index in range(len(calls))])
    runner = runner_for(calls, num_envs=3)
    episodes = runner.sample(jobs=jobs)
    assert [episode.custom_data[JOB] for episode in episodes] == jobs
    assert [record_of(episode).task.id for episode in episodes] == [job.task_id for job in jobs]
    assert all(episode.is_done and record_of(episode).correct for episode in episodes)
    assert len({episode.id_ for episode in episodes}) == len(jobs)


def test_long_episodes_are_not_left_behind() -> None:
    """A call takes two env steps (the turn and the tool) and the answer one."""
    calls = [0, 9] * 8
    episodes = runner_for(calls).sample(jobs=jobs_for([f"t{index}" for index in range(16)]))
    lengths = [len(episode) for episode in episodes]
    assert lengths == [2 * count + 1 for count in calls]
    assert np.mean(lengths) == 10.0


def test_the_same_task_may_run_in_several_slots_at_once() -> None:
    episodes = runner_for([2]).sample(jobs=jobs_for(["t0"], group_size=6))
    assert [record_of(episode).num_tool_calls for episode in episodes] == [2] * 6
    assert len({id(record_of(episode)) for episode in episodes}) == 6


def test_no_jobs_give_no_episodes() -> None:
    assert runner_for([0]).sample(jobs=[]) == []


def test_own_jobs_never_repeat() -> None:
    runner = runner_for([0] * 64)
    sampled = [runner.sample(num_episodes=8) for _ in range(3)]
    assert [len(episodes) for episodes in sampled] == [8, 8, 8]
    seeds = [episode.custom_data[JOB].seed for episodes in sampled for episode in episodes]
    assert len(set(seeds)) == 24
    tasks = [[record_of(episode).task.id for episode in episodes] for episodes in sampled]
    assert all(len(set(ids)) > 4 for ids in tasks)  # slots draw different tasks
    assert len({tuple(ids) for ids in tasks}) == 3  # and calls do


def test_time_steps_end_on_whole_episodes() -> None:
    runner = runner_for([2] * 4, num_envs=2)
    episodes = runner.sample(num_timesteps=12)
    assert all(episode.is_done for episode in episodes)
    assert sum(map(len, episodes)) >= 12
    assert len(episodes) <= 4  # 5 steps each: two at once, and none is begun after 12


def test_what_it_cannot_do_is_refused() -> None:
    runner = runner_for([0])
    with pytest.raises(ValueError, match="random"):
        runner.sample(random_actions=True)
    with pytest.raises(ValueError, match="not both"):
        runner.sample(num_timesteps=3, num_episodes=3)


def test_action_seeds_differ_by_episode_agent_and_turn_but_not_by_run() -> None:
    seen: list[tuple[str, str, int, int]] = []

    def act(request: Request) -> str:
        seen.append((request.episode_id, request.agent_id, len(request.history), request.seed))
        return planned(request)

    def tool(request: Request) -> ToolResult:
        seen.append((request.episode_id, request.agent_id, len(request.history), request.seed))
        return ToolResult("2")

    runner = runner_for([2, 2], act=act, tool=tool)
    runner.sample(jobs=jobs_for(["t0", "t1"]))
    first = {seed for *_, seed in seen}
    assert len(first) == len(seen) == 10
    seen.clear()
    runner.sample(jobs=jobs_for(["t0", "t1"]))
    assert {seed for *_, seed in seen} == first


# RLlib's hooks.


def test_callbacks_are_called() -> None:
    events: list[str] = []

    class Callback(RLlibCallback):
        def on_episode_created(self, *, episode: Any, **kwargs: Any) -> None:
            events.append("created")

        def on_episode_start(self, *, episode: Any, **kwargs: Any) -> None:
            assert episode.get_agents_to_act() == {"vlm"}
            events.append("start")

        def on_episode_step(self, *, episode: Any, env_index: int, **kwargs: Any) -> None:
            events.append("step")

        def on_episode_end(self, *, episode: Any, metrics_logger: Any, **kwargs: Any) -> None:
            assert episode.is_done and record_of(episode).end == "answered"
            metrics_logger.log_value("ended", 1, reduce="sum")
            events.append("end")

        def on_sample_end(self, *, samples: Any, **kwargs: Any) -> None:
            events.append(f"sampled {len(samples)}")

    config = config_of(tasks_with([1, 0]), num_envs=1).policy(modules=actors()).callbacks(Callback)
    config.callbacks(on_episode_end=lambda **kwargs: events.append("end function"))
    runner = make_runner(config)
    runner.sample(jobs=jobs_for(["t0", "t1"]))
    assert events == [
        "created", "start", "step", "step", "step", "end", "end function",
        "created", "start", "step", "end", "end function",
        "sampled 2",
    ]  # fmt: skip
    assert runner.metrics.peek("ended") == 2


class Counting(ConnectorV2):
    """Counts the episodes it sees."""

    seen: Counter[str] = Counter()

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def __call__(self, *, rl_module: Any, batch: Any, episodes: Any, **kwargs: Any) -> Any:
        Counting.seen[self._where] += len(episodes)
        return batch


class Shouting(ConnectorV2):
    """Changes what the env gets, not what the episode stores."""

    def __call__(self, *, rl_module: Any, batch: Any, episodes: Any, **kwargs: Any) -> Any:
        batch[Columns.ACTIONS_FOR_ENV] = {
            episode_id: {agent: answer("3") if agent == "vlm" else action for agent, action in actions.items()}
            for episode_id, actions in batch[Columns.ACTIONS].items()
        }
        return batch


def test_the_users_connector_pieces_run() -> None:
    Counting.seen.clear()
    config = config_of(tasks_with([1, 0])).policy(modules=actors())
    config.env_runners(
        env_to_module_connector=lambda env=None, spaces=None, device=None: Counting("to module"),
        module_to_env_connector=lambda env=None, spaces=None: Counting("to env"),
    )
    make_runner(config).sample(jobs=jobs_for(["t0", "t1"]))
    assert Counting.seen == {"to module": 4, "to env": 4}  # three env steps of one episode, one of the other


def test_a_connector_piece_may_change_actions_on_their_way_to_the_env() -> None:
    config = config_of(tasks_with([3])).policy(modules=actors())
    config.env_runners(module_to_env_connector=lambda env=None, spaces=None: Shouting())
    (episode,) = make_runner(config).sample(jobs=jobs_for(["t0"]))
    assert record_of(episode).end == "answered" and len(episode) == 1
    assert episode.agent_episodes["vlm"].actions[0] == call()


def test_metrics_are_those_of_the_episodes() -> None:
    runner = runner_for([0, 2, 2, 0], act=lambda r: answer("9") if "Task 0 " in r.observation.text else planned(r))
    runner.sample(jobs=jobs_for(["t0", "t1", "t2", "t3"]))
    assert runner.metrics.peek("num_env_steps_sampled") == 12
    assert runner.metrics.peek("num_episodes") == 4
    assert runner.metrics.peek(("num_agent_steps_sampled", "vlm")) == 8
    assert runner.metrics.peek(("num_module_steps_sampled", "calculator")) == 4
    returns = [record_of(e).reward for e in runner.sample(jobs=jobs_for(["t0", "t1"]))]
    assert len(set(returns)) == 2  # wrong and right
    runner.get_metrics()  # forgets both calls
    runner.sample(jobs=jobs_for(["t0", "t1"]))
    metrics = runner.get_metrics()
    assert metrics["episode_return_mean"].peek() == pytest.approx(np.mean(returns))
    assert metrics["episode_len_mean"].peek() == 3.0
    assert metrics["agent_episode_returns_mean"]["vlm"].peek() == pytest.approx(np.mean(returns))
    assert metrics["num_env_steps_sampled"].peek() == 6
    assert metrics["num_env_steps_sampled_lifetime"].peek() == 6  # what came since: the algorithm adds it up


# What breaks one episode leaves the others alone.


def faults(episodes: list[Any]) -> list[str]:
    return [record.fault.kind if (record := record_of(episode)).fault else "" for episode in episodes]


def test_an_injected_tool_fault_voids_only_its_episodes() -> None:
    config = config_of(tasks_with([1] * 20)).policy(
        modules={"vlm": actors()["vlm"]}, tools={"fault_rate": 0.5, "fault_seed": 3}
    )
    episodes = make_runner(config).sample(jobs=jobs_for([f"t{index}" for index in range(20)]))
    kinds = Counter(faults(episodes))
    assert set(kinds) == {"", "InjectedFault"} and kinds.total() == 20
    assert all(record_of(e).correct for e in episodes if not record_of(e).fault)
    assert all(record_of(e).reward == 0.0 and e.is_done for e in episodes if record_of(e).fault)


def test_a_tool_agent_that_raises_voids_only_its_episode() -> None:
    def tool(request: Request) -> ToolResult:
        if "1" in request.observation.arguments["expression"]:
            raise OSError("the disk is gone")
        return ToolResult("2")

    def act(request: Request) -> str:
        if request.history:
            return answer("3")
        return call(expression="1+1" if "Task 2 " in request.observation.text else "2+2")

    runner = runner_for([1] * 4, act=act, tool=tool)
    episodes = runner.sample(jobs=jobs_for(["t0", "t1", "t2", "t3"]))
    assert faults(episodes) == ["", "", "OSError", ""]
    assert record_of(episodes[2]).fault == Fault("OSError", "module:calculator", "the disk is gone")


def test_a_batch_that_raises_voids_the_episodes_of_the_batch() -> None:
    def act(request: Request) -> str:
        if "Task 1 " in request.observation.text:
            raise RuntimeError("out of memory")
        return planned(request)

    runner = runner_for([0] * 4, num_envs=1, act=act)  # one slot: every batch has one row
    assert faults(runner.sample(jobs=jobs_for(["t0", "t1", "t2", "t3"]))) == ["", "RuntimeError", "", ""]
    runner = runner_for([0] * 4, num_envs=2, act=act)  # two slots: the batch of tasks 0 and 1 fails
    assert faults(runner.sample(jobs=jobs_for(["t0", "t1", "t2", "t3"]))) == ["RuntimeError", "RuntimeError", "", ""]


@pytest.mark.parametrize("num_envs", [1, 3])
def test_a_reset_that_raises_voids_only_its_episode(num_envs: int) -> None:
    runner = runner_for([0, 1, 0], num_envs=num_envs)
    episodes = runner.sample(jobs=jobs_for(["t0", "no such task", "t1", "t2"]))
    assert faults(episodes) == ["", "EnvUsageError", "", ""]
    assert record_of(episodes[0]).correct and record_of(episodes[2]).correct
    assert "no such task" in record_of(episodes[1]).fault.message


def test_a_runner_whose_first_reset_fails_goes_on() -> None:
    runner = runner_for([0])
    assert faults(runner.sample(jobs=jobs_for(["no such task"]))) == ["EnvUsageError"]
    assert faults(runner.sample(jobs=jobs_for(["t0"]))) == [""]


def test_a_step_that_raises_voids_only_its_episode() -> None:
    def act(request: Request) -> Any:
        return 17 if "Task 1 " in request.observation.text else planned(request)

    episodes = runner_for([0, 0, 1], act=act).sample(jobs=jobs_for(["t0", "t1", "t2"]))
    assert faults(episodes) == ["", "EnvUsageError", ""]
    assert record_of(episodes[1]).end == "fault"


def test_faulted_episodes_are_not_in_the_mean_return() -> None:
    runner = runner_for([0, 0])
    runner.sample(jobs=jobs_for(["t0", "no such task", "t1"]))
    assert runner.get_metrics()["episode_return_mean"].peek() == pytest.approx(
        record_of(runner.sample(jobs=jobs_for(["t0"]))[0]).reward
    )


# Tools run while others generate.


def test_a_slow_tool_does_not_hold_up_generation() -> None:
    """The tool of one episode returns only after the other episode's agent has acted again."""
    acted_again = threading.Event()
    threads: set[str] = set()

    def act(request: Request) -> str:
        if "Task 1 " in (request.history or [(request.observation, "")])[0][0].text:
            if len(request.history) == 2:
                acted_again.set()
            return "no tags at all" if len(request.history) < 2 else answer("3")
        return planned(request)

    def tool(request: Request) -> ToolResult:
        threads.add(threading.current_thread().name)
        if not acted_again.wait(timeout=30):
            return ToolResult(error=Fault("Deadlock", "test", "nobody generated while the tool ran"))
        return ToolResult("2")

    episodes = runner_for([1, 0], num_envs=2, act=act, tool=tool).sample(jobs=jobs_for(["t0", "t1"]))
    assert faults(episodes) == ["", ""]
    assert [record_of(e).extras["turns"] for e in episodes] == [2, 3]
    assert threads and threading.current_thread().name not in threads


def test_tools_of_several_episodes_run_at_the_same_time() -> None:
    barrier = threading.Barrier(4, timeout=30)

    def tool(request: Request) -> ToolResult:
        barrier.wait()
        return ToolResult("2")

    assert faults(runner_for([1] * 4, tool=tool).sample(jobs=jobs_for(["t0", "t1", "t2", "t3"]))) == [""] * 4


def test_generation_waits_for_a_fuller_batch_but_not_for_ever() -> None:
    """Three of four episodes wait for a tool that needs the fourth one's next turn: it comes after the patience."""
    acted_again = threading.Event()

    def act(request: Request) -> str:
        if len(request.history) == 1 and "Task 3 " in request.history[0][0].text:
            acted_again.set()
            return answer("3")
        if "Task 3 " in request.observation.text:
            return "no tags at all"
        return planned(request)

    def tool(request: Request) -> ToolResult:
        if not acted_again.wait(timeout=30):
            return ToolResult(error=Fault("Deadlock", "test", "generation never went on"))
        return ToolResult("2")

    config = config_of(tasks_with([1, 1, 1, 0])).policy(modules=actors(act, tool))
    config.training(min_batch_share=0.9, max_batch_wait_s=0.05)
    episodes = make_runner(config).sample(jobs=jobs_for(["t0", "t1", "t2", "t3"]))
    assert faults(episodes) == [""] * 4


# Rewards.


ENDINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "right": (lambda r: answer("3"), {}),
    "wrong": (lambda r: answer("17"), {}),
    "right after a tool": (planned, {}),
    "turns": (lambda r: call(), {"max_turns": 2}),
    "malformed": (lambda r: "what?", {"max_turns": 2}),
    "context in a call": (lambda r: Turn(call(), 5, "context"), {}),
    "tokens after a tool": (lambda r: Turn(call(), 5), {"max_tokens": 5}),
    "second attempt": (lambda r: answer("3" if r.history else "17"), {"max_attempts": 2}),
    "tool error": (planned, {}),
}


@pytest.mark.parametrize("reward_tools", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_agent_gets_the_reward_of_the_record(ending: str, reward_tools: bool) -> None:
    act, env_config = ENDINGS[ending]
    refusal = ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, "no"))

    def tool(request: Request) -> ToolResult:
        return refusal if ending == "tool error" else ToolResult("2")

    runner = runner_for([1], act=act, tool=tool, reward_tools=reward_tools, **env_config)
    (episode,) = runner.sample(jobs=jobs_for(["t0"]))
    record = record_of(episode)
    assert record.fault is None and record.end
    assert episode.agent_episodes["vlm"].get_return() == pytest.approx(record.reward)
    if record.num_tool_calls:
        expected = record.reward if reward_tools else 0.0
        assert episode.agent_episodes["calculator"].get_return() == pytest.approx(expected)


def test_a_reward_that_rllib_dropped_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    last = VisualReasoningEnv._last

    def pays_nobody(self: VisualReasoningEnv, agent: str) -> Any:
        observations, _, *rest = last(self, agent)
        return observations, {"calculator": self.record.reward}, *rest

    monkeypatch.setattr(VisualReasoningEnv, "_last", pays_nobody)
    (episode,) = runner_for([0]).sample(jobs=jobs_for(["t0"]))
    assert faults([episode]) == ["LostReward"]


# Ragged objects.


class Word(list):
    """An action that NumPy would take for a sequence."""


def test_objects_of_equal_length_are_not_broadcast() -> None:
    """Every row of a batch stays one object: as a request, as an action, and in the episode."""
    runner = runner_for([0] * 3)
    episodes = runner.sample(jobs=jobs_for(["t0", "t1", "t2"]))
    rows = [(episode, "vlm") for episode in episodes]
    for lengths in ([2, 2, 2], [1, 2, 3], [3, 1, 1]):
        outputs = object_array(Word(range(length)) for length in lengths)
        assert outputs.shape == (3,)
        actions = OutputsToActions()(
            rl_module=None,
            batch={"vlm": {Columns.ACTIONS: outputs}},
            episodes=episodes,
            shared_data={"acting": {"vlm": rows}},
        )[Columns.ACTIONS]
        assert [actions[episode.id_]["vlm"] for episode in episodes] == [list(range(n)) for n in lengths]
        assert all(type(actions[episode.id_]["vlm"]) is Word for episode in episodes)


def test_a_module_that_returns_too_few_actions_is_noticed() -> None:
    rows = [(SimpleNamespace(id_=name), "vlm") for name in "ef"]
    with pytest.raises(ValueError, match="shorter"):
        OutputsToActions()(
            rl_module=None,
            batch={"vlm": {Columns.ACTIONS: object_array([answer()])}},
            episodes=[],
            shared_data={"acting": {"vlm": rows}},
        )


def test_jobs_are_values() -> None:
    assert RolloutJob("a", 1, 2, 3) == RolloutJob("a", 1, 2, 3)
    assert len({RolloutJob("a", 1, 0), RolloutJob("a", 1, 1)}) == 2
