"""`Calculator`: exact arithmetic on an expression, or the solution of equations. Nothing is ever evaluated as code.

The text is parsed by Python's `ast` into a tree of which only a short list of node types is understood; numbers are
sympy rationals, and irrational results are floats of 50 digits. Every value on the way is bounded, so nothing hangs.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import statistics
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from typing import Annotated, Any, TypeAlias

import sympy
from pydantic import AliasChoices, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from sympy import Number

from tools.equations import is_equation, solutions_data, solutions_text, solve_equations
from tools.errors import ToolInputError
from tools.registry import register_tool
from tools.tool import Arguments, Tool, ToolCall, ToolResult, run_each

MAX_LENGTH = 500
"""Characters of an expression."""
MAX_DEPTH = 40
"""Nested operations."""
MAX_DIGITS = 400
"""Digits of a numerator or denominator (longer ones become floats), and the largest power of ten of any value."""
SIGNIFICANT_DIGITS = 10
"""Significant digits of a result that is not a whole number."""
_PRECISION = 50
_NOISE_POWER = -45
"""Floats below this power of ten are what rounding leaves of zero, as in sin(pi)."""
_LOG10_2 = math.log10(2)

Value: TypeAlias = Number | bool

_REPLACED = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "⁄": "/", "^": "**", "∕": "/"})
_GLUED = re.compile(r"(?<![\w.])\.?\d[\d.]*(?!e[+-]?\d)[^\W\d_]", re.IGNORECASE)
"""A number with a letter right behind it, as in `5x`; not the exponent of `1e5`."""
_OPERAND_FOLLOWS = re.compile(r"\s*[\w.(]")


def _joined(value: Any) -> Any:
    """Several equations in a list are one text."""
    return "; ".join(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value


def _listed(value: Any) -> Any:
    """One text names unknowns separated by commas."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class CalculatorArguments(Arguments):
    """Arguments of `calculator`."""

    expression: Annotated[str, BeforeValidator(_joined)] = Field(
        validation_alias=AliasChoices("expression", "equation", "equations"),
        description="for example (45.2 - 12.1) / 2, mean(3, 4, 8), 12 > 7, 5% * 80, or equations: x + y = 5; x - y = 1",
    )
    # Left out of the schema, and named in the description's second sentence: the compact prompt, which the weights of
    # vista-tiny know word for word, shows neither.
    unknowns: SkipJsonSchema[Annotated[list[str], BeforeValidator(_listed)]] = Field(
        default_factory=list,
        validation_alias=AliasChoices("unknowns", "unknown", "variables", "variable"),
        max_length=10,
        description="what to solve equations for; by default all their names",
    )


@register_tool
class Calculator(Tool):
    """Numbers, + - * / // % **, comparisons, common functions, and equations with unknowns."""

    name = "calculator"
    family = "math"
    description = (
        "Computes an arithmetic expression or a comparison exactly. "
        "Solves equations for their names, or for those listed in the argument unknowns. "
        "Functions: abs, min, max, sum, mean, median, round, floor, ceil, sqrt, log, ln, exp, sin, cos, tan."
    )
    arguments = CalculatorArguments

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One number, `true`, `false`, or the solutions of equations per call."""
        return run_each(_run_one, calls)


def calculate(expression: str) -> str:
    """The value of `expression`: the shortest decimal of at most 10 significant digits, or `true` or `false`.

    `5%` is 0.05 unless an operand follows (`7 % 3` is 1), `^` is a power, `1,234` is a thousand outside a function's
    arguments, and halves round away from zero.

    Raises:
        ToolInputError: not an expression that is understood, no real value, or too large.
    """
    return _format(_evaluate(_parse(expression), 0))


def _run_one(call: ToolCall) -> ToolResult:
    arguments = CalculatorArguments.model_validate(dict(call.arguments))
    if is_equation(arguments.expression):
        solutions = solve_equations(arguments.expression, arguments.unknowns)
        return ToolResult(solutions_text(solutions), data={"solutions": solutions_data(solutions)})
    if arguments.unknowns:
        raise ToolInputError("unknowns are for equations: the expression has no equals sign between two sides")
    text = calculate(arguments.expression)
    return ToolResult(text=text, data={"value": text})


def _parse(expression: str) -> ast.expr:
    if len(expression) > MAX_LENGTH:
        raise ToolInputError(f"the expression is longer than {MAX_LENGTH} characters")
    text = unicodedata.normalize("NFKC", expression.translate(_REPLACED)).translate(_REPLACED)
    text = _plain_numbers(re.sub(r"[$€£¥]", "", text).strip().rstrip("=").strip())
    if not text:
        raise ToolInputError("the expression is empty")
    if _GLUED.search(text):  # Python would warn on the terminal before it refuses
        raise ToolInputError(f"cannot read the expression {text[:60]!r}")
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ToolInputError(f"cannot read the expression {text[:60]!r}") from error


def _plain_numbers(text: str) -> str:
    """Takes out thousands separators and percent signs."""
    out, calls = [], []  # calls: for each open bracket, whether its commas separate arguments
    position = 0
    while position < len(text):
        char = text[position]
        if char in "([":
            calls.append(char == "[" or bool(re.search(r"\w\s*$", text[:position])))
        elif char in ")]" and calls:
            calls.pop()
        grouped = None if any(calls) else re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?![\d])").match(text, position)
        if grouped:
            out.append(grouped[0].replace(",", ""))
            position = grouped.end()
            continue
        if char == "%":
            rest = text[position + 1 :]
            if share := re.match(r"\s+of\b", rest):
                out.append("/100*")
                position += share.end()
            else:
                out.append("%" if _OPERAND_FOLLOWS.match(rest) else "/100")
        else:
            out.append(char)
        position += 1
    return "".join(out)


def _evaluate(node: ast.expr, depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise ToolInputError(f"the expression is nested more than {MAX_DEPTH} deep")
    match node:
        case ast.Constant(value=bool()):
            raise ToolInputError("true and false are not numbers")
        case ast.Constant(value=int() | float() as number):
            if isinstance(number, float) and not math.isfinite(number):
                raise ToolInputError("a number is too large")
            return _bounded(sympy.Rational(repr(number)))
        case ast.Name(id=name) if name.lower() in _CONSTANTS:
            return _CONSTANTS[name.lower()].evalf(_PRECISION)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, depth)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _number(operand, depth)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATORS:
            return _bounded(_OPERATORS[type(op)](_number(left, depth), _number(right, depth)))
        case ast.Compare(left=left, ops=ops, comparators=rest) if all(type(op) in _COMPARISONS for op in ops):
            values = [_number(item, depth) for item in (left, *rest)]
            pairs = zip(ops, values[:-1], values[1:], strict=True)
            return all(_COMPARISONS[type(op)](_order(first, second), 0) for op, first, second in pairs)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _call(name, arguments, depth)
    raise ToolInputError(f"not understood: {ast.unparse(node)[:60]!r}")


def _number(node: ast.expr, depth: int) -> Number:
    value = _evaluate(node, depth + 1)
    if isinstance(value, bool):
        raise ToolInputError("a comparison is not a number")
    return value


def _call(name: str, nodes: Sequence[ast.expr], depth: int) -> Number:
    function = _FUNCTIONS.get(name.lower())
    if function is None:
        raise ToolInputError(f"unknown function {name!r}; known: {', '.join(_FUNCTIONS)}")
    run, fewest, most = function
    if len(nodes) == 1 and isinstance(nodes[0], ast.List | ast.Tuple):
        nodes = nodes[0].elts
    if not fewest <= len(nodes) <= most:
        expected = f"at least {fewest}" if most > 2 else " or ".join(map(str, sorted({fewest, most})))
        raise ToolInputError(f"{name} takes {expected} numbers, not {len(nodes)}")
    return _bounded(run(*(_number(node, depth) for node in nodes)))


def _bounded(value: Any) -> Number:
    """Makes `value` a real number of bounded size: exact when it is a rational with few digits, else a float."""
    if isinstance(value, sympy.Rational) and max(value.p.bit_length(), value.q.bit_length()) <= MAX_DIGITS / _LOG10_2:
        return value
    value = sympy.sympify(value).evalf(_PRECISION)
    if not (isinstance(value, Number) and value.is_finite):
        raise ToolInputError("the result is not a real number")
    power = _LOG10_2 * _binary_exponent(value) if value else 0.0
    if power > MAX_DIGITS:
        raise ToolInputError("a number is too large")
    return sympy.Integer(0) if power < _NOISE_POWER else value


def _binary_exponent(value: sympy.Float) -> int:
    _, mantissa, exponent, _ = value._mpf_
    return exponent + int(mantissa).bit_length()


def _divide(left: Number, right: Number) -> Number:
    if right == 0:
        raise ToolInputError("division by zero")
    return left / right


def _modulo(left: Number, right: Number) -> Number:
    return left - right * sympy.floor(_divide(left, right))


def _power(base: Number, exponent: Number) -> Number:
    if base == 0 and exponent < 0:
        raise ToolInputError("division by zero")
    if base not in (-1, 0, 1):
        if abs(exponent * sympy.log(abs(base), 10).evalf(_PRECISION)) > MAX_DIGITS:
            raise ToolInputError("a power is too large")
        if isinstance(base, sympy.Rational) and abs(exponent) * len(f"{base.p}{base.q}") > 2 * MAX_DIGITS:
            base = base.evalf(_PRECISION)
    return base**exponent


def _exp(value: Number) -> Number:
    if value > MAX_DIGITS * 3:
        raise ToolInputError("a number is too large")
    return sympy.exp(max(value, sympy.Integer(-MAX_DIGITS)))


def _log(value: Number, base: Number | None = None) -> Number:
    if value <= 0 or (base is not None and (base <= 0 or base == 1)):
        raise ToolInputError("a logarithm needs a positive number")
    return sympy.log(value) if base is None else sympy.log(value) / sympy.log(base)


def _round(value: Number, digits: Number = sympy.S.Zero) -> Number:
    if not (digits.is_Integer and abs(digits) <= 30):
        raise ToolInputError("round takes a whole number of digits")
    shift = sympy.Integer(10) ** digits
    return sympy.sign(value) * sympy.floor(abs(value) * shift + sympy.Rational(1, 2)) / shift


def _order(left: Number, right: Number) -> int:
    """-1, 0 or 1; floats within rounding of each other are equal."""
    difference = left - right
    if abs(difference) <= sympy.Rational(1, 10**30) * max(abs(left), abs(right)):
        return 0
    return 1 if difference > 0 else -1


_CONSTANTS = {"pi": sympy.pi, "e": sympy.E}
_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: lambda left, right: sympy.floor(_divide(left, right)),
    ast.Mod: _modulo,
    ast.Pow: _power,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_MANY = 10**9
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {  # function, fewest and most arguments
    "abs": (abs, 1, 1),
    "min": (min, 1, _MANY),
    "max": (max, 1, _MANY),
    "sum": (lambda *values: sum(values, sympy.Integer(0)), 1, _MANY),
    "mean": (lambda *values: sum(values, sympy.Integer(0)) / len(values), 1, _MANY),
    "average": (lambda *values: sum(values, sympy.Integer(0)) / len(values), 1, _MANY),
    "median": (lambda *values: statistics.median(values), 1, _MANY),
    "round": (_round, 1, 2),
    "floor": (sympy.floor, 1, 1),
    "ceil": (sympy.ceiling, 1, 1),
    "sqrt": (sympy.sqrt, 1, 1),
    "log": (_log, 1, 2),
    "ln": (_log, 1, 1),
    "log10": (lambda value: _log(value, sympy.Integer(10)), 1, 1),
    "log2": (lambda value: _log(value, sympy.Integer(2)), 1, 1),
    "exp": (_exp, 1, 1),
    "sin": (sympy.sin, 1, 1),
    "cos": (sympy.cos, 1, 1),
    "tan": (sympy.tan, 1, 1),
    "asin": (sympy.asin, 1, 1),
    "acos": (sympy.acos, 1, 1),
    "atan": (sympy.atan, 1, 1),
    "degrees": (sympy.deg, 1, 1),
    "radians": (sympy.rad, 1, 1),
}


def _format(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, sympy.Rational):
        quotient = Context(prec=MAX_DIGITS + 10).divide(Decimal(int(value.p)), Decimal(int(value.q)))
    else:
        quotient = Decimal(str(value))
    whole_digits = max(0, quotient.adjusted() + 1)
    decimal = quotient.normalize(Context(prec=max(SIGNIFICANT_DIGITS, whole_digits)))
    if decimal == 0:
        return "0"
    return f"{decimal:f}" if -7 < decimal.adjusted() < 20 else f"{decimal.normalize(Context(prec=10)):e}"
