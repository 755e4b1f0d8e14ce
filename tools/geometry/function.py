"""Functions of the geometry calculator by name, and how the arguments that a policy wrote become points and numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import sympy
from sympy import Expr
from sympy.geometry import Point2D

from tools.diagram.algebra import expression
from tools.diagram.form import Call, Name, parse
from tools.errors import ToolInputError

MAX_POINTS = 40
MAX_VALUE = 10**12

Points: TypeAlias = list[Point2D]
Result: TypeAlias = dict[str, Any]
"""By name: an `Expr`, a bool, a text, a `Point2D`, or a list of those."""

F = TypeVar("F", bound=Callable[..., Result])
_functions: dict[str, Callable[..., Result]] = {}


def geometry_function(function: F) -> F:
    """Registers a function under its name. Its parameters are annotated `Point2D`, `Points`, `Expr` or `str`."""
    _functions[function.__name__] = function
    return function


def known() -> list[str]:
    """All names, in alphabetical order."""
    return sorted(_functions)


def signature(name: str) -> str:
    """How a function is called: `pythagorean(a?, b?, c?)`."""
    parameters = inspect.signature(_functions[name]).parameters.values()
    return f"{name}({', '.join(p.name + '?' * (p.default is not p.empty) for p in parameters)})"


def call(name: str, arguments: Mapping[str, Any] | Sequence[Any]) -> Result:
    """The result of a function.

    Args:
        name: its name.
        arguments: by name, or in order.

    Raises:
        ToolInputError: no such function, wrong arguments, or a shape that does not exist.
    """
    function = _functions.get(name.strip().lower())
    if function is None:
        raise ToolInputError(f"unknown function {name[:40]!r}; known: {', '.join(known())}")
    parameters = inspect.signature(function).parameters
    if not isinstance(arguments, Mapping):
        if len(arguments) > len(parameters):
            raise ToolInputError(f"too many arguments: {signature(function.__name__)}")
        arguments = dict(zip(parameters, arguments, strict=False))
    given = {key: value for key, value in arguments.items() if value is not None}
    spelled = {key.lower(): key for key in parameters}
    given = {key if key in parameters else spelled.get(key.lower(), key): value for key, value in given.items()}
    unknown = [key for key in given if key not in parameters]
    missing = [
        key for key, parameter in parameters.items() if parameter.default is parameter.empty and key not in given
    ]
    if unknown or missing:
        what = f"no argument {unknown[0][:40]!r}" if unknown else f"{missing[0]} is missing"
        raise ToolInputError(f"{what}: {signature(function.__name__)}")
    return function(**{key: _read(key, value, str(parameters[key].annotation)) for key, value in given.items()})


def number(value: Any, name: str = "value") -> Expr:
    """A real number from JSON: a number, or a text such as `3/4` or `sqrt(2)`. Raises `ToolInputError`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ToolInputError(f"{name}: expected a number, not {str(value)[:40]!r}")
    if isinstance(value, float) and not abs(value) <= MAX_VALUE:
        raise ToolInputError(f"{name}: expected a finite number up to {MAX_VALUE:.0e}")
    if isinstance(value, str):
        exact = expression(parse(value), _no_unknown)
    else:
        exact = sympy.Rational(repr(value)) if abs(value) <= MAX_VALUE else sympy.oo
    if not exact.is_finite or abs(exact.evalf(20)) > MAX_VALUE:
        raise ToolInputError(f"{name}: expected a finite number up to {MAX_VALUE:.0e}")
    return exact


def positive(value: Expr, name: str) -> Expr:
    """`value` when it is above zero, else `ToolInputError`."""
    if not value > 0:
        raise ToolInputError(f"{name} must be above 0")
    return value


def between(value: Expr, low: int, high: int, name: str) -> Expr:
    """`value` when it lies strictly between two bounds, else `ToolInputError`."""
    if not low < value < high:
        raise ToolInputError(f"{name} must lie between {low} and {high}")
    return value


def point(value: Any, name: str = "point") -> Point2D:
    """A point from `[x, y]`. Raises `ToolInputError`."""
    if isinstance(value, Mapping) and {"x", "y"} <= set(value):
        value = [value["x"], value["y"]]
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ToolInputError(f"{name}: expected a point [x, y], not {str(value)[:40]!r}")
    return Point2D(*(number(item, name) for item in value))


def distinct(*points: Point2D) -> None:
    """Raises `ToolInputError` when two of the points are the same."""
    if len(set(points)) < len(points):
        raise ToolInputError("two of the points are the same")


def _read(name: str, value: Any, kind: str) -> Any:
    if "Points" in kind:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_POINTS:
            raise ToolInputError(f"{name}: expected a list of 1 to {MAX_POINTS} points [x, y]")
        return [point(item, name) for item in value]
    if "Point2D" in kind:
        return point(value, name)
    if "Expr" in kind:
        return number(value, name)
    if not isinstance(value, str):
        raise ToolInputError(f"{name}: expected a text, not {str(value)[:40]!r}")
    return value


def _no_unknown(node: Name | Call) -> Expr:
    raise ToolInputError(f"expected a number without unknowns, not one with {getattr(node, 'text', node)!r}")
