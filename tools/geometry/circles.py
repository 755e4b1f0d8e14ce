"""Circles and their parts; angles in degrees."""

from __future__ import annotations

import sympy
from sympy import Expr
from sympy.geometry import Circle, Point2D

from tools.errors import ToolInputError
from tools.geometry.function import Result, between, geometry_function, positive
from tools.geometry.lines import line
from tools.geometry.triangles import circumcircle


@geometry_function
def circle_from_points(p1: Point2D, p2: Point2D, p3: Point2D) -> Result:
    """The circle through three points."""
    found = circumcircle(p1, p2, p3)
    return {**found, **circle(found["radius"])}


@geometry_function
def circle(radius: Expr) -> Result:
    """Area and circumference from the radius."""
    positive(radius, "radius")
    return {"area": sympy.pi * radius**2, "circumference": 2 * sympy.pi * radius}


@geometry_function
def circle_area(radius: Expr) -> Result:
    """Area from the radius."""
    return {"area": sympy.pi * positive(radius, "radius") ** 2}


@geometry_function
def circumference(radius: Expr) -> Result:
    """Length of the whole circle."""
    return {"circumference": 2 * sympy.pi * positive(radius, "radius")}


@geometry_function
def arc_length(radius: Expr, angle: Expr) -> Result:
    """Length of an arc over a central angle."""
    return {"arc_length": sympy.pi * positive(radius, "radius") * _turn(angle) / 180}


@geometry_function
def sector_area(radius: Expr, angle: Expr) -> Result:
    """Area of a sector with a central angle."""
    return {"area": sympy.pi * positive(radius, "radius") ** 2 * _turn(angle) / 360}


@geometry_function
def segment_area(radius: Expr, angle: Expr) -> Result:
    """Area between a chord and its arc over a central angle."""
    turn = _turn(angle) * sympy.pi / 180
    return {"area": positive(radius, "radius") ** 2 * (turn - sympy.sin(turn)) / 2}


@geometry_function
def chord_length(radius: Expr, angle: Expr) -> Result:
    """Length of the chord under a central angle."""
    return {"chord": 2 * positive(radius, "radius") * sympy.sin(_turn(angle) * sympy.pi / 360)}


@geometry_function
def inscribed_angle(angle_degrees: Expr, radius: Expr | None = None, center: Point2D | None = None) -> Result:
    """The central angle over the arc of an inscribed angle, with the arc's length and sector when a radius is given."""
    central = 2 * between(angle_degrees, 0, 180, "angle_degrees")
    found: Result = {"inscribed_angle": angle_degrees, "central_angle": central}
    if radius is not None:
        found["arc_length"] = arc_length(radius, central)["arc_length"]
        found["sector_area"] = sector_area(radius, central)["area"]
    return found


@geometry_function
def circle_line_intersection(center: Point2D, radius: Expr, p1: Point2D, p2: Point2D) -> Result:
    """Where a circle meets the line through two points."""
    found = Circle(center, positive(radius, "radius")).intersection(line(p1, p2))
    if not found:
        raise ToolInputError("the line does not meet the circle")
    return {"points": sorted(found, key=lambda p: (float(p.x), float(p.y))), "tangent": len(found) == 1}


@geometry_function
def tangent_length(point: Point2D, center: Point2D, radius: Expr) -> Result:
    """From a point outside a circle to where its tangents touch."""
    power = point.distance(center) ** 2 - positive(radius, "radius") ** 2
    if not power >= 0:
        raise ToolInputError("the point lies inside the circle: it has no tangent")
    return {"tangent_length": sympy.sqrt(power)}


def _turn(angle: Expr) -> Expr:
    if not 0 < angle <= 360:
        raise ToolInputError("angle must lie above 0 and at most 360 degrees")
    return angle
