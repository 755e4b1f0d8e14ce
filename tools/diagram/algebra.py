"""From formula trees to sympy expressions, everything bounded: nothing here takes long, whatever was written."""

from __future__ import annotations

from collections.abc import Callable

import sympy
from sympy import Expr

from tools.diagram.form import Call, Name, Node, Number, Operation, write
from tools.errors import ToolInputError

MAX_DEGREE = 12
"""Degree of an expression in all its unknowns, and the largest whole exponent."""
MAX_BITS = 1200
"""Bits of a numerator or denominator."""
SIGNIFICANT_DIGITS = 10
"""Significant digits of a decimal."""
MAX_EXACT = 40
"""Operations of an exact value that is still worth showing."""

_CONSTANTS = {"pi": sympy.pi, "π": sympy.pi}


def expression(node: Node, value: Callable[[Name | Call], Expr]) -> Expr:
    """The sympy expression of a tree.

    Args:
        node: the tree.
        value: what a name (not pi) or a call (not a root, nor a sine, cosine or tangent of degrees) stands for.

    Raises:
        ToolInputError: a division by zero, or something too large.
    """
    return _read(node, value)[0]


def decimal(value: Expr) -> str:
    """At most 10 significant digits of a real number, without trailing zeros."""
    number = float(value.evalf(30))
    text = f"{number:.{SIGNIFICANT_DIGITS}g}"
    return "0" if float(text) == 0 else text


def shown(value: Expr) -> str:
    """A number as a model reads it: exact where that is short, with its decimal when the two differ."""
    if value.has(sympy.Float, sympy.acos, sympy.asin, sympy.atan) or value.count_ops() > MAX_EXACT:
        return decimal(value)
    if value.is_Rational and len(str(value)) < 30:
        exact, number = str(value), decimal(value)
        return number if value.is_Integer or sympy.Rational(number) == value else f"{exact} ({number})"
    return f"{value} ({decimal(value)})"


def degrees(value: Expr) -> Expr:
    """An angle in degrees, in radians."""
    return value * sympy.pi / 180


def _read(node: Node, value: Callable[[Name | Call], Expr]) -> tuple[Expr, int]:
    match node:
        case Number(number):
            return sympy.Rational(number.numerator, number.denominator), 0
        case Name(text) if text in _CONSTANTS:
            return _CONSTANTS[text], 0
        case Call("Sqrt" | "SqrtOf", (inner,)):
            base, degree = _read(inner, value)
            return _bounded(sympy.sqrt(base)), degree
        case Call("Sin" | "Cos" | "Tan" | "SinOf" | "CosOf" | "TanOf" as name, (inner,)):
            angle, _ = _read(inner, value)
            function = {"Sin": sympy.sin, "Cos": sympy.cos, "Tan": sympy.tan}[name.removesuffix("Of")]
            return _bounded(function(degrees(angle))), MAX_DEGREE // 2
        case Name() | Call():
            return value(node), 1
        case Operation(sign, left, right):
            first, one = _read(left, value)
            second, two = _read(right, value)
            if sign == "^":
                return _power(first, one, second)
            if sign == "/":
                if second.is_zero:
                    raise ToolInputError(f"division by zero in {write(node)[:60]!r}")
                return _bounded(first / second), _degree(one + two)
            if sign == "*":
                return _bounded(first * second), _degree(one + two)
            return _bounded(first + second if sign == "+" else first - second), max(one, two)
    raise AssertionError(node)


def _power(base: Expr, degree: int, exponent: Expr) -> tuple[Expr, int]:
    if not exponent.is_Rational or abs(exponent) > MAX_DEGREE or exponent.q > 4:
        raise ToolInputError(f"an exponent must be a number up to {MAX_DEGREE}")
    if base.is_zero and exponent <= 0:
        raise ToolInputError("division by zero")
    if base.is_Rational and max(base.p.bit_length(), base.q.bit_length()) * abs(exponent) > MAX_BITS:
        raise ToolInputError("a power is too large")
    return _bounded(base**exponent), _degree(max(1, int(sympy.ceiling(abs(exponent)))) * degree)


def _degree(degree: int) -> int:
    if degree > MAX_DEGREE:
        raise ToolInputError(f"an expression has a degree above {MAX_DEGREE}")
    return degree


def _bounded(value: Expr) -> Expr:
    if value.has(sympy.nan, sympy.zoo, sympy.oo, sympy.I):
        raise ToolInputError("a value is not a real number")
    if value.is_Rational and max(abs(value.p).bit_length(), value.q.bit_length()) > MAX_BITS:
        raise ToolInputError("a number is too large")
    return value
