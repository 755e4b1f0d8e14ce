"""What the policy is told after a wrong answer, by named level.

A level made with `@register_feedback` sees an `Attempt`: question, own answer, attempts left. It cannot leak the gold
because it never gets it. Only a level registered with `from_gold=True` gets the task, and its name must begin with
`gold_`, so that nobody switches it on without knowing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from envs.graders.numbers import Quantity, parse_quantity
from envs.graders.text import extract
from envs.plugins import nearest
from envs.question_type import QuestionType, question_type
from envs.task import Task
from tools.errors import VistaError

GOLD_PREFIX = "gold_"
"""Names of levels that are derived from the gold answer begin with this."""
MAX_WORDS = 12
"""An answer of more words is a sentence, not a value: its writer is told to give the value alone."""


class FeedbackError(VistaError):
    """A feedback level is unknown, or registered under a name that hides that it uses the gold."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A wrong answer, seen without the gold.

    Attributes:
        question: the task's question.
        choices: options of a multiple-choice question.
        answer: the text inside `<answer>`.
        attempts_left: answers that may still be given, at least 1.
    """

    question: str
    choices: tuple[str, ...]
    answer: str
    attempts_left: int


Feedback = Callable[[Attempt], str]
GoldFeedback = Callable[[Attempt, Task], str]
F = TypeVar("F", Feedback, GoldFeedback)

_levels: dict[str, Feedback] = {}
_gold_levels: dict[str, GoldFeedback] = {}


def register_feedback(name: str, *, from_gold: bool = False) -> Callable[[F], F]:
    """Registers a level: a function of an `Attempt`, or of an `Attempt` and the `Task` if `from_gold`.

    Raises:
        FeedbackError: `name` begins with `gold_` although the level does not use the gold, or the reverse.
    """
    if name.startswith(GOLD_PREFIX) != from_gold:
        raise FeedbackError(f"feedback {name!r}: names begin with {GOLD_PREFIX!r} if and only if from_gold is set")

    def add(function: F) -> F:
        (_gold_levels if from_gold else _levels)[name] = function  # type: ignore[assignment]
        return function

    return add


def feedback_levels() -> list[str]:
    """Names of all levels, sorted."""
    return sorted([*_levels, *_gold_levels])


def check_level(name: str) -> str:
    """Returns `name`. Raises `FeedbackError` naming the nearest level when there is none of that name."""
    if name not in _levels and name not in _gold_levels:
        raise FeedbackError(f"no feedback level is named {name!r}; {nearest(name, feedback_levels())}")
    return name


def feedback(level: str, task: Task, answer: str, attempts_left: int) -> str:
    """What the policy reads after the wrong `answer`. The task reaches the level only if it is a `gold_` one."""
    check_level(level)
    attempt = Attempt(task.question, task.choices, answer, attempts_left)
    if level in _gold_levels:
        return _gold_levels[level](attempt, task)
    return _levels[level](attempt)


@register_feedback("verdict")
def verdict(attempt: Attempt) -> str:
    """That it was wrong, and how many attempts are left."""
    tries = "1 attempt" if attempt.attempts_left == 1 else f"{attempt.attempts_left} attempts"
    return f"That answer is wrong. You have {tries} left."


@register_feedback("format")
def form(attempt: Attempt) -> str:
    """The verdict, and what is odd about the answer's form, judged from the answer and the question."""
    return " ".join([verdict(attempt), *_oddities(attempt)])


@register_feedback("hint")
def hint(attempt: Attempt) -> str:
    """The verdict, and advice for this type of question."""
    return f"{verdict(attempt)} {_HINTS[question_type(attempt.question)]}"


@register_feedback("gold_direction", from_gold=True)
def gold_direction(attempt: Attempt, task: Task) -> str:
    """The verdict, and whether a number is too high or too low. Derived from the gold answer."""
    told = verdict(attempt)
    given, golds = _quantity(attempt.answer), [_quantity(gold) for gold in task.answers or (task.answer,)]
    values = [gold.value for gold in golds if gold is not None]
    if given is None or not values:
        return told
    if given.value > max(values):
        return f"{told} Your number is too high."
    if given.value < min(values):
        return f"{told} Your number is too low."
    return told


_HINTS: dict[QuestionType, str] = {
    "yes_no": "Check the statement against the image and answer Yes or No.",
    "counting": "Count again, one item after the other, and read which ones the question asks for.",
    "average": "List every value, add them up, and divide by how many there are.",
    "difference": "Read both values again and subtract the smaller from the larger.",
    "ratio": "Read both values again and mind which one is divided by which.",
    "summation": "List every value that belongs to the total before you add them up.",
    "percentage": "Mind whether a percentage is asked for, and of what whole.",
    "comparison": "Read the values of everything compared before you decide.",
    "minmax": "Read every candidate's value, and mind whether its value or its name is asked for.",
    "trend": "Go through the values in order and note each rise and fall.",
    "numerical": "Read the number again and mind its scale.",
    "retrieval": "Find the right label or legend entry first, then read what belongs to it.",
    "other": "Read the question again and look at the image once more.",
}

_NUMBER_ASKED = {"counting", "average", "difference", "ratio", "summation"}
_MULTIPLE_ASKED = re.compile(r"\b(?:list|and|both|two|three|all|names? of|which ones)\b", re.IGNORECASE)
_SEVERAL = re.compile(r";|\n|\bor\b|\band\b|,(?!\d{3}\b)", re.IGNORECASE)


def _oddities(attempt: Attempt) -> list[str]:
    kind = question_type(attempt.question)
    text = extract(attempt.answer) or attempt.answer
    quantity = parse_quantity(text)
    said = []
    if attempt.choices:
        letters = {chr(ord("a") + i) for i in range(len(attempt.choices))}
        if text.strip("().").lower() not in letters | {choice.lower() for choice in attempt.choices}:
            said.append("Answer with one of the choices.")
    elif kind == "yes_no" and text.lower() not in ("yes", "no"):
        said.append("The question asks for Yes or No.")
    elif kind in _NUMBER_ASKED and quantity is None:
        said.append("The question asks for one number.")
    if quantity is not None and quantity.unit:
        said.append("Leave the unit out.")
    if quantity is None and _SEVERAL.search(text) and not _MULTIPLE_ASKED.search(attempt.question):
        said.append("Give one answer only.")
    elif len(text.split()) > MAX_WORDS:
        said.append("Give only the answer, without a sentence around it.")
    return said or ["Its form is fine."]


def _quantity(text: str) -> Quantity | None:
    return parse_quantity(extract(text) or text)
