"""Rewards worked by hand from the paper's rule, and the ways a policy might game them."""

from __future__ import annotations

import pytest

from envs.episode_record import EpisodeRecord, Step
from envs.grade import Grade
from envs.message import Message, Turn
from envs.plugins import PluginConfigError, UnknownPluginError
from envs.rewards import get_reward, register_reward, reward_names
from envs.rewards.repetition import RepetitionDetector
from envs.task import Task
from tools.errors import ErrorCode, FaultError, ModelError
from tools.tool import ToolCall, ToolResult

RIGHT, WRONG = Grade(True, 1.0, "14", "exact text"), Grade(False, 0.0, "15", "relative error")


def call(text: str = "") -> Step:
    text = text or '<think>look</think><tool_call>{"tool": "ocr"}</tool_call>'
    return Step(Turn(text), call=ToolCall("ocr"), result=ToolResult("14"))


def answer(grade: Grade = RIGHT, text: str = "") -> Step:
    return Step(Turn(text or f"<think>so</think><answer>{grade.extracted}</answer>"), answer="14", grade=grade)


def record(*steps: Step) -> EpisodeRecord:
    return EpisodeRecord(Task("t", "chartqa", "How many?", "14"), Message("user", "How many?"), list(steps))


def parts(repetition: float, form: float, correct: float) -> dict[str, float]:
    return {"repetition": repetition, "format": form, "correct": correct}


LOOP = "the " * 40
CASES = {
    "right after a call": (record(call(), answer()), parts(0, 1, 1)),
    "right at once": (record(answer()), parts(0, 1, 1)),
    "wrong": (record(call(), answer(WRONG)), parts(0, 1, 0)),
    "no turn at all": (record(), parts(0, -1, 0)),
    "never answered": (record(call(), call()), parts(0, -1, 0)),
    "right but no think": (record(answer(text="<answer>14</answer>")), parts(0, -1, 0)),
    "answer only in think": (
        record(Step(Turn("<think><answer>14</answer></think>"), error=ModelError(ErrorCode.OUTPUT_FORMAT, "x"))),
        parts(0, -1, 0),
    ),
    "several answers": (
        record(answer(text="<think>a</think><answer>13</answer><answer>14</answer>")),
        parts(0, -1, 0),
    ),
    "answer and call in one turn": (
        record(answer(text='<think>a</think><tool_call>{"tool": "ocr"}</tool_call><answer>14</answer>')),
        parts(0, -1, 0),
    ),
    "malformed earlier turn": (
        record(Step(Turn("hm"), error=ModelError(ErrorCode.OUTPUT_FORMAT, "x")), answer()),
        parts(0, -1, 0),
    ),
    "unknown tool in good form": (
        record(
            Step(
                Turn('<think>a</think><tool_call>{"tool": "nope"}</tool_call>'),
                error=ModelError(ErrorCode.SCHEMA, "no tool is named nope"),
            ),
            answer(),
        ),
        parts(0, -1, 0),
    ),
    "repetition hides everything": (
        record(answer(text=f"<think>{LOOP}</think><answer>14</answer>")),
        parts(-3, 0, 0),
    ),
    "repetition in an earlier turn": (
        record(call(f'<think>{LOOP}</think><tool_call>{{"tool": "ocr"}}</tool_call>'), answer()),
        parts(-3, 0, 0),
    ),
    "second attempt": (record(answer(WRONG), answer()), parts(0, 1, 1)),
}


@pytest.mark.parametrize("case", CASES)
def test_paper_reward(case: str) -> None:
    episode, expected = CASES[case]
    assert get_reward("paper")(episode) == expected


def test_attempts_are_worth_what_the_config_says() -> None:
    reward = get_reward("paper", attempt_rewards=[1.0, 0.5])
    assert reward(record(answer()))["correct"] == 1.0
    assert reward(record(answer(WRONG), answer()))["correct"] == 0.5
    assert reward(record(answer(WRONG), call(), answer(WRONG), answer()))["correct"] == 0.5
    assert reward(record(answer(WRONG), answer(WRONG)))["correct"] == 0.0


@pytest.mark.parametrize(
    ("steps", "sparse", "dense"),
    [
        ((answer(),), 1.0, 1.0),
        ((answer(WRONG),), 0.0, -0.5),
        ((answer(text="14"),), 0.0, -0.5),
        ((Step(Turn("hm")),), 0.0, -1.0),
    ],
)
def test_ablations_of_the_paper(steps: tuple[Step, ...], sparse: float, dense: float) -> None:
    assert sum(get_reward("sparse")(record(*steps)).values()) == sparse
    assert sum(get_reward("dense")(record(*steps)).values()) == dense


def test_correct_looks_at_the_grade_only() -> None:
    assert get_reward("correct")(record(answer(text="14"))) == {"correct": 1.0}
    assert get_reward("correct")(record(answer(WRONG))) == {"correct": 0.0}


TABLE = "| Year | Share | Count |\n| --- | --- | --- |\n" + "".join(
    f"| {y} | 0 | {y % 7} |\n" for y in range(2000, 2012)
)
TEXTS = [
    ("", 0.0),
    ("The bar for 2010 is 14, the bar for 2011 is 15, so the difference is 1.", 0.0),
    (TABLE, 0.0),
    ("values: 0, 0, 0, 0, 0, 0, 0, 0, 0, 0", 0.0),
    ("very very very good", 0.0),
    ("-" * 20, 0.0),
    ("the " * 12, -3.0),
    ("the " * 11, 0.0),
    ("so I look " * 5, -2.0),
    ("so I look " * 4, 0.0),
    ("a" * 30, -1.5),
    ("a" * 29, 0.0),
    ("ha" * 30, -1.5),
    ("的的" * 15, -1.5),
    (" " * 500 + "x", 0.0),
    ("-" * 200, -1.5),
    ("x" * 40 + " " + "the " * 20, -3.0),
    ("\ud800", 0.0),
]


@pytest.mark.parametrize(("text", "penalty"), TEXTS)
def test_repetition_detector(text: str, penalty: float) -> None:
    assert RepetitionDetector().penalty(text) == penalty


def test_repetition_thresholds_are_config() -> None:
    episode = record(answer(text="<think>so so so</think><answer>14</answer>"))
    assert get_reward("paper", token_run=3)(episode) == parts(-3, 0, 0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"token_run": 1}, "token_run"),
        ({"phrase_run": "5"}, "phrase_run"),
        ({"attempt_rewards": []}, "attempt_rewards"),
        ({"attempt_rewards": "1"}, "attempt_rewards"),
        ({"attempt_rewards": [float("nan")]}, "attempt_rewards"),
        ({"attempt_reward": [1.0]}, "did you mean 'attempt_rewards'"),
    ],
)
def test_bad_config_names_the_key(config: dict[str, object], message: str) -> None:
    with pytest.raises(PluginConfigError, match=message):
        get_reward("paper", **config)


def test_unknown_reward_names_the_nearest() -> None:
    assert {"paper", "correct", "sparse", "dense"} <= set(reward_names())
    with pytest.raises(UnknownPluginError, match="did you mean 'paper'"):
        get_reward("papr")


def test_a_failing_reward_is_a_named_fault() -> None:
    register_reward("test-nan")(lambda: lambda record: {"correct": float("nan")})
    register_reward("test-raises")(lambda: lambda record: {"correct": 1 / 0})
    register_reward("test-none")(lambda: lambda record: None)
    for name, kind in (("nan", "RewardError"), ("raises", "ZeroDivisionError"), ("none", "RewardError")):
        with pytest.raises(FaultError) as caught:
            get_reward(f"test-{name}")(record(answer()))
        assert (caught.value.fault.kind, caught.value.fault.where) == (kind, f"reward:test-{name}")
