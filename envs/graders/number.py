"""Integers (CLEVR-Math) and floats of a given precision."""

from __future__ import annotations

import math
from functools import partial

from envs.grade import Grader, Mode
from envs.graders.numbers import Quantity, parse_quantity
from envs.graders.registry import GradingError, register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import extract
from envs.graders.units import compatible
from envs.plugins import PluginConfigError
from envs.task import Task

MAX_PRECISION = 15
"""Decimal places; a float has no more."""


@register_grader("integer")
def integer(mode: Mode = "robust") -> Grader:
    """Equal integers. `strict`: what Python's `int` reads. `robust`: `4.0`, `four`, `4 cubes` too; never rounded."""
    return RuleGrader(_strict_integer, max_length=STRICT_MAX_LENGTH) if mode == "strict" else RuleGrader(_integer)


@register_grader("float")
def float_grader(mode: Mode = "robust", precision: int | None = None) -> Grader:
    """Equal after rounding to a number of decimal places.

    Args:
        mode: `strict`: what Python's `float` reads. `robust`: fractions, units, thousands separators too.
        precision: decimal places; None takes the task's own (metadata `precision`), or those of the gold as written.

    Raises:
        PluginConfigError: `precision` is no whole number from 0 to 15.
    """
    if precision is not None and (not isinstance(precision, int) or not 0 <= precision <= MAX_PRECISION):
        raise PluginConfigError(f"grader 'float': precision must be from 0 to {MAX_PRECISION}, got {precision!r}")
    judge = partial(_strict_float if mode == "strict" else _float, precision=precision)
    return RuleGrader(judge, max_length=STRICT_MAX_LENGTH if mode == "strict" else 1000)


def decimals(text: str) -> int:
    """Decimal places of a number as written."""
    return sum(character.isdigit() for character in text.partition(".")[2].partition("e")[0])


def precision_of(gold: str, task: Task) -> int:
    """Decimal places: the task's own (released as 1.0, too), or those of the gold as written."""
    given = task.metadata.get("precision")
    places = int(given) if isinstance(given, int | float) and math.isfinite(given) else decimals(gold)
    return min(max(places, 0), MAX_PRECISION)


def read_quantity(text: str) -> Quantity | None:
    """The one quantity that an answer is, after extraction; None when it is anything else."""
    plain = extract(text)
    return None if plain is None else parse_quantity(plain)


def _gold_quantity(gold: str, task: Task) -> Quantity:
    quantity = read_quantity(gold)
    if quantity is None:
        raise GradingError(f"task {task.id}: gold {gold!r} is not a number")
    return quantity


def _python_number(text: str, kind: type[int] | type[float]) -> int | float | None:
    try:
        return kind(text)
    except ValueError:
        return None


def _strict_integer(answer: str, gold: str, task: Task) -> Verdict:
    wanted = _python_number(gold, int)
    if wanted is None:
        raise GradingError(f"task {task.id}: gold {gold!r} is not an integer")
    return verdict(_python_number(answer, int) == wanted, answer, "integer")


def _integer(answer: str, gold: str, task: Task) -> Verdict:
    wanted = _gold_quantity(gold, task)
    number = read_quantity(answer)
    if number is None:
        return verdict(False, answer, "not one number")
    right = number.value == wanted.value and number.percent == wanted.percent and compatible(number, wanted)
    return verdict(right, answer, "integer")


def _strict_float(answer: str, gold: str, task: Task, precision: int | None) -> Verdict:
    places = precision_of(gold, task) if precision is None else precision
    number, wanted = _python_number(answer, float), _python_number(gold, float)
    if wanted is None:
        raise GradingError(f"task {task.id}: gold {gold!r} is not a number")
    right = number is not None and round(number, places) == round(wanted, places)
    return verdict(right, answer, f"rounded to {places} decimals")


def _float(answer: str, gold: str, task: Task, precision: int | None) -> Verdict:
    wanted, number = _gold_quantity(gold, task), read_quantity(answer)
    places = precision_of(gold, task) if precision is None else precision
    return rounded(number, wanted, places, answer)


def rounded(number: Quantity | None, wanted: Quantity, places: int, answer: str) -> Verdict:
    """Equal values after rounding, in compatible units."""
    if number is None:
        return verdict(False, answer, "not one number")
    if not compatible(number, wanted):
        return verdict(False, answer, "different unit")
    right = round(number.value, places) == round(wanted.value, places)
    return verdict(right, answer, f"rounded to {places} decimals")
