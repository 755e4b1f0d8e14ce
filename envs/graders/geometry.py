"""Geometry problems with options (Geometry3K, GeoQA, UniGeo): a letter, or a value that picks the nearest option."""

from __future__ import annotations

import math
from functools import lru_cache, partial

from envs.grade import Grader, Mode
from envs.graders.choice import gold_index, named_choice, strict_choice
from envs.graders.latex import parse_answer
from envs.graders.latex.value import UndefinedError, value_of
from envs.graders.maths import formula_of, maths_judge
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.plugins import PluginConfigError
from envs.task import Task

_VALUES = ("precise_value", "choice_nums")
"""Metadata with the options' values: Geometry3K's name, UniGeo's name."""


@register_grader("geometry")
def geometry(mode: Mode = "robust", tolerance: float = 0.01) -> Grader:
    """The geometry grader.

    `strict` takes a letter or an option's text, or a number, which counts as the nearest option (Inter-GPS, Lu et al.
    2021; only where every option has a value). `robust` also reads formulas and units, and wants the value to be the
    gold's within `tolerance`, so that a far-off number is not right because another option is farther off still.
    Without options, the value or formula itself must be equal.

    Args:
        mode: `strict` or `robust`.
        tolerance: largest relative error of a computed value.

    Raises:
        PluginConfigError: the tolerance is negative or not finite.
    """
    if not (isinstance(tolerance, int | float) and math.isfinite(tolerance) and tolerance >= 0):
        raise PluginConfigError(f"grader 'geometry': tolerance must be a finite number >= 0, got {tolerance!r}")
    if mode == "strict":
        return RuleGrader(_strict, max_length=STRICT_MAX_LENGTH)
    return RuleGrader(partial(_robust, tolerance=float(tolerance)))


@lru_cache(maxsize=1 << 13)
def number_of(text: str) -> float | None:
    """The real number that a formula is (`3\\sqrt{2}`, `40°`, `x = 5`); None for anything else."""
    answer = parse_answer(formula_of(text) or "")
    if answer is not None and answer.kind == "relation" and answer.mark == "=":
        answer = answer.parts[1]
    if answer is None or answer.kind != "formula":
        return None
    try:
        value = float(value_of(answer.tree, {}))
    except (KeyError, UndefinedError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def option_values(task: Task) -> list[float] | None:
    """The options' values, as released or as read from their texts; None unless every option has one."""
    for name in _VALUES:
        given = task.metadata.get(name)
        if isinstance(given, list | tuple) and len(given) == len(task.choices):
            numbers = [float(item) for item in given if isinstance(item, int | float)]
            return numbers if len(numbers) == len(given) else None
    values = [value for choice in task.choices if (value := number_of(choice)) is not None]
    return values if len(values) == len(task.choices) else None


def nearest(value: float, values: list[float], index: int) -> bool:
    """Whether no option is nearer to the value than the one at `index`."""
    return abs(values[index] - value) == min(abs(other - value) for other in values)


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    if not task.choices:
        return verdict(answer == gold, answer, "exact text")
    index = gold_index(gold, task)
    try:
        value = float(answer)
    except ValueError:
        return strict_choice(answer, gold, task)
    values = option_values(task)
    return verdict(values is not None and nearest(value, values, index), answer, "nearest option")


def _robust(answer: str, gold: str, task: Task, tolerance: float) -> Verdict:
    if not task.choices:
        return maths_judge(answer, gold, task)
    index = gold_index(gold, task)
    values = option_values(task)
    value = number_of(answer) if values is not None else None
    if values is None or value is None:
        named = named_choice(answer, task.choices)
        if named.place is None:
            return verdict(False, answer, named.reason)
        same = task.choices[named.place] == task.choices[index]
        return verdict(named.place == index or same, task.choices[named.place], named.reason)
    close = abs(value - values[index]) <= tolerance * max(abs(values[index]), 1e-9)
    return verdict(close and nearest(value, values, index), answer, "value of the option")
