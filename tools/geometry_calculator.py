"""`geometry_calculator`: exact computations on points, lines, triangles, circles and polygons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field
from sympy import Expr
from sympy.geometry import Point2D

from tools.diagram.algebra import decimal, shown
from tools.geometry import circles, lines, polygons, triangles  # noqa: F401  (they register their functions)
from tools.geometry.function import call, known
from tools.registry import register_tool
from tools.tool import Arguments, Tool, ToolCall, ToolResult, run_each


def _parsed(value: Any) -> Any:
    """Some policies write the arguments as a text of JSON."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


class GeometryCalculatorArguments(Arguments):
    """Arguments of `geometry_calculator`."""

    function: str = Field(
        validation_alias=AliasChoices("function", "operation", "task"), description=f"one of {', '.join(known())}"
    )
    args: Annotated[dict[str, Any] | list[Any], BeforeValidator(_parsed)] = Field(
        default_factory=dict,
        validation_alias=AliasChoices("args", "arguments", "parameters", "params"),
        description='the function\'s arguments by name; points are [x, y], angles degrees: {"A": [0, 0], "B": [3, 0], '
        '"C": [0, 4], "vertex": "A"}',
    )


@register_tool
class GeometryCalculator(Tool):
    """sympy.geometry behind a table of functions."""

    name = "geometry_calculator"
    description = "Computes lengths, angles, areas and centres of figures from coordinates or measures."
    arguments = GeometryCalculatorArguments
    aliases = ("sympy_geometry", "SympyGeometry", "SympyGeometryTool")
    family = "math"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One result per call: lines `name = value`, exact with decimals."""
        return run_each(_compute, calls)


def _compute(call_: ToolCall) -> ToolResult:
    arguments = GeometryCalculatorArguments.model_validate(dict(call_.arguments))
    found = call(arguments.function, arguments.args)
    text = "\n".join(f"{name} = {_text(value)}" for name, value in found.items() if value is not None)
    return ToolResult(text, data={name: _data(value) for name, value in found.items()})


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " or ".join(map(_text, value))
    if isinstance(value, Point2D):
        return f"({shown(value.x)}, {shown(value.y)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return shown(value) if isinstance(value, Expr) else str(value)


def _data(value: Any) -> Any:
    if isinstance(value, list):
        return [_data(item) for item in value]
    if isinstance(value, Point2D):
        return [float(decimal(value.x)), float(decimal(value.y))]
    return float(decimal(value)) if isinstance(value, Expr) else value
