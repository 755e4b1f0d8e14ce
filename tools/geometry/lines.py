"""Points and lines in the plane."""

from __future__ import annotations

import sympy
from sympy.geometry import Line2D, Point2D

from tools.errors import ToolInputError
from tools.geometry.function import Result, distinct, geometry_function


def line(p1: Point2D, p2: Point2D) -> Line2D:
    """The line through two points. Raises `ToolInputError` when they are the same."""
    distinct(p1, p2)
    return Line2D(p1, p2)


@geometry_function
def distance(p1: Point2D, p2: Point2D) -> Result:
    """From point to point."""
    return {"distance": p1.distance(p2)}


@geometry_function
def midpoint(p1: Point2D, p2: Point2D) -> Result:
    """Half-way between two points."""
    return {"midpoint": p1.midpoint(p2)}


@geometry_function
def slope(p1: Point2D, p2: Point2D) -> Result:
    """Rise over run."""
    gradient = line(p1, p2).slope
    return {"slope": "vertical" if gradient.is_infinite else gradient}


@geometry_function
def line_equation(p1: Point2D, p2: Point2D) -> Result:
    """The line through two points, as an equation in x and y."""
    x = sympy.Symbol("x")
    through = line(p1, p2)
    if through.slope.is_infinite:
        return {"equation": f"x = {p1.x}"}
    return {"equation": f"y = {sympy.expand(through.slope * (x - p1.x) + p1.y)}"}


@geometry_function
def angle_between_lines(p1: Point2D, p2: Point2D, p3: Point2D, p4: Point2D) -> Result:
    """Between the directions p1 to p2 and p3 to p4, and the sharp angle of the two lines."""
    first, second = line(p1, p2), line(p3, p4)
    angle = first.angle_between(second) * 180 / sympy.pi
    return {
        "angle": angle,
        "sharp_angle": angle if angle <= 90 else 180 - angle,
        "parallel": first.is_parallel(second),
        "perpendicular": first.is_perpendicular(second),
    }


@geometry_function
def distance_point_to_line(point: Point2D, line_p1: Point2D, line_p2: Point2D) -> Result:
    """The perpendicular distance, and where it meets the line."""
    target = line(line_p1, line_p2)
    return {"distance": target.distance(point), "foot": target.projection(point)}


@geometry_function
def line_intersection(p1: Point2D, p2: Point2D, p3: Point2D, p4: Point2D) -> Result:
    """Where the lines p1 p2 and p3 p4 meet."""
    first, second = line(p1, p2), line(p3, p4)
    found = first.intersection(second)
    if not found or not isinstance(found[0], Point2D):
        raise ToolInputError("the two lines are the same" if found else "the two lines are parallel")
    return {"intersection": found[0]}


@geometry_function
def reflect_point(point: Point2D, line_p1: Point2D, line_p2: Point2D) -> Result:
    """Mirrored at a line."""
    return {"point": point.reflect(line(line_p1, line_p2))}


@geometry_function
def rotate_point(point: Point2D, angle: sympy.Expr, center: Point2D | None = None) -> Result:
    """Turned counter-clockwise by degrees around a centre (by default the origin)."""
    return {"point": point.rotate(angle * sympy.pi / 180, center or Point2D(0, 0))}
