"""Equality of answers: formulas by their values at fixed points, collections part by part."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from envs.graders.latex.answer import Answer
from envs.graders.latex.parser import ZERO, Tree
from envs.graders.latex.value import UndefinedError, Value, close, names_in, value_of
from envs.graders.units import unit_name

DECIMALS = 2
"""A decimal fraction of at least so many places equals what it is the rounding or the beginning of (MATH-V has two)."""
_POINTS = ((0.73, 1.91, 2.37, 0.41, 1.13), (1.57, 0.62, 0.29, 2.83, 1.71), (2.21, 1.37, 0.83, 1.61, 0.57))
"""Positive values of up to five variables, three times: where roots and logarithms are real. Formulas that agree at
three such points differ nowhere that a school book would look."""


def equal_answers(given: Answer, gold: Answer, ordered: bool = False) -> bool:
    """Whether two answers are the same.

    Args:
        ordered: values in a row (`1, 2`) must come in the same order.
    """
    if given.kind == "relation" and gold.kind != "relation" and given.mark == "=" and _label(given.parts[0]):
        return equal_answers(given.parts[1], gold, ordered)  # x = 5 is 5
    if gold.kind == "relation" and given.kind != "relation" and gold.mark == "=" and _label(gold.parts[0]):
        return equal_answers(given, gold.parts[1], ordered)
    if {given.kind, gold.kind} <= {"bag", "list"}:
        unordered = "bag" in (given.kind, gold.kind) or not ordered
        return _bags(given.parts, gold.parts) if unordered else _rows(given.parts, gold.parts)
    if given.kind == "bag" and len(given.parts) == 1 and gold.kind != "bag":
        return equal_answers(given.parts[0], gold)
    if gold.kind == "bag" and len(gold.parts) == 1 and given.kind != "bag":
        return equal_answers(given, gold.parts[0])
    if {given.kind, gold.kind} == {"ratio", "formula"}:
        ratio, formula = (given, gold) if given.kind == "ratio" else (gold, given)
        return len(ratio.parts) == 2 and equal_answers(_quotient(ratio), formula)
    if given.kind != gold.kind:
        return False
    if gold.kind == "formula":
        return _formulas(given, gold)
    if gold.kind == "tuple":
        return given.mark == gold.mark and _rows(given.parts, gold.parts)
    if gold.kind == "ratio":
        return _ratios(given.parts, gold.parts)
    return _relations(given, gold)


def _label(answer: Answer) -> bool:
    """A variable's name, or `f(x)`: what a value is given to."""
    tree = answer.tree
    if answer.kind != "formula":
        return False
    return tree[0] == "name" or (tree[0] == "*" and tree[1][0] == tree[2][0] == "name")


def _rows(given: Iterable[Answer], gold: Iterable[Answer]) -> bool:
    firsts, seconds = tuple(given), tuple(gold)
    return len(firsts) == len(seconds) and all(map(equal_answers, firsts, seconds))


def _bags(given: tuple[Answer, ...], gold: tuple[Answer, ...]) -> bool:
    left = list(gold)
    if len(given) != len(left):
        return False
    for answer in given:
        match = next((other for other in left if equal_answers(answer, other)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _quotient(ratio: Answer) -> Answer:
    return Answer("formula", tree=("/", ratio.parts[0].tree, ratio.parts[1].tree))


def _ratios(given: tuple[Answer, ...], gold: tuple[Answer, ...]) -> bool:
    """`2:4:6` is `1:2:3`."""
    if len(given) != len(gold):
        return False
    pairs = zip(given[1:], gold[1:], strict=True)
    return all(_same_trees(("*", one.tree, gold[0].tree), ("*", two.tree, given[0].tree)) for one, two in pairs)


def _formulas(given: Answer, gold: Answer) -> bool:
    if given.unit and gold.unit and unit_name(given.unit) != unit_name(gold.unit):
        return False
    first, second = given.tree, gold.tree
    if (first[0] == "%") != (second[0] == "%"):
        # 25 % against 25 or 0.25, as in the other graders.
        bare = first[1] if first[0] == "%" else second[1]
        other = second if first[0] == "%" else first
        if _same_trees(bare, other):
            return True
    return _same_trees(first, second, given.mark, gold.mark)


def _points(*trees: Tree) -> list[dict[str, Value]]:
    names = sorted(set().union(*map(names_in, trees)))
    if not names:
        return [{}]
    return [
        {name: Fraction(point[at % len(point)]) + at // len(point) for at, name in enumerate(names)}
        for point in _POINTS
    ]


def _same_trees(first: Tree, second: Tree, first_mark: str = "", second_mark: str = "") -> bool:
    if first == second and first_mark == second_mark:
        return True
    signs = (-1 if first_mark == "-" else 1, -1 if second_mark == "-" else 1)
    points = _points(first, second)
    for point in points:
        try:
            one, two = value_of(first, point, signs[0]), value_of(second, point, signs[1])
        except UndefinedError:
            return False
        if not close(one, two):
            return len(points) == 1 and not point and (_rounds(first, one, two) or _rounds(second, two, one))
    return True


def _rounds(tree: Tree, decimal: Value, exact: Value) -> bool:
    """Whether a decimal literal is the rounding, or the beginning, of the other value."""
    while (tree[0] in ("-", "degree") and tree[1:2] == (ZERO,)) or tree[0] == "degree":
        tree = tree[-1]
    if tree[0] != "number" or tree[2] < DECIMALS or math.isinf(exact):
        return False
    step = 10.0 ** -tree[2]
    off = abs(float(exact)) - abs(float(decimal))
    return (float(exact) < 0) == (float(decimal) < 0) and -step / 2 * (1 + 1e-9) <= off < step


def _relations(given: Answer, gold: Answer) -> bool:
    """Equal sides, or (for equations) the same equation up to a factor."""
    if given.mark != gold.mark:
        return False
    if _rows(given.parts, gold.parts):
        return True
    sides = (*given.parts, *gold.parts)
    if given.mark != "=" or any(side.kind != "formula" for side in sides):
        return False
    if _label(given.parts[0]) and _label(gold.parts[0]) and given.parts[0].tree != gold.parts[0].tree:
        known = [not names_in(answer.parts[1].tree) for answer in (given, gold)]
        if any(known):
            return False  # x = 5 is not y = 5
    differences: list[Tree] = [("-", one.tree, two.tree) for one, two in (given.parts, gold.parts)]
    quotients = []
    for point in _points(*differences):
        try:
            quotients.append(value_of(("/", *differences), point))
        except UndefinedError:
            return False
    return len(quotients) > 1 and all(close(quotient, quotients[0]) for quotient in quotients)
