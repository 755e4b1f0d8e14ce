"""Values of formulas: exact rationals as long as they last and stay small, then floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TypeAlias

from envs.graders.latex.parser import Tree

MAX_BITS = 1000
"""Bits of a numerator or denominator; beyond them a value is a float (which holds 1023)."""
MAX_FACTORIAL = 60
_CLOSE = 1e-9

Value: TypeAlias = Fraction | float


class UndefinedError(ArithmeticError):
    """The formula has no real value here (a division by zero, a root of a negative number, an overflow)."""


def names_in(tree: Tree) -> set[str]:
    """Names of the variables."""
    if tree[0] == "name":
        return {tree[1]} - {"e"}
    return set().union(*(names_in(part) for part in tree[1:] if isinstance(part, tuple)))


def value_of(tree: Tree, point: Mapping[str, Value], sign: int = 1, angle: bool = False) -> Value:
    """The value at a point.

    Args:
        point: values of the variables.
        sign: what ± stands for, 1 or -1 (∓ is its opposite).
        angle: inside a trigonometric function, where a degree sign counts.

    Raises:
        UndefinedError: there is none.
    """
    kind = tree[0]
    if kind == "number":
        return tree[1]  # type: ignore[no-any-return]
    if kind == "name":
        return math.e if tree[1] == "e" and "e" not in point else point[tree[1]]
    if kind in ("pi", "infty"):
        return math.pi if kind == "pi" else math.inf
    inner = angle or kind in _TRIGONOMETRIC
    values = [value_of(part, point, sign, inner) for part in tree[1:]]
    try:
        result = _apply(kind, values, sign, angle)
    except (ZeroDivisionError, ValueError, OverflowError) as error:
        raise UndefinedError(kind) from error
    if isinstance(result, Fraction):
        big = max(result.numerator.bit_length(), result.denominator.bit_length()) > MAX_BITS
        return _as_float(result) if big else result
    if isinstance(result, complex) or math.isnan(result):
        raise UndefinedError(kind)
    return result


def _as_float(value: Value) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise UndefinedError("overflow") from error


_TRIGONOMETRIC: dict[str, Callable[[float], float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "cot": lambda x: 1 / math.tan(x),
    "sec": lambda x: 1 / math.cos(x),
    "csc": lambda x: 1 / math.sin(x),
}
_OF_ONE: dict[str, Callable[[float], float]] = {
    **_TRIGONOMETRIC,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "ln": math.log,
    "lg": math.log10,
    "exp": math.exp,
}


def _apply(kind: str, values: list[Value], sign: int, angle: bool) -> Value:
    first = values[0]
    if kind in ("+", "-", "pm", "mp"):
        plus = kind == "+" or (kind == "pm" and sign > 0) or (kind == "mp" and sign < 0)
        return first + values[1] if plus else first - values[1]
    if kind == "*":
        return first * values[1]
    if kind == "/":
        return first / values[1]
    if kind == "^":
        return _power(first, values[1])
    if kind == "root":
        return _power(first, 1 / values[1])
    if kind == "abs":
        return first if first >= 0 else -first
    if kind == "%":
        return first / 100
    if kind == "degree":
        return first * math.pi / 180 if angle else first
    if kind == "!":
        return Fraction(math.factorial(_small_whole(first)))
    if kind == "binom":
        return Fraction(math.comb(_small_whole(first), _small_whole(values[1])))
    if kind == "log":
        return math.log(first) / math.log(values[1]) if len(values) > 1 else math.log10(first)
    return float(_OF_ONE[kind](_as_float(first)))


def _small_whole(value: Value) -> int:
    if value != int(value) or not 0 <= value <= MAX_FACTORIAL:
        raise UndefinedError("a factorial of something else than a small whole number")
    return int(value)


def _power(base: Value, exponent: Value) -> Value:
    """Real powers; odd roots of negative numbers are real. Exact where the result is rational and small."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        whole = exponent.denominator == 1
        if whole and bits * abs(exponent.numerator) <= MAX_BITS:
            return base**exponent.numerator
        if exponent == Fraction(1, 2) and base >= 0:
            over, under = math.isqrt(base.numerator), math.isqrt(base.denominator)
            if over * over == base.numerator and under * under == base.denominator:
                return Fraction(over, under)
        if base < 0 and not whole:
            if exponent.denominator % 2 == 0:
                raise UndefinedError("an even root of a negative number")
            magnitude = _as_float(-base) ** _as_float(exponent)
            return -magnitude if exponent.numerator % 2 else magnitude
    if base < 0 and exponent != int(exponent):
        raise UndefinedError("a real power of a negative number")
    return _as_float(base) ** _as_float(exponent)


def close(first: Value, second: Value) -> bool:
    """Equal: whole numbers exactly, other values within a relative error of 1e-9."""
    if first == second:
        return True
    if isinstance(first, Fraction) and isinstance(second, Fraction) and first.denominator == second.denominator == 1:
        return False
    one, two = float(first), float(second)
    if math.isinf(one) or math.isinf(two):
        return False
    difference = abs(one - two)
    return difference <= _CLOSE * max(abs(one), abs(two)) or difference < 1e-13
