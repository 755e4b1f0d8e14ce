"""The teacher's trajectories: `ScriptedModule` at work on charts whose table is known, so that no chart is read."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from envs.datasets.embedded import ChartSpec, Question, questions_for
from envs.message import Message, Turn
from envs.prompts import system_prompt, user_prompt
from policies.request import Request
from policies.scripted import ScriptedModule
from tools.calculator import calculate
from tools.registry import get_tool

TOOLS = ("chart_to_table", "calculator")
"""Tools of the shipped example's system prompt, in its order."""
ALL_TOOLS = ("ocr", "chart_to_table", "zoom", "calculator")
MAX_TURNS = 3
_CALL = re.compile(r"<tool_call>(.*)</tool_call>", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*)</answer>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Attributes:
    question: what was asked.
    messages: what the policy observed; the first is the question.
    turns: what the teacher wrote, one turn per message.
    """

    question: Question
    messages: tuple[Message, ...]
    turns: tuple[str, ...]


class Teacher:
    """Runs the scripted policy with an oracle in place of `chart_to_table` and the real calculator."""

    def __init__(self, tools: Sequence[str] = TOOLS) -> None:
        self._policy = ScriptedModule(observation_space=None, action_space=None, model_config={})
        self.system = system_prompt("compact", [get_tool(name) for name in tools])

    def solve(self, question: Question, table: str) -> Trajectory | None:
        """The teacher's episode, or None when its answer is not the gold answer (such episodes teach nothing).

        Args:
            question: the question.
            table: what `chart_to_table` says about the chart.
        """
        messages = [Message("user", user_prompt("compact", question.query), system=self.system)]
        turns: list[str] = []
        while len(turns) < MAX_TURNS:
            history = tuple((message, Turn(turn)) for message, turn in zip(messages, turns, strict=False))
            turns.append(self._policy.act(Request("", "vlm", messages[-1], history)).text)
            call = _CALL.search(turns[-1])
            if call is None:
                break
            reply = reply_to(call[1], table)
            if reply is None:
                return None
            messages.append(Message("tool", reply))
        answer = _ANSWER.search(turns[-1])
        right = answer is not None and same_answer(answer[1], question.label)
        return Trajectory(question, tuple(messages), tuple(turns)) if right else None


def reply_to(call: str, table: str) -> str | None:
    """What the called tool says: the known table, or the calculator's result; None for any other tool."""
    content = json.loads(call)
    if content["tool"] == "chart_to_table":
        return table
    return calculate(content["arguments"]["expression"]) if content["tool"] == "calculator" else None


def same_answer(answer: str, gold: str) -> bool:
    """Equal text, or equal numbers (`9.0` and `9`)."""
    try:
        return float(answer) == float(gold)
    except ValueError:
        return answer.strip().lower() == gold.lower()


def table_text(spec: ChartSpec, rng: random.Random | None = None) -> str:
    """The chart's table as `chart_to_table` writes it. With `rng` its header and title line vary as they do there."""
    columns = ["Label", *(spec.series if len(spec.series) > 1 else ["Value"])]
    lines = [f"Title: {spec.title}"]
    if rng is not None:
        if rng.random() < 0.2:
            columns = list(spec.table["columns"])
        if rng.random() < 0.05:
            lines = []
    return "\n".join(lines + [" | ".join(row) for row in (columns, *spec.table["rows"])])


def trajectories(
    teacher: Teacher, charts: Iterator[ChartSpec], rng: random.Random, questions: int
) -> Iterator[tuple[ChartSpec, Sequence[Trajectory]]]:
    """For one chart after the other, the teacher's right trajectories for `questions` questions about it."""
    for spec in charts:
        table = table_text(spec, rng)
        asked = questions_for(spec, rng, questions)
        solved = [found for question in asked if (found := teacher.solve(question, table)) is not None]
        if solved:
            yield spec, solved
