"""ChartQA: relaxed accuracy (Masry et al. 2022, section 5.1), as released and after extracting the answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from envs.grade import Grade, Grader, Mode
from envs.graders.numbers import SCALE_NAMES, Quantity, parse_quantity, plain_number
from envs.graders.registry import GradingError, register_grader
from envs.graders.text import extract, fold, yes_no
from envs.plugins import PluginConfigError
from envs.task import Task

MAX_LENGTH = 1000
"""Characters; a longer answer is no short answer, and is wrong without being read."""

_SEPARATOR = re.compile(r"\s*(?:;|\n|,(?![0-9]{3}(?![0-9]))|\band\b)\s*", re.IGNORECASE)


@register_grader("chartqa")
def chartqa(mode: Mode = "robust", tolerance: float = 0.05) -> Grader:
    """The ChartQA grader.

    Args:
        mode: `strict` or `robust`.
        tolerance: largest relative error of a number that is still right; 0.05 is official.

    Raises:
        PluginConfigError: `tolerance` is negative or not finite.
    """
    if not (isinstance(tolerance, int | float) and math.isfinite(tolerance) and tolerance >= 0):
        raise PluginConfigError(f"grader 'chartqa': tolerance must be a finite number >= 0, got {tolerance!r}")
    return ChartQAGrader(_strict if mode == "strict" else _robust, float(tolerance))


@dataclass(frozen=True, slots=True)
class ChartQAGrader:
    """Right when any of the task's gold answers matches.

    Attributes:
        judge: `(answer, gold, question, tolerance) -> (correct, extracted, reason)`.
        tolerance: largest relative error of a right number.
    """

    judge: Callable[[str, str, str, float], tuple[bool, str, str]]
    tolerance: float

    def __call__(self, answer: str, task: Task) -> Grade:
        """Grades the text inside `<answer>`. Raises `GradingError` when the task has no gold answer."""
        golds = task.answers or (task.answer,)
        if not any(golds):
            raise GradingError(f"task {task.id}: no gold answer, so nothing can be graded")
        extracted = reason = ""
        for gold in golds:
            correct, extracted, reason = self.judge(answer, gold, task.question, self.tolerance)
            if correct:
                return Grade(True, 1.0, extracted, reason)
        return Grade(False, 0.0, extracted, reason)


def _official_float(text: str) -> float | None:
    """A trailing % divides by 100; Python's `float` decides what a number is (so `1_000` and `nan` are)."""
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


def _strict(answer: str, gold: str, question: str, tolerance: float) -> tuple[bool, str, str]:
    """The published rule, quirks included: a gold of 0 is compared as text, years get the tolerance too."""
    target = _official_float(gold)
    if target:
        number = _official_float(answer)
        if number is not None:
            return abs(number - target) / abs(target) <= tolerance, answer, "relative error"
    return answer.lower() == gold.lower(), answer, "exact text"


class _Reading(NamedTuple):
    """One text, read once: `text` extracted, `folded` for comparison, `quantity` if it is a number."""

    text: str
    folded: str
    quantity: Quantity | None


@lru_cache(maxsize=1 << 14)
def _read(text: str) -> _Reading | None:
    """None when the text boxes several answers. Cached: charts have few answers and policies repeat them."""
    if plain_number(text) or (text.isascii() and text.isalnum()):
        return _Reading(text, text.lower(), parse_quantity(text))  # most answers: nothing to strip
    plain = extract(text)
    if plain is None:
        return None
    return _Reading(plain, fold(plain), parse_quantity(plain))


def _robust(answer: str, gold: str, question: str, tolerance: float) -> tuple[bool, str, str]:
    """Relaxed accuracy of the extracted answer; years exact; a list needs all its elements and no other."""
    if answer == gold and answer:
        return True, answer, "exact text"
    if not answer:
        return False, "", "empty answer"
    if len(answer) > MAX_LENGTH:
        return False, answer[:MAX_LENGTH], "too long for an answer"
    gold = gold.strip()
    if gold[:1] == "[" and gold[-1:] == "]":
        return _robust_list(answer, gold, question, tolerance)
    given = _read(answer)
    if given is None:
        return False, answer, "several answers"
    if given.text[:1] == "[" and given.text[-1:] == "]":
        given = _read(given.text[1:-1]) or given
    correct, reason = _match(given, _read(gold), question, tolerance)
    return correct, given.text, reason


def _match(given: _Reading, gold: _Reading | None, question: str, tolerance: float) -> tuple[bool, str]:
    """Compares one answer with one gold."""
    if gold is None:
        return False, "the gold boxes several answers"
    if not given.folded:
        return False, "empty answer"
    if given.folded == gold.folded:
        return True, "exact text"
    if gold.folded in ("yes", "no"):
        return yes_no(given.folded) == gold.folded, "yes or no"
    target = gold.quantity
    # A gold with words in it (`Four Seasons`, `24 Hours`) is a name unless those words are a magnitude or a unit
    # after digits, so spelled numbers count as numbers only when nothing follows them.
    if target is None or (target.unit and not any(c.isdigit() for c in gold.text)):
        return False, "different text"
    number = given.quantity
    if number is None:
        return False, "not one number"
    return _close(number, target, question, tolerance)


def _close(number: Quantity, target: Quantity, question: str, tolerance: float) -> tuple[bool, str]:
    """Numeric comparison under every reading that the percent sign and the question's magnitude word allow."""
    if target.unit and number.unit and target.unit != number.unit:
        return False, "different unit"
    if target.currency and number.currency and target.currency != number.currency:
        return False, "different currency"
    if target.year:
        return number.value == target.value, "year, exact"
    if number.percent == target.percent and number.scale == target.scale:
        return _within(number.mantissa, target.mantissa, tolerance), "relative error"
    numbers, targets = [number.value], [target.value]
    if number.percent != target.percent:
        # 25 % against 25 or 0.25: releases leave the sign out, the official rule divides by 100.
        (numbers if number.percent else targets).append((number if number.percent else target).value / 100)
    if number.scale != target.scale:
        # "How many million ...?": 5.2 and 5.2 million are the same answer.
        for quantity, readings in ((number, numbers), (target, targets)):
            if quantity.scale != 1 and SCALE_NAMES[quantity.scale] in question.lower():
                readings.append(quantity.mantissa)
    return any(_within(n, t, tolerance) for n in numbers for t in targets), "relative error"


def _within(number: float, target: float, tolerance: float) -> bool:
    """The official inequality; a gold of 0 allows 0 only."""
    return number == target or (target != 0 and abs(number - target) / abs(target) <= tolerance)


def _robust_list(answer: str, gold: str, question: str, tolerance: float) -> tuple[bool, str, str]:
    """Every gold element matched by one given element, in any order, and nothing left over."""
    plain = extract(answer)
    if plain is None:
        return False, answer, "several answers"
    given = _elements(plain)
    left = _elements(gold)
    if len(given) != len(left):
        return False, plain, f"{len(given)} elements, not {len(left)}"
    # Exact matches first, so that a number near two golds does not take the other one's place.
    for allowed in (0.0, tolerance):
        rest = []
        for item in given:
            match = next((g for g in left if _match(item, g, question, allowed)[0]), None)
            if match is None:
                rest.append(item)
            else:
                left.remove(match)
        given = rest
    return not left, plain, "list"


def _elements(text: str) -> list[_Reading]:
    """Elements of `[A, B]`, `A, B`, `A and B`; a comma inside 1,000 does not separate."""
    text = text.strip()
    if text[:1] == "[" and text[-1:] == "]":
        text = text[1:-1]
    readings = (_read(part) for part in _SEPARATOR.split(text) if part.strip())
    return [reading for reading in readings if reading is not None]
