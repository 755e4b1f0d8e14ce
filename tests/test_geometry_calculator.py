"""Worked examples of every function, upstream's spellings, and shapes that do not exist."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.errors import ErrorCode, ModelError
from tools.geometry.function import known
from tools.geometry_calculator import GeometryCalculator
from tools.registry import get_tool
from tools.tool import ToolCall, ToolResult

RIGHT = {"A": [0, 0], "B": [3, 0], "C": [0, 4]}


def compute(function: str, args: Any) -> ToolResult:
    (result,) = GeometryCalculator().run([ToolCall("geometry_calculator", {"function": function, "args": args})])
    return result


EXAMPLES: list[tuple[str, Any, dict[str, Any]]] = [
    ("triangle_angle", {**RIGHT, "vertex": "A"}, {"angle": 90}),
    ("triangle_all_angles", RIGHT, {"angle_A": 90, "angle_B": 53.13010235, "angle_C": 36.86989765}),
    ("triangle_area", RIGHT, {"area": 6, "perimeter": 12}),
    ("triangle_type", RIGHT, {"sides": "scalene", "angles": "right"}),
    ("triangle_type", [[0, 0], [2, 0], [1, 5]], {"sides": "isosceles", "angles": "acute"}),
    ("triangle_type", [[0, 0], [2, 0], [1, "sqrt(3)"]], {"sides": "equilateral"}),
    ("circle_from_points", [[0, 0], [3, 0], [0, 4]], {"center": [1.5, 2], "radius": 2.5}),
    ("inscribed_angle", {"center": [0, 0], "radius": 6, "angle_degrees": 30}, {"central_angle": 60}),
    ("inscribed_angle", {"angle_degrees": 30, "radius": 6}, {"arc_length": 2 * math.pi, "sector_area": 6 * math.pi}),
    ("polygon_area", {"vertices": [[0, 0], [4, 0], [4, 3], [0, 3]]}, {"area": 12, "perimeter": 14, "convex": True}),
    ("polygon_area", [[[0, 0], [4, 0], [1, 1], [0, 4]]], {"area": 4, "convex": False}),
    ("angle_between_lines", [[0, 0], [1, 0], [0, 0], [-1, 1]], {"angle": 135, "sharp_angle": 45, "parallel": False}),
    ("distance_point_to_line", {"point": [2, 3], "line_p1": [0, 0], "line_p2": [1, 1]}, {"foot": [2.5, 2.5]}),
    ("triangle_angle_from_two", {"angle1": 60, "angle2": 80}, {"angle3": 40}),
    ("pythagorean", {"a": 3, "b": 4}, {"c": 5}),
    ("pythagorean", {"a": 5, "c": 13}, {"b": 12}),
    ("pythagorean", {"b": 5, "c": 13, "a": None}, {"a": 12}),
    ("law_of_cosines", [5, 8, 60], {"c": 7}),
    ("law_of_cosines", {"a": 5, "b": 8, "c": 7}, {"C": 60}),
    ("law_of_sines", {"a": 10, "A": 30, "B": 90}, {"b": 20}),
    ("law_of_sines", {"a": 5, "A": 30, "b": 8}, {"B": [53.13010235, 126.8698976]}),
    ("heron", [3, 4, 5], {"area": 6, "perimeter": 12}),
    ("triangle_area_sas", [4, 5, 30], {"area": 5}),
    ("centroid", RIGHT, {"centroid": [1, 1.333333333]}),
    ("orthocenter", RIGHT, {"orthocenter": [0, 0]}),
    ("incircle", RIGHT, {"center": [1, 1], "radius": 1}),
    ("circumcircle", RIGHT, {"center": [1.5, 2], "radius": 2.5}),
    ("distance", [[0, 0], [3, 4]], {"distance": 5}),
    ("midpoint", [[0, 0], [3, 4]], {"midpoint": [1.5, 2]}),
    ("slope", [[0, 0], [2, 3]], {"slope": 1.5}),
    ("slope", [[0, 0], [0, 3]], {"slope": "vertical"}),
    ("line_equation", [[0, 1], [2, 2]], {"equation": "y = x/2 + 1"}),
    ("line_intersection", [[0, 0], [1, 1], [0, 2], [1, 1]], {"intersection": [1, 1]}),
    ("reflect_point", [[1, 0], [0, 0], [1, 1]], {"point": [0, 1]}),
    ("rotate_point", [[1, 0], 90], {"point": [0, 1]}),
    ("circle", [1], {"area": math.pi, "circumference": 2 * math.pi}),
    ("circle_area", [2], {"area": 4 * math.pi}),
    ("circumference", [2], {"circumference": 4 * math.pi}),
    ("arc_length", [6, 60], {"arc_length": 2 * math.pi}),
    ("sector_area", [6, 60], {"area": 6 * math.pi}),
    ("segment_area", [2, 90], {"area": math.pi - 2}),
    ("chord_length", [5, 60], {"chord": 5}),
    ("circle_line_intersection", [[0, 0], 5, [0, 3], [1, 3]], {"points": [[-4, 3], [4, 3]], "tangent": False}),
    ("tangent_length", [[13, 0], [0, 0], 5], {"tangent_length": 12}),
    ("regular_polygon_area", [6, 2], {"area": 6 * math.sqrt(3), "perimeter": 12}),
    ("polygon_angles", [8], {"sum": 1080, "interior": 135, "exterior": 45}),
    ("rectangle", [3, 4], {"area": 12, "perimeter": 14, "diagonal": 5}),
    ("parallelogram_area", {"a": 6, "b": 4, "angle": 30}, {"area": 12}),
    ("parallelogram_area", {"a": 6, "height": 4}, {"area": 24}),
    ("trapezoid_area", [6, 10, 4], {"area": 32}),
    ("rhombus_area", [6, 8], {"area": 24, "rhombus_side": 5}),
]


@pytest.mark.parametrize(("function", "args", "expected"), EXAMPLES)
def test_worked_examples(function: str, args: Any, expected: dict[str, Any]) -> None:
    result = compute(function, args)
    assert result.error is None
    for name, value in expected.items():
        found = result.data[name]
        assert found == (value if isinstance(value, str | bool) or _nested(value) else pytest.approx(value, rel=1e-8))


def _nested(value: Any) -> bool:
    return isinstance(value, list) and isinstance(value[0], list)


def test_every_function_has_an_example() -> None:
    assert {function for function, *_ in EXAMPLES} == set(known())


def test_results_are_exact_with_decimals() -> None:
    assert compute("circle_area", [2]).text == "area = 4*pi (12.56637061)"
    assert compute("distance", [[0, 0], [0.1, 0.2]]).text == "distance = sqrt(5)/10 (0.2236067977)"


def test_upstream_spellings_mean_the_same() -> None:
    assert get_tool("SympyGeometry") is get_tool("sympy_geometry") is GeometryCalculator
    calls = [{"function": "heron", "args": {"a": 3, "b": 4, "c": 5}}, {"task": "Heron", "parameters": "[3, 4, 5]"}]
    first, second = GeometryCalculator().run([ToolCall("geometry_calculator", call) for call in calls])
    assert first.text == second.text == "area = 6\nperimeter = 12"


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        ("triangle_area", [[0, 0], [1, 1], [2, 2]], "on one line"),
        ("triangle_area", [[0, 0], [0, 0], [2, 2]], "the same"),
        ("triangle_area", [[0, float("nan")], [1, 1], [2, 0]], "finite"),
        ("triangle_area", [[0, float("inf")], [1, 1], [2, 0]], "finite"),
        ("triangle_area", [[0, 1e300], [1, 1], [2, 0]], "finite"),
        ("triangle_area", [[0, 10**400], [1, 1], [2, 0]], "finite"),
        ("triangle_area", [[0], [1, 1], [2, 0]], "point"),
        ("triangle_area", [[0, True], [1, 1], [2, 0]], "expected a number"),
        ("triangle_area", {"A": [0, 0], "B": [1, 1]}, "C is missing"),
        ("triangle_area", {**RIGHT, "D": [1, 1]}, "no argument 'D'"),
        ("triangle_area", [[0, 0], [3, 0], [0, 4], [1, 1]], "too many"),
        ("triangle_angle", {**RIGHT, "vertex": "Z"}, "A, B or C"),
        ("triangle_angle_from_two", [100, 90], "less than 180"),
        ("pythagorean", {"a": 3}, "exactly two"),
        ("pythagorean", {"a": 3, "b": 4, "c": 5}, "exactly two"),
        ("pythagorean", {"a": 5, "c": 4}, "longer"),
        ("pythagorean", {"a": -3, "b": 4}, "above 0"),
        ("heron", [1, 2, 3], "shorter"),
        ("heron", ["9**9**9**9", 2, 3], "exponent"),
        ("heron", ["x", 2, 3], "without unknowns"),
        ("heron", ["(" * 3000, 2, 3], "operations|deep"),
        ("law_of_sines", {"a": 1, "A": 30, "b": 8}, "no triangle"),
        ("law_of_cosines", {"a": 1, "b": 2}, "either"),
        ("distance_point_to_line", [[0, 0], [1, 1], [1, 1]], "the same"),
        ("line_intersection", [[0, 0], [1, 1], [0, 1], [1, 2]], "parallel"),
        ("line_intersection", [[0, 0], [1, 1], [2, 2], [3, 3]], "the same"),
        ("circle_area", [0], "above 0"),
        ("sector_area", [1, 400], "360"),
        ("circle_line_intersection", [[0, 0], 1, [0, 3], [1, 3]], "does not meet"),
        ("tangent_length", [[0, 0], [0, 0], 1], "inside"),
        ("polygon_area", [[[0, 0], [4, 3], [4, 0], [0, 3]]], "cross"),
        ("polygon_area", [[[0, 0], [1, 1]]], "three"),
        ("polygon_area", [[[0, 0], [1, 1], [2, 2]]], "one line"),
        ("polygon_area", [[[i, i * i] for i in range(100)]], "1 to 40"),
        ("regular_polygon_area", [2, 1], "whole number"),
        ("regular_polygon_area", [4.5, 1], "whole number"),
        ("volume", [1], "unknown function"),
    ],
)
def test_what_does_not_exist_is_the_policys_error(function: str, args: Any, message: str) -> None:
    error = compute(function, args).error
    assert isinstance(error, ModelError)
    assert error.code == ErrorCode.ARGUMENT_CONTENT
    assert message in error.message or any(part in error.message for part in message.split("|"))


coordinates = st.integers(-20, 20)
points = st.tuples(coordinates, coordinates).map(list)


@given(points, points, points)
def test_angles_sum_to_180_or_there_is_no_triangle(a: list[int], b: list[int], c: list[int]) -> None:
    result = compute("triangle_all_angles", [a, b, c])
    if result.error is None:
        assert sum(result.data.values()) == pytest.approx(180)
    else:
        assert (b[0] - a[0]) * (c[1] - a[1]) == (c[0] - a[0]) * (b[1] - a[1])
