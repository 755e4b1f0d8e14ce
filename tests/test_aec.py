"""PettingZoo's own conformance tests on the AEC view, and that it is only a view."""

from __future__ import annotations

import warnings

import pytest
from episodes import TOOLS, answer, call, task
from pettingzoo.test import api_test, seed_test

from envs import aec
from envs.message import Message
from tools.tool import ToolCall, ToolResult

TASKS = {f"t{i}": task(f"t{i}", question=f"How many bars are in figure {i}?") for i in range(5)}


def make(**config: object) -> aec.VisualReasoningAEC:
    return aec.raw_env(config={"tools": TOOLS, **config}, tasks=TASKS)


@pytest.mark.parametrize("config", [{}, {"max_attempts": 3, "reward_tools": True}, {"tools": "none"}])
def test_pettingzoo_api_test(config):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # api_test advises arrays and numbered agent names
        api_test(make(**config), num_cycles=200)
        api_test(aec.env(config={"tools": TOOLS, **config}, tasks=TASKS), num_cycles=50)


def test_pettingzoo_seed_test():
    seed_test(lambda: make(max_turns=50, max_attempts=50), num_cycles=200)


def test_an_episode_seen_through_the_view():
    env = make(reward="correct", reward_tools=True)
    env.reset(seed=1, options={"task_id": "t2", "unknown": 1})
    assert env.agent_selection == "vlm" and env.agents == ["vlm", *TOOLS]
    message = env.last()[0]["message"]
    assert isinstance(message, Message) and "figure 2" in message.text
    env.step(call("zoom", bbox_2d=[0, 0, 1, 1]))
    assert env.agent_selection == "zoom"
    assert isinstance(env.last()[0]["call"], ToolCall)
    env.step(ToolResult("enlarged"))
    assert env.last()[0] == {"message": Message("tool", "enlarged")}
    env.step(answer("3"))
    assert env.record.correct
    assert all(env.terminations.values())
    paid = {}
    for agent in env.agent_iter():
        _, reward, terminated, truncated, _ = env.last()
        assert terminated and not truncated
        paid[agent] = reward
        env.step(None)
    assert paid == {"vlm": 1.0, "zoom": 1.0, "calculator": 0.0}
    assert env.agents == []
