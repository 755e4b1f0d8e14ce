"""Turn-taking, limits, attempts, faults, and that RLlib's episodes see exactly the rewards the env paid."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from episodes import TOOLS, answer, call, make_env, picture, play, task
from ray.rllib.env.env_context import EnvContext
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode
from ray.tune.registry import ENV_CREATOR, _global_registry

from envs.env_config import EnvConfig, EnvConfigError
from envs.graders import get_grader, register_grader
from envs.message import Message, Turn
from envs.registration import ENVS, default_config, register_envs
from envs.registration import make_env as make_registered
from envs.rewards import register_reward
from envs.visual_reasoning import EnvUsageError, VisualReasoningEnv
from tools.errors import ErrorCode, Fault, ModelError, VistaError
from tools.registry import select_tools
from tools.tool import ToolCall, ToolResult

BROKEN = ToolResult(error=Fault("TimeoutError", "tool:zoom", "no answer in 30 s"))


@register_grader("broken_for_tests")
def _broken_grader(mode: str = "robust"):
    def grade(text, task):
        raise ZeroDivisionError("grader bug")

    return grade


@register_reward("broken_for_tests")
def _broken_reward():
    def reward(record):
        raise KeyError("reward bug")

    return reward


@register_reward("nan_for_tests")
def _nan_reward():
    return lambda record: {"x": float("nan")}


# --- turn-taking --------------------------------------------------------------------------------------------------


def test_one_episode_step_by_step():
    env = make_env(prompt="compact")
    observations, infos = env.reset(seed=0, options={"task_id": "a", "episode_id": "e1"})
    message = observations["vlm"]
    assert list(observations) == list(infos) == ["vlm"]
    assert message == Message("user", "How many bars are shown?", (picture(),), message.system)
    assert "zoom(image, bbox_2d)" in message.system and "calculator(expression)" in message.system

    text = call("image_zoom_in_tool", bbox_2d=[0, 0, 1, 1])  # an alias
    observations, rewards, terminateds, truncateds, infos = env.step({"vlm": text})
    assert observations == {"zoom": ToolCall("zoom", {"bbox_2d": [0, 0, 1, 1]}, (picture(),), "e1")}
    assert (rewards, terminateds, truncateds) == ({"vlm": 0.0}, {"__all__": False}, {"__all__": False})
    assert infos == {"zoom": {"turn": 1, "attempt": 1}}

    observations, *_ = env.step({"zoom": ToolResult("enlarged", (picture(9),))})
    assert observations == {"vlm": Message("tool", "enlarged\n(image 1)", (picture(9),))}

    observations, *_ = env.step({"vlm": Turn(call("calculator", expression="1+2"), 7)})
    assert observations["calculator"].images == (picture(), picture(9))
    env.step({"calculator": ToolResult("3")})

    observations, rewards, terminateds, truncateds, infos = env.step({"vlm": answer("3")})
    assert observations == {} and terminateds == {"__all__": True} and truncateds == {"__all__": False}
    assert rewards == {"vlm": 2.0} and infos == {"vlm": {"turn": 3, "attempt": 1, "end": "answered"}}
    record = env.record
    assert (record.end, record.correct, record.reward, record.num_tool_calls) == ("answered", True, 2.0, 2)
    assert record.reward_parts == {"repetition": 0.0, "format": 1.0, "correct": 1.0}
    assert [step.reply for step in record.steps[:1]] == [Message("tool", "enlarged\n(image 1)", (picture(9),))]
    assert env.acting == ""


def test_only_the_acting_agent_may_act():
    env = make_env()
    with pytest.raises(EnvUsageError, match="reset"):
        env.step({"vlm": "x"})
    with pytest.raises(EnvUsageError, match="reset"):
        env.record  # noqa: B018
    env.reset()
    for wrong in ({}, {"zoom": ToolResult("x")}, {"vlm": "x", "zoom": ToolResult("x")}):
        with pytest.raises(EnvUsageError, match="turn of 'vlm'"):
            env.step(wrong)
    with pytest.raises(EnvUsageError, match="expected str or Turn"):
        env.step({"vlm": 3})
    env.step({"vlm": call()})
    with pytest.raises(EnvUsageError, match="expected ToolResult"):
        env.step({"calculator": None})
    env.step({"calculator": "2"})
    env.step({"vlm": answer()})
    with pytest.raises(EnvUsageError, match="over"):
        env.step({"vlm": answer()})


@pytest.mark.parametrize(
    "action", ["the result", Turn("the result", 5), np.str_("the result"), ToolResult("the result")]
)
def test_a_tool_agent_may_write_plain_text(action):
    env = make_env()
    play(env, [call()], tool=lambda observed: action)
    reply = env.record.steps[0].reply
    assert reply == Message("tool", "the result") and type(reply.text) is str


def test_model_errors_are_told_and_the_episode_goes_on():
    env = make_env(max_turns=6)
    env.reset()
    observations, *_, infos = env.step({"vlm": "three"})
    assert observations["vlm"].role == "user" and observations["vlm"].text.startswith(
        "Error E5: the turn has no action"
    )
    assert infos["vlm"] == {"turn": 1, "attempt": 1, "error": "E5"}
    observations, *_, infos = env.step({"vlm": call("calculater", expression="1")})
    assert observations["vlm"].role == "tool" and "did you mean calculator" in observations["vlm"].text
    assert infos["vlm"]["error"] == "E1"
    env.step({"vlm": call()})
    error = ModelError(ErrorCode.ARGUMENT_CONTENT, "division by zero")
    observations, *_, infos = env.step({"calculator": ToolResult(error=error)})
    assert observations["vlm"] == Message("tool", "Error E4: division by zero") and infos["vlm"]["error"] == "E4"
    env.step({"vlm": answer("4")})
    assert [step.error and step.error.code for step in env.record.steps] == ["E5", "E1", "E4", None]


def test_a_wrong_answer_after_a_good_result_is_e6():
    env = make_env()
    play(env, [call(), answer("4")])
    assert env.record.steps[-1].error.code is ErrorCode.REASONING
    assert "3" not in env.record.steps[-1].error.message


def test_empty_results_still_say_something():
    env = make_env()
    play(env, [call()], tool=lambda observed: ToolResult())
    assert env.record.steps[0].reply.text == "(nothing)"


# --- tasks --------------------------------------------------------------------------------------------------------


def questions(env: VisualReasoningEnv, resets: int, **first: Any) -> list[str]:
    env.reset(**first)
    drawn = [env.record.task.id]
    for _ in range(resets - 1):
        env.reset()
        drawn.append(env.record.task.id)
    return drawn


def test_every_task_is_drawn_once_before_any_is_drawn_again():
    tasks = [task(str(i)) for i in range(20)]
    env = make_env(tasks)
    drawn = questions(env, 40, seed=1)
    assert sorted(drawn[:20]) == sorted(drawn[20:]) == sorted(env.task_ids)
    assert drawn[:20] != drawn[20:]
    assert questions(make_env(tasks), 40, seed=1) == drawn
    assert questions(env, 40, seed=1) == drawn
    assert questions(make_env(tasks), 20, seed=2) != drawn[:20]
    assert questions(make_env(tasks), 20) != questions(make_env(tasks), 20)  # entropy without a seed


def test_a_task_can_be_chosen():
    env = make_env([task("a"), task("b", question="Which?")])
    env.reset(options={"task_id": "b"})
    assert env.record.task.id == "b"
    other = task("c", question="Who?")
    observations, _ = env.reset(options={"task": other})
    assert env.record.task is other and observations["vlm"].text == "Who?"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task_id": "z"}, "no task 'z'"),
        ({"tusk": 1}, "unknown options"),
        ({"task_id": "a", "task": task()}, "not both"),
    ],
)
def test_bad_reset_options(options, message):
    with pytest.raises(EnvUsageError, match=message):
        make_env().reset(options=options)


def test_empty_task_sets_and_too_many_images_are_refused():
    with pytest.raises(EnvUsageError, match="no tasks"):
        VisualReasoningEnv({"tools": "none"}, tasks={})
    with pytest.raises(EnvUsageError, match="max_images is 0"):
        make_env(max_images=0).reset()


def test_choices_are_shown():
    env = make_env([task(choices=("two", "three"))])
    assert "(A) two (B) three" in env.reset()[0]["vlm"].text


# --- endings ------------------------------------------------------------------------------------------------------


class Clock:
    """One second later each time it is asked."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def __call__(self) -> float:
        return float(next(self._ticks))


def zoomed(observed: ToolCall) -> ToolResult:
    return ToolResult("enlarged", (picture(50 + len(observed.images)),))


ENDINGS: dict[str, tuple[dict[str, Any], list[Any], Any, str]] = {
    # name: (config, VLM turns, tool, expected end)
    "right": ({}, [answer("3")], None, "answered"),
    "wrong": ({}, [answer("4")], None, "answered"),
    "right after a tool": ({}, [call(), answer("3")], None, "answered"),
    "right after two tools": ({}, [call(), call("zoom", bbox_2d=[0, 0, 1, 1]), answer("3")], None, "answered"),
    "right after the same tool": ({}, [call(), call(), answer("3")], None, "answered"),
    "right at the second attempt": ({"max_attempts": 3}, [call(), answer("4"), answer("3")], None, "answered"),
    "wrong to the last": ({"max_attempts": 2}, [answer("4"), call(), answer("5")], None, "answered"),
    "turns, by a call": ({}, [call(), call(), call()], None, "turns"),
    "turns, by an error": ({}, ["hm", call(), "hm"], None, "turns"),
    "turns, in the second attempt": ({"max_attempts": 2}, [answer("4"), "hm", "hm", call()], None, "turns"),
    "one turn only": ({"max_turns": 1}, [call()], None, "turns"),
    "tokens": ({"max_tokens": 10}, [Turn(call(), 6), Turn(call(), 6)], None, "tokens"),
    "tokens, wrong": ({"max_tokens": 5, "max_attempts": 2}, [Turn(answer("4"), 6)], None, "tokens"),
    "tokens, right": ({"max_tokens": 5}, [Turn(answer("3"), 6)], None, "answered"),
    "context": ({}, [call(), Turn("<think>and", 6, "context")], None, "context"),
    "wall time, before a call": ({"max_wall_s": 0.5}, [call()], None, "wall_time"),
    "wall time, after a call": ({"max_wall_s": 2.5}, [call()], None, "wall_time"),
    "fault of a tool": ({}, [call()], lambda observed: BROKEN, "fault"),
    "fault of the second tool": (
        {},
        [call(), call("zoom", bbox_2d=[0, 0, 1, 1])],
        lambda observed: BROKEN if observed.name == "zoom" else ToolResult("2"),
        "fault",
    ),
    "fault of the grader": ({"grader": "broken_for_tests"}, [call(), answer()], None, "fault"),
    "fault of the reward": ({"reward": "broken_for_tests"}, [call(), answer()], None, "fault"),
    "not a number": ({"reward": "nan_for_tests"}, [call(), answer()], None, "fault"),
    "too many images": (
        {"max_images": 2},
        [call("zoom", bbox_2d=[0, 0, 1, 1]), call("zoom", bbox_2d=[0, 0, 1, 1]), answer("3")],
        zoomed,
        "answered",
    ),
}


@pytest.mark.parametrize("reward_tools", [False, True])
@pytest.mark.parametrize("name", ENDINGS)
def test_rllib_sees_every_reward_in_every_ending(name, reward_tools):
    config, turns, tool, end = ENDINGS[name]
    clock = Clock() if "max_wall_s" in config else None
    env = make_env(clock=clock, reward_tools=reward_tools, **config)
    episode = MultiAgentEpisode(
        observation_space=env.observation_spaces,
        action_space=env.action_spaces,
        agent_to_module_mapping_fn=lambda agent, episode: agent,
    )
    paid: dict[str, float] = {}

    def watch(actions, returned):
        if not actions:
            episode.add_env_reset(observations=returned[0], infos=returned[1])
            return
        observations, rewards, terminateds, truncateds, infos = returned
        for agent, reward in rewards.items():
            paid[agent] = paid.get(agent, 0.0) + reward
        episode.add_env_step(observations, actions, rewards, infos, terminateds=terminateds, truncateds=truncateds)

    last = play(env, turns, **({"tool": tool} if tool else {}), watch=watch)
    record = env.record
    assert record.end == end
    assert last[2] == {"__all__": True} and episode.is_terminated and not episode.is_truncated
    got = {agent: float(sum(single.get_rewards())) for agent, single in episode.agent_episodes.items()}
    assert {agent: got.get(agent, 0.0) for agent in paid} == paid
    assert got["vlm"] == record.reward == sum(record.reward_parts.values())
    acted = {step.call.name for step in record.steps if step.result is not None}
    assert {agent: got[agent] for agent in got if agent != "vlm"} == {
        agent: record.reward if reward_tools else 0.0 for agent in acted
    }
    assert all(single.is_done for single in episode.agent_episodes.values())
    assert len(episode.agent_episodes["vlm"]) == len(record.steps)
    if end == "fault":
        assert record.reward == 0.0 and record.reward_parts == {} and record.fault is not None
    else:
        assert record.fault is None
        assert record.reward_parts["correct"] == float(record.correct)
    assert pickle.loads(pickle.dumps(record)) == record


def test_a_limit_is_rewarded_as_no_answer():
    env = make_env()
    play(env, [call(), call(), call()])
    assert env.record.grade is None and env.record.reward == -1.0  # the paper's format term
    assert env.record.num_tool_calls == 2 and env.record.steps[-1].call is not None


def test_faults_name_their_place():
    for name, where in {
        "fault of a tool": "tool:zoom",
        "fault of the grader": "grader",
        "fault of the reward": "reward:broken_for_tests",
        "not a number": "reward:nan_for_tests",
    }.items():
        config, turns, tool, _ = ENDINGS[name]
        env = make_env(**config)
        play(env, turns, **({"tool": tool} if tool else {}))
        assert env.record.fault.where == where


def test_images_beyond_the_limit_are_refused_with_an_explanation():
    config, turns, tool, _ = ENDINGS["too many images"]
    env = make_env(**config)
    play(env, turns, tool=tool)
    first, second, _ = env.record.steps
    assert first.reply.images and not second.reply.images
    assert second.error.code is ErrorCode.ARGUMENT_CONTENT and "already has 2 images" in second.reply.text


def test_the_env_recovers_after_a_fault():
    env = make_env()
    play(env, [call()], tool=lambda observed: BROKEN)
    play(env, [call(), answer()])
    assert env.record.fault is None and env.record.correct


def test_wall_time_of_a_turn_includes_its_tool():
    env = make_env(clock=Clock())
    play(env, [call(), answer()])
    assert env.record.steps[0].wall_s > 0


# --- attempts -----------------------------------------------------------------------------------------------------


def test_attempts_have_their_own_turns_and_worth():
    env = make_env(max_attempts=3, max_turns=2, attempt_rewards=(1.0, 0.5, 0.25), reward="correct")
    rewards = {}
    for wrong in range(4):
        turns = [*itertools.chain(*([call(), answer("4")] for _ in range(wrong))), call(), answer("3")]
        play(env, turns)
        rewards[wrong] = env.record.reward
    assert rewards == {0: 1.0, 1: 0.5, 2: 0.25, 3: 0.0}
    assert env.record.extras["attempts"] == 3 and env.record.end == "answered"


def test_feedback_comes_after_a_wrong_answer_only():
    env = make_env(max_attempts=3)
    env.reset()
    observations, *_, infos = env.step({"vlm": answer("4")})
    assert observations == {"vlm": Message("user", "That answer is wrong. You have 2 attempts left.")}
    assert infos["vlm"] == {"turn": 1, "attempt": 2}
    observations, _, terminateds, *_ = env.step({"vlm": answer("3")})
    assert observations == {} and terminateds["__all__"]


# --- configuration and registration -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"max_turn": 3}, "no field 'max_turn'; did you mean 'max_turns'"),
        ({"max_turns": 0}, "max_turns"),
        ({"max_turns": "many", "split": 3}, "split.*max_turns"),
        ({"attempt_rewards": ()}, "attempt_rewards"),
        ({"attempt_rewards": (float("nan"),)}, "attempt_rewards"),
        ({"max_wall_s": float("inf")}, "max_wall_s"),
        ({"tools": ("zoom", "image_zoom_in_tool")}, "must differ"),
        ({"tools": ("zom",)}, "zom"),
        ({"tools": 3}, "tools"),
        ({"feedback": "verdikt"}, "did you mean 'verdict'"),
        ({"grade_mode": "lenient"}, "grade_mode"),
        ({"grader": "chartqb"}, "chartqa"),
        ({"grader_config": {"tolerence": 0.1}}, "tolerance"),
        ({"reward": "papper"}, "paper"),
        ({"prompt": "long"}, "prompt"),
    ],
)
def test_bad_settings_are_named(config, message):
    with pytest.raises(VistaError, match=f"(?s){message}"):
        make_env(**config)


def test_config_is_frozen_and_takes_an_env_context():
    context = EnvContext({"tools": "calculator, zoom", "max_turns": 4}, worker_index=2, num_workers=3)
    config = EnvConfig.of(context)
    assert config.tools == ("calculator", "zoom") and config.max_turns == 4
    assert EnvConfig.of(config) is config and EnvConfig.of({"tools": "none"}).tools == ()
    with pytest.raises(Exception, match="frozen"):
        config.max_turns = 5


def test_every_dataset_has_an_env_with_its_grader_and_tools():
    assert len(ENVS) == 22
    for name in set(ENVS) - {"vista/VisualReasoning-v0", "vista/ChartQA-v0"}:
        with pytest.raises(EnvConfigError, match=f"{name}.*vista data convert"):
            default_config(name)
        config = default_config(name, {"dataset": "somewhere"})
        assert config.tools and get_grader(config.grader, config.grade_mode, **config.grader_config)
        select_tools(config.tools)
    assert default_config("vista/DocVQA-v0", {"dataset": "x"}).grader == "anls"
    assert default_config("vista/ChartQA-v0").dataset == "embedded"


def test_registration_is_idempotent_and_makes_envs():
    register_envs()
    register_envs()
    tasks = {"a": task()}
    for name in ENVS:
        creator = _global_registry.get(ENV_CREATOR, name)
        env = creator(EnvContext({"tasks": tasks, "tools": TOOLS}, worker_index=0))
        assert isinstance(env, VisualReasoningEnv) and env.task_ids == ("a",)
        assert pickle.loads(pickle.dumps(creator)).func is creator.func
    with pytest.raises(EnvConfigError, match="ChartQA-v0"):
        make_registered("vista/ChartQA")
