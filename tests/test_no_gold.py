"""No gold in any observation or info: played episodes of every kind are searched for it, bytes included."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from episodes import answer, call, make_env, picture, play, task
from test_visual_reasoning import BROKEN, ENDINGS, Clock

from envs import aec
from envs.env_config import VLM
from envs.message import Turn
from envs.reflection import feedback_levels
from tools.errors import ErrorCode, ModelError
from tools.image import Image
from tools.tool import ToolCall, ToolResult

GOLD = "Zyxwgold7319"
OTHER_GOLD = "Qvutgold4406"
SECRETS = (GOLD, OTHER_GOLD, "SecretMeta5581", "secretkey_8823", "idsecret_2094")


def secret_task(number: int = 0, **fields: Any) -> Any:
    return task(
        f"idsecret_2094-{number}",
        answer=GOLD,
        answers=(GOLD, OTHER_GOLD),
        metadata={"secretkey_8823": {"table": [["SecretMeta5581", GOLD]]}},
        **fields,
    )


def leaves(value: Any) -> Iterator[Any]:
    """Everything reachable in an observation or info, except the bytes of images."""
    if isinstance(value, Image):
        return
    yield value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name
            yield from leaves(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(key)
            yield from leaves(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from leaves(item)
    elif not isinstance(value, str | int | float | bool | bytes | None):
        raise AssertionError(f"an object of a class that agents should not see: {type(value)}")


def without_images(value: Any) -> Any:
    """The observation with its images taken out, to search its pickle."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: without_images(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "images"}
    return value


def found(observations_or_infos: Mapping[str, Any]) -> list[str]:
    texts = [str(leaf) for leaf in leaves(observations_or_infos)]
    pickled = pickle.dumps({agent: without_images(seen) for agent, seen in observations_or_infos.items()})
    return [
        secret
        for secret in SECRETS
        if any(secret.lower() in text.lower() for text in texts) or secret.encode() in pickled
    ]


def searched(env: Any, turns: Any, **keywords: Any) -> int:
    """Plays one episode and asserts that nothing observable holds a secret; returns how many dictionaries it read."""
    count = 0

    def watch(actions: Mapping[str, Any], returned: tuple[Any, ...]) -> None:
        nonlocal count
        count += 2
        observations, infos = returned[0], returned[-1]
        assert found(observations) == [], observations
        assert found(infos) == [], infos
        assert all(set(info) <= {"turn", "attempt", "error", "end"} for info in infos.values())

    play(env, turns, watch=watch, **keywords)
    return count


def test_the_search_finds_what_it_should():
    secret = secret_task()
    assert found({VLM: {"text": f"it is {GOLD.lower()}!"}}) == [GOLD]
    assert found({VLM: ToolCall("zoom", {"x": [OTHER_GOLD]})}) == [OTHER_GOLD]
    assert found({VLM: {SECRETS[3]: 1}}) == [SECRETS[3]]
    with pytest.raises(AssertionError, match="class"):
        found({VLM: {"object": object()}})
    assert set(found({VLM: secret})) == set(SECRETS)


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("prompt", ["compact", "full"])
def test_in_every_ending(name, prompt):
    config, turns, tool, end = ENDINGS[name]
    env = make_env([secret_task()], clock=Clock() if "max_wall_s" in config else None, prompt=prompt, **config)
    right = [Turn(t.text.replace(">3<", f">{GOLD}<"), t.num_tokens, t.finish_reason) if isinstance(t, Turn)
             else t.replace(">3<", f">{GOLD}<") for t in turns]  # fmt: skip
    assert searched(env, right, **({"tool": tool} if tool else {})) >= 4
    assert env.record.end == end


@pytest.mark.parametrize("level", [level for level in feedback_levels() if not level.startswith("gold_")])
@pytest.mark.parametrize(
    "question", ["How many bars?", "Is it red?", "Which is highest?", "What is the sum?", "Name it."]
)
def test_in_every_feedback_level(level, question):
    env = make_env([secret_task(question=question)], feedback=level, max_attempts=8, max_turns=4)
    wrong = ["4", "four bars", "no", "$5 million", "a, b", "a very long answer " * 9, "12 %"]
    searched(env, itertools.chain(*([call(), answer(text)] for text in wrong), [answer(GOLD)]))
    assert env.record.correct


def test_gold_direction_is_the_exception_and_its_name_says_so():
    env = make_env([task(answer="3")], feedback="gold_direction", max_attempts=2)
    env.reset()
    observations, *_ = env.step({VLM: answer("4")})
    assert "too high" in observations[VLM].text


def test_in_random_episodes():
    rng = random.Random(7)
    texts = [
        "", "hm", "<think>x", "<answer>", "<answer></answer>", answer("4"), answer("x" * 500), call(), call("nothing"),
        call("zoom", bbox_2d=[0, 0, 1, 1]), call("zoom", bbox_2d="all"), call("zoom"), call("calculator", x=1),
        call() + call(), call() + answer(), "<tool_call>{</tool_call>", "<tool_call>[]</tool_call>",
    ]  # fmt: skip
    results = [
        ToolResult("2"),
        ToolResult("picture", (picture(7), picture(8))),
        ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, "nothing there")),
        BROKEN,
        "text",
        Turn("text", 3),
    ]
    tasks = [secret_task(i, task_type=kind) for i, kind in enumerate(["chart", "geometry", "unheard-of"])]
    read = 0
    for _ in range(300):
        env = make_env(
            tasks,
            max_turns=rng.randint(1, 5),
            max_attempts=rng.randint(1, 4),
            max_images=rng.randint(1, 4),
            max_tokens=rng.choice([None, 20]),
            feedback=rng.choice(["verdict", "format", "hint"]),
            prompt=rng.choice(["compact", "full"]),
            reward_tools=rng.random() < 0.5,
        )
        turns = (
            Turn(rng.choice(texts), rng.randint(0, 9), rng.choice(["stop", "stop", "stop", "length", "context"]))
            for _ in range(99)
        )
        read += searched(env, turns, tool=lambda observed: rng.choice(results))
        assert env.acting == "" and env.record.end
    assert read > 1500


def test_in_the_pettingzoo_view():
    tasks = {"x": secret_task()}
    env = aec.env(config={"tools": ("calculator",), "max_attempts": 3}, tasks=tasks)
    env.reset(seed=1)
    actions = iter([call(), "2", answer("4"), answer(GOLD)])
    for agent in env.agent_iter():
        observation, _, terminated, _, info = env.last()
        assert found({agent: next(iter(observation.values()))}) == [] and found({agent: info}) == []
        env.step(None if terminated else next(actions))
    assert env.unwrapped.record.correct
