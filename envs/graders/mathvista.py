"""MathVista (Lu et al. 2024): the answer normalised by its type, then equal texts."""

from __future__ import annotations

import math
import re
from typing import Literal

from rapidfuzz.distance import Levenshtein

from envs.grade import Grader, Mode
from envs.graders.choice import choice_judge, gold_index, named_choice
from envs.graders.exact import exact_judge
from envs.graders.mapqa import elements, gold_list
from envs.graders.number import decimals, precision_of, read_quantity, rounded
from envs.graders.registry import GradingError, register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import extract
from envs.graders.units import compatible
from envs.task import Task

AnswerType = Literal["choice", "integer", "float", "list", "text"]
_LETTER = re.compile(r"\(([a-zA-Z])\)")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?[0-9]*\.[0-9]+")
_TYPO = 0.2
"""Largest share of an option's letters that a misspelling of it may get wrong."""


@register_grader("mathvista")
def mathvista(mode: Mode = "robust") -> Grader:
    """The MathVista grader; metadata `question_type`, `answer_type`, `precision` and `unit` are as released.

    `strict` normalises as published, where any text is the option that it resembles most. `robust` reads letters,
    texts and values properly, forgives a misspelt option only when it resembles no other, and does not cut 3.7 to 3.
    """
    return RuleGrader(_strict, max_length=STRICT_MAX_LENGTH) if mode == "strict" else RuleGrader(_robust)


def answer_type(gold: str, task: Task) -> AnswerType:
    """The released type, or what the gold looks like where the record has none."""
    asked = task.metadata.get("question_type")
    if asked == "multi_choice" or (asked is None and task.choices):
        if not task.choices:
            raise GradingError(f"task {task.id}: a multi_choice question without choices")
        return "choice"
    released = task.metadata.get("answer_type")
    if released in ("integer", "float", "list", "text"):
        return released  # type: ignore[no-any-return]
    if _INTEGER.fullmatch(gold):
        return "integer"
    if _FLOAT.fullmatch(gold):
        return "float"
    return "list" if gold[:1] == "[" and gold[-1:] == "]" else "text"


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    kind = answer_type(gold, task)
    if kind == "choice":
        text = _option(answer, task.choices)
        return verdict(text == task.choices[gold_index(gold, task)], text, "nearest option")
    given: str | None = answer
    if kind in ("integer", "float"):
        given = _normalised(answer, kind, gold, task)
    if given is None:
        return verdict(False, answer, f"no {kind}")
    return verdict(given.strip() == gold.strip(), given, kind)


def _option(answer: str, choices: tuple[str, ...]) -> str:
    """The option of the first letter in brackets or of a lone capital; otherwise the nearest by edit distance."""
    answer = answer.strip()
    letters = _LETTER.findall(answer)
    letter = letters[0].upper() if letters else answer
    if len(letter) == 1 and 0 <= ord(letter) - ord("A") < len(choices):
        return choices[ord(letter) - ord("A")]
    return min(choices, key=lambda choice: Levenshtein.distance(letter, choice))


def _normalised(answer: str, kind: str, gold: str, task: Task) -> str | None:
    try:
        value = float(answer)
        return str(int(value)) if kind == "integer" else str(round(value, precision_of(gold, task)))
    except (ValueError, OverflowError):
        return None


def _robust(answer: str, gold: str, task: Task) -> Verdict:
    kind = answer_type(gold, task)
    if kind == "choice":
        return _robust_choice(answer, gold, task)
    plain = extract(answer)
    if plain is None:
        return verdict(False, answer, "several answers")
    if kind == "list":
        return _list(plain, gold, task)
    wanted = read_quantity(gold)
    if kind == "text" or wanted is None:
        return exact_judge(answer, gold, task)
    unit, number = task.metadata.get("unit"), read_quantity(plain)
    if number is not None and number.unit and isinstance(unit, str) and unit:
        named = read_quantity(f"{gold} {unit}")
        if named is not None and not compatible(number, named):
            return verdict(False, plain, "different unit")
    places = 0 if kind == "integer" else precision_of(gold, task)
    if kind == "integer":
        percent = number is not None and number.percent and unit != "%" and not wanted.percent
        right = number is not None and number.value == wanted.value and compatible(number, wanted) and not percent
        return verdict(right, plain, "integer" if number is not None else "not one number")
    return rounded(number, wanted, places, plain)


def _robust_choice(answer: str, gold: str, task: Task) -> Verdict:
    if named_choice(answer, task.choices).place is not None:
        return choice_judge(answer, gold, task)
    plain = (extract(answer) or "").casefold()
    near = [
        choice
        for choice in task.choices
        if not any(c.isdigit() for c in choice + plain)
        and 0 < Levenshtein.distance(plain, choice.casefold()) <= _TYPO * len(choice)
    ]
    if len(near) == 1 and not any(plain in choice.casefold() or choice.casefold() in plain for choice in near):
        return verdict(near[0] == task.choices[gold_index(gold, task)], near[0], "misspelt option")
    return choice_judge(answer, gold, task)


def _list(plain: str, gold: str, task: Task) -> Verdict:
    """Numbers or texts of a list, in order."""
    given, wanted = elements(plain), gold_list(gold, task) or elements(gold)
    if len(given) != len(wanted):
        return verdict(False, plain, f"{len(given)} elements, not {len(wanted)}")
    right = all(_element(one, two, task) for one, two in zip(given, wanted, strict=True))
    return verdict(right, plain, "list in order")


def _element(given: str, wanted: str, task: Task) -> bool:
    number, quantity = read_quantity(given), read_quantity(wanted)
    if number is None or quantity is None or not math.isfinite(quantity.value):
        return exact_judge(given, wanted, task).score == 1.0
    return rounded(number, quantity, decimals(wanted), given).score == 1.0
