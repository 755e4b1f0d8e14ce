"""A teacher that lets the chart tools do the work: it names what it wants to know and copies what comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from envs.datasets.embedded import ChartSpec, Question
from envs.message import Message
from envs.prompts import system_prompt, user_prompt
from policies.vista_tiny.corpus import Trajectory
from tools.calculator import calculate
from tools.chart_compare import compared
from tools.chart_describe import described
from tools.registry import get_tool

TOOLS = ("chart_to_table", "chart_extract_data", "chart_compare", "chart_describe", "calculator")
"""Tools of the shipped example, in its order."""


class DelegatingTeacher:
    """Solves a question by one or two tool calls, or leaves it to the teacher that reads the whole table."""

    def __init__(self) -> None:
        self.system = system_prompt("compact", [get_tool(name) for name in TOOLS])

    def solve(self, question: Question, spec: ChartSpec) -> Trajectory | None:
        """The teacher's episode with what the tools say about a chart whose numbers are known.

        None for counts of entries above or below a limit, for which there is no tool.
        """
        operation, series, *operands = question.program
        column = spec.values[spec.series.index(series)]
        values = {label: Decimal(spec.text(value)) for label, value in zip(spec.labels, column, strict=True)}
        named = {"series": series} if len(spec.series) > 1 else {}
        steps: list[tuple[str, str]] = []
        match operation:
            case "value" | "is_above":
                label = operands[0]
                number = spec.text(column[spec.labels.index(label)])
                steps = [(_call("Look it up.", "chart_extract_data", items=[label], **named), f"{label} | {number}")]
                if operation == "is_above":
                    expression = f"{number} > {operands[1]}"
                    steps.append(
                        (_call(f"{label} | {number}", "calculator", expression=expression), calculate(expression))
                    )
                    told = steps[-1][1]
                    last = _answer(told, "Yes" if told == "true" else "No")
                else:
                    last = _answer(f"{label} | {number}", number)
            case "higher" | "lower" | "difference" | "is_higher" | "is_lower":
                a, b = operands
                if operation == "difference" and question.query.find(b) < question.query.find(a):
                    a, b = b, a
                result = compared(a, values[a], b, values[b])
                steps = [(_call("Compare.", "chart_compare", items=[a, b], **named), result.text)]
                last = _from_comparison(operation, result.data)
            case "max" | "min" | "second_max" | "rows" | "range":
                result = described(values)
                steps = [(_call("Describe.", "chart_describe", **named), result.text)]
                field = {"max": "highest", "min": "lowest", "second_max": "second", "rows": "entries"}.get(
                    operation, operation
                )
                last = _answer(f"{field} {result.data[field]}", result.data[field])
            case _:
                return None
        first = Message("user", user_prompt("compact", question.query), system=self.system)
        messages = (first, *(Message("tool", reply) for _, reply in steps))
        return Trajectory(question, messages, (*(turn for turn, _ in steps), last))


def _from_comparison(operation: str, data: Mapping[str, str]) -> str:
    if operation in ("is_higher", "is_lower"):
        relation = data["relation"]
        return _answer(relation, "Yes" if operation == f"is_{relation}" else "No")
    field = {"higher": "highest", "lower": "lowest", "difference": "difference"}[operation]
    return _answer(f"{field} {data[field]}", data[field])


def _call(thought: str, tool: str, **arguments: Any) -> str:
    content = json.dumps({"tool": tool, "arguments": arguments}, ensure_ascii=False)
    return f"<think>{thought}</think><tool_call>{content}</tool_call>"


def _answer(thought: str, answer: str) -> str:
    return f"<think>{thought}</think><answer>{answer}</answer>"
