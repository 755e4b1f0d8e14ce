"""`RuleGrader`: a grader made of one function that compares an answer with one gold. Most graders are one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from envs.grade import Grade
from envs.graders.registry import GradingError
from envs.task import Task

MAX_LENGTH = 1000
"""Characters; a longer answer is no short answer, and `robust` graders find it wrong without reading it."""
STRICT_MAX_LENGTH = 20_000
"""The same for `strict` graders: no official scorer has a limit, but none was made for a book either."""


class Verdict(NamedTuple):
    """Attributes:
    score: in [0, 1].
    extracted: what was compared.
    reason: the rule that decided.
    """

    score: float
    extracted: str
    reason: str


Judge: TypeAlias = Callable[[str, str, Task], Verdict]
"""`(answer, gold, task)`. A module's own function, or a `functools.partial` of one: the grader must be picklable."""


def verdict(right: bool, extracted: str, reason: str) -> Verdict:
    """A verdict without partial score."""
    return Verdict(1.0 if right else 0.0, extracted, reason)


def golds_of(task: Task) -> tuple[str, ...]:
    """Every accepted gold answer, at least one. Raises `GradingError` when the task has none."""
    golds = task.answers
    if "" in golds:
        golds = tuple(gold for gold in golds if gold)
    if not golds and task.answer:
        return (task.answer,)
    if not golds:
        raise GradingError(f"task {task.id}: no gold answer, so nothing can be graded")
    return golds


@dataclass(frozen=True, slots=True)
class RuleGrader:
    """The best verdict over the task's golds.

    Attributes:
        judge: compares the answer with one gold.
        threshold: smallest score of a right answer.
        max_length: characters; a longer answer is wrong unread.
    """

    judge: Judge
    threshold: float = 1.0
    max_length: int = MAX_LENGTH

    def __call__(self, answer: str, task: Task) -> Grade:
        """Grades the text inside `<answer>`. Raises `GradingError` when the task has no gold answer."""
        golds = golds_of(task)
        if len(answer) > self.max_length:
            return Grade(False, 0.0, answer[:MAX_LENGTH], "too long for an answer")
        best = self.judge(answer, golds[0], task)
        for gold in golds[1:]:
            if best.score >= 1.0:
                break
            other = self.judge(answer, gold, task)
            if other.score > best.score:
                best = other
        score, extracted, reason = best
        return Grade(score >= self.threshold, score, extracted, reason)
