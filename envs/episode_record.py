"""`EpisodeRecord`: what the env knows of a finished episode, for rewards, metrics and the trajectory log.

It holds the gold and the grade, so it never appears in an observation or an `info`: the runner takes it from
`VisualReasoningEnv.record` after the episode's last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envs.grade import Grade
from envs.message import Message, Turn
from envs.task import Task
from tools.errors import Fault, ModelError
from tools.tool import ToolCall, ToolResult


@dataclass(slots=True)
class Step:
    """One turn of the VLM agent and what came of it.

    Attributes:
        turn: what the VLM wrote.
        call: the tool call parsed from it, if any.
        result: the tool's result, if a tool ran.
        answer: text inside `<answer>`, if it answered.
        grade: the answer's grade.
        error: the model error of this turn (malformed, or refused by the tool), if any.
        reply: the message the VLM got in return; None after the last turn.
        wall_s: seconds between this turn's arrival and the reply's (tool time included).
    """

    turn: Turn
    call: ToolCall | None = None
    result: ToolResult | None = None
    answer: str | None = None
    grade: Grade | None = None
    error: ModelError | None = None
    reply: Message | None = None
    wall_s: float = 0.0


@dataclass(slots=True)
class EpisodeRecord:
    """Attributes:
    task: the task, gold included.
    first: the first message (system prompt, question, images).
    steps: one per VLM turn, in order.
    end: why it ended: `answered`, `turns`, `tokens`, `images`, `wall_time`, `context`, `fault`; empty while it runs.
    fault: our fault, if one voided the episode.
    reward_parts: named terms of the reward, summed over attempts.
    reward: what the learner gets.
    """

    task: Task
    first: Message
    steps: list[Step] = field(default_factory=list)
    end: str = ""
    fault: Fault | None = None
    reward_parts: Mapping[str, float] = field(default_factory=dict)
    reward: float = 0.0

    @property
    def grade(self) -> Grade | None:
        """The last grade given, None when the episode never answered."""
        return next((step.grade for step in reversed(self.steps) if step.grade is not None), None)

    @property
    def correct(self) -> bool:
        """Whether the last answer was right."""
        return self.grade is not None and self.grade.correct

    @property
    def num_tool_calls(self) -> int:
        """Calls that reached a tool agent."""
        return sum(step.result is not None for step in self.steps)

    @property
    def extras(self) -> dict[str, Any]:
        """Counts used as metrics."""
        return {
            "turns": len(self.steps),
            "tool_calls": self.num_tool_calls,
            "attempts": sum(step.grade is not None for step in self.steps),
            "model_errors": sum(step.error is not None for step in self.steps),
        }
