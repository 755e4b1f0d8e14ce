"""Polygons: by their corners, or by their measures."""

from __future__ import annotations

import sympy
from sympy import Expr
from sympy.geometry import Point2D, Polygon

from tools.diagram.algebra import degrees
from tools.errors import ToolInputError
from tools.geometry.function import Points, Result, between, distinct, geometry_function, positive


@geometry_function
def polygon_area(vertices: Points) -> Result:
    """Area and perimeter of a simple polygon, its corners in order."""
    if len(vertices) < 3:
        raise ToolInputError("a polygon has at least three corners")
    distinct(*vertices)
    _check_simple(vertices)
    shape = Polygon(*vertices)
    if not isinstance(shape, Polygon):
        raise ToolInputError("the corners lie on one line: they make no polygon")
    return {"area": abs(shape.area), "perimeter": shape.perimeter, "convex": shape.is_convex()}


@geometry_function
def regular_polygon_area(sides: Expr, side: Expr) -> Result:
    """Area and perimeter of a regular polygon from the number and length of its sides."""
    count = _sides(sides)
    area = count * positive(side, "side") ** 2 / (4 * sympy.tan(sympy.pi / count))
    return {"area": sympy.radsimp(area), "perimeter": count * side}


@geometry_function
def polygon_angles(sides: Expr) -> Result:
    """Sum of the interior angles, and each interior and exterior angle if the polygon is regular."""
    count = _sides(sides)
    return {"sum": (count - 2) * 180, "interior": (count - 2) * sympy.Integer(180) / count, "exterior": 360 / count}


@geometry_function
def rectangle(a: Expr, b: Expr) -> Result:
    """From its sides."""
    positive(a, "a"), positive(b, "b")
    return {"area": a * b, "perimeter": 2 * (a + b), "diagonal": sympy.sqrt(a**2 + b**2)}


@geometry_function
def parallelogram_area(a: Expr, b: Expr | None = None, angle: Expr | None = None, height: Expr | None = None) -> Result:
    """From the base a and its height, or from two sides and an angle."""
    positive(a, "a")
    if height is not None:
        return {"area": a * positive(height, "height")}
    if b is None or angle is None:
        raise ToolInputError("give the height, or b and the angle")
    return {"area": a * positive(b, "b") * sympy.sin(degrees(between(angle, 0, 180, "angle")))}


@geometry_function
def trapezoid_area(a: Expr, b: Expr, height: Expr) -> Result:
    """From the two parallel sides and the height."""
    return {"area": (positive(a, "a") + positive(b, "b")) * positive(height, "height") / 2}


@geometry_function
def rhombus_area(d1: Expr, d2: Expr) -> Result:
    """From the diagonals (of a kite as well), with the side of a rhombus."""
    area = positive(d1, "d1") * positive(d2, "d2") / 2
    return {"area": area, "rhombus_side": sympy.sqrt(d1**2 + d2**2) / 2}


def _sides(count: Expr) -> Expr:
    if not (count.is_Integer and 3 <= count <= 1000):
        raise ToolInputError("sides must be a whole number from 3 to 1000")
    return count


def _check_simple(vertices: Points) -> None:
    """Raises `ToolInputError` when two sides cross."""

    def turn(a: Point2D, b: Point2D, c: Point2D) -> int:
        return int(sympy.sign((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)))

    sides = list(zip(vertices, vertices[1:] + vertices[:1], strict=True))
    for index, (a, b) in enumerate(sides):
        for c, d in sides[index + 1 :]:
            if turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0:
                raise ToolInputError("the sides of the polygon cross: list its corners in order")
