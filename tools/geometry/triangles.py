"""Triangles: by their corners, or by their sides and angles (all angles in degrees)."""

from __future__ import annotations

import sympy
from sympy import Expr
from sympy.geometry import Point2D, Triangle

from tools.diagram.algebra import degrees
from tools.errors import ToolInputError
from tools.geometry.function import Result, between, distinct, geometry_function, positive


def triangle(A: Point2D, B: Point2D, C: Point2D) -> Triangle:
    """The triangle. Raises `ToolInputError` when its corners lie on one line."""
    distinct(A, B, C)
    if Point2D.is_collinear(A, B, C):
        raise ToolInputError("the three points lie on one line: they make no triangle")
    return Triangle(A, B, C)


def _degrees(vertex: Point2D, one: Point2D, other: Point2D) -> Expr:
    first, second = one - vertex, other - vertex
    cosine = first.dot(second) / (first.distance(Point2D(0, 0)) * second.distance(Point2D(0, 0)))
    return sympy.acos(sympy.radsimp(cosine)) * 180 / sympy.pi


@geometry_function
def triangle_angle(A: Point2D, B: Point2D, C: Point2D, vertex: str = "A") -> Result:
    """The angle at one corner."""
    triangle(A, B, C)
    corners = {"A": (A, B, C), "B": (B, C, A), "C": (C, A, B)}
    if vertex.upper() not in corners:
        raise ToolInputError("vertex must be A, B or C")
    return {"angle": _degrees(*corners[vertex.upper()])}


@geometry_function
def triangle_all_angles(A: Point2D, B: Point2D, C: Point2D) -> Result:
    """The angles at all three corners."""
    triangle(A, B, C)
    return {"angle_A": _degrees(A, B, C), "angle_B": _degrees(B, C, A), "angle_C": _degrees(C, A, B)}


@geometry_function
def triangle_area(A: Point2D, B: Point2D, C: Point2D) -> Result:
    """Area and perimeter."""
    shape = triangle(A, B, C)
    return {"area": abs(shape.area), "perimeter": shape.perimeter}


@geometry_function
def triangle_type(A: Point2D, B: Point2D, C: Point2D) -> Result:
    """Kind by sides and by angles."""
    triangle(A, B, C)
    squares = sorted((A.distance(B) ** 2, B.distance(C) ** 2, C.distance(A) ** 2))
    equal = len(set(squares))
    excess = squares[0] + squares[1] - squares[2]
    return {
        "sides": "equilateral" if equal == 1 else "isosceles" if equal == 2 else "scalene",
        "angles": "right" if excess == 0 else "acute" if excess > 0 else "obtuse",
    }


@geometry_function
def triangle_angle_from_two(angle1: Expr, angle2: Expr) -> Result:
    """The third angle."""
    third = 180 - positive(angle1, "angle1") - positive(angle2, "angle2")
    if not third > 0:
        raise ToolInputError("the two angles of a triangle must sum to less than 180")
    return {"angle3": third}


@geometry_function
def pythagorean(a: Expr | None = None, b: Expr | None = None, c: Expr | None = None) -> Result:
    """The missing side of a right triangle; c is the hypotenuse."""
    given = {name: positive(value, name) for name, value in (("a", a), ("b", b), ("c", c)) if value is not None}
    if len(given) != 2:
        raise ToolInputError("give exactly two of a, b and c (the hypotenuse)")
    if "c" not in given:
        return {"c": sympy.sqrt(given["a"] ** 2 + given["b"] ** 2)}
    leg, value = next((name, value) for name, value in given.items() if name != "c")
    if not given["c"] > value:
        raise ToolInputError("the hypotenuse c must be longer than a leg")
    return {"b" if leg == "a" else "a": sympy.sqrt(given["c"] ** 2 - value**2)}


@geometry_function
def law_of_cosines(a: Expr, b: Expr, C: Expr | None = None, c: Expr | None = None) -> Result:
    """The side c opposite the angle C, or that angle."""
    positive(a, "a")
    positive(b, "b")
    if C is not None and c is None:
        between(C, 0, 180, "C")
        return {"c": sympy.sqrt(a**2 + b**2 - 2 * a * b * sympy.cos(degrees(C)))}
    if c is None or C is not None:
        raise ToolInputError("give either the angle C or the side c")
    _check_sides(a, b, c)
    return {"C": sympy.acos((a**2 + b**2 - c**2) / (2 * a * b)) * 180 / sympy.pi}


@geometry_function
def law_of_sines(a: Expr, A: Expr, B: Expr | None = None, b: Expr | None = None) -> Result:
    """The side b opposite the angle B, or that angle; a is opposite A. Two angles may fit."""
    positive(a, "a")
    between(A, 0, 180, "A")
    if (B is None) == (b is None):
        raise ToolInputError("give either the angle B or the side b")
    if B is not None:
        if not positive(B, "B") + A < 180:
            raise ToolInputError("the two angles of a triangle must sum to less than 180")
        return {"b": a * sympy.sin(degrees(B)) / sympy.sin(degrees(A))}
    sine = positive(b, "b") * sympy.sin(degrees(A)) / a
    if not sine <= 1:
        raise ToolInputError("no triangle has these sides and this angle")
    sharp = sympy.asin(sine) * 180 / sympy.pi
    angles = [angle for angle in dict.fromkeys((sharp, 180 - sharp)) if angle + A < 180]
    if not angles:
        raise ToolInputError("no triangle has these sides and this angle")
    return {"B": angles[0] if len(angles) == 1 else angles}


@geometry_function
def heron(a: Expr, b: Expr, c: Expr) -> Result:
    """Area from three sides."""
    _check_sides(a, b, c)
    half = (a + b + c) / 2
    return {"area": sympy.sqrt(half * (half - a) * (half - b) * (half - c)), "perimeter": a + b + c}


@geometry_function
def triangle_area_sas(a: Expr, b: Expr, C: Expr) -> Result:
    """Area from two sides and the angle between them."""
    return {"area": positive(a, "a") * positive(b, "b") * sympy.sin(degrees(between(C, 0, 180, "C"))) / 2}


@geometry_function
def centroid(A: Point2D, B: Point2D, C: Point2D) -> Result:
    """Where the medians meet."""
    return {"centroid": triangle(A, B, C).centroid}


@geometry_function
def orthocenter(A: Point2D, B: Point2D, C: Point2D) -> Result:
    """Where the altitudes meet."""
    return {"orthocenter": triangle(A, B, C).orthocenter}


@geometry_function
def incircle(A: Point2D, B: Point2D, C: Point2D) -> Result:
    """The circle that touches all three sides."""
    a, b, c = B.distance(C), C.distance(A), A.distance(B)
    area = abs(triangle(A, B, C).area)
    perimeter = a + b + c
    x, y = ((a * A[i] + b * B[i] + c * C[i]) / perimeter for i in (0, 1))
    return {"center": Point2D(sympy.radsimp(x), sympy.radsimp(y)), "radius": sympy.radsimp(2 * area / perimeter)}


@geometry_function
def circumcircle(A: Point2D, B: Point2D, C: Point2D) -> Result:
    """The circle through all three corners."""
    shape = triangle(A, B, C)
    return {"center": shape.circumcenter, "radius": shape.circumradius}


def _check_sides(a: Expr, b: Expr, c: Expr) -> None:
    positive(a, "a")
    positive(b, "b")
    positive(c, "c")
    if not (a + b > c and b + c > a and c + a > b):
        raise ToolInputError("each side of a triangle must be shorter than the other two together")
