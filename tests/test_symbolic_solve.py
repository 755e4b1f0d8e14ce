"""Worked examples of plane geometry, the theorems that are named, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.diagram.solver import solve
from tools.errors import ErrorCode, ModelError, ToolInputError
from tools.symbolic_solve import SymbolicSolve
from tools.tool import ToolCall

PROBLEMS = {
    "pyth": (
        "Triangle(A,B,C); Equals(MeasureOf(Angle(A,B,C)),90); Equals(LengthOf(Line(A,B)),3); "
        "Equals(LengthOf(Line(B,C)),4); Find(LengthOf(Line(A,C)))",
        5,
    ),
    "anglesum": (
        "Triangle(A,B,C); Equals(MeasureOf(Angle(A)),50); Equals(MeasureOf(Angle(B)),60); Find(MeasureOf(Angle(C)))",
        70,
    ),
    "iso": (
        "Triangle(A,B,C); Equals(LengthOf(Line(A,B)),LengthOf(Line(A,C))); Equals(MeasureOf(Angle(A)),40); "
        "Find(MeasureOf(Angle(B)))",
        70,
    ),
    "cos": (
        "Triangle(A,B,C); Equals(c,8); Equals(LengthOf(Line(A,B)),c); Equals(LengthOf(Line(A,C)),10); "
        "Equals(MeasureOf(Angle(A)),60); Find(LengthOf(Line(B,C)))",
        math.sqrt(
            84,
        ),
    ),
    "CDL": (
        "Shape(AB,BC,CA); RightTriangle(ABC); Equal(LengthOfLine(AB),6); Equal(LengthOfLine(BC),8); "
        "Value(LengthOfLine(AC))",
        10,
    ),
    "transversal": (
        "Parallel(Line(A,B),Line(C,D)); PointLiesOnLine(G,Line(A,B)); PointLiesOnLine(H,Line(C,D)); "
        "PointLiesOnLine(G,Line(E,H)); PointLiesOnLine(H,Line(G,F)); Equals(MeasureOf(Angle(E,G,B)),50); "
        "Find(MeasureOf(Angle(G,H,D)))",
        50,
    ),
    "circle": (
        "Equals(RadiusOf(Circle(O)),5); Find(AreaOf(Circle(O)))",
        25 * math.pi,
    ),
    "inscribed": (
        "Circle(O); PointLiesOnCircle(A,Circle(O)); PointLiesOnCircle(B,Circle(O)); "
        "PointLiesOnCircle(C,Circle(O)); Equals(MeasureOf(Angle(A,O,B)),80); Find(MeasureOf(Angle(A,C,B)))",
        40,
    ),
    "thales": (
        "IsDiameterOf(Line(A,B),Circle(O)); PointLiesOnCircle(C,Circle(O)); "
        "Equals(MeasureOf(Angle(C,A,B)),25); Find(MeasureOf(Angle(A,B,C)))",
        65,
    ),
    "square": (
        "Equals(LengthOf(SideOf(Square($))),5); Find(LengthOf(DiagonalOf(Square($))))",
        math.sqrt(50),
    ),
    "rect": (
        "Rectangle(A,B,C,D); Equals(AreaOf(Rectangle(A,B,C,D)),48); "
        "Equals(PerimeterOf(Rectangle(A,B,C,D)),28); Find(LengthOf(Line(A,C)))",
        10,
    ),
    "trap": (
        "Trapezoid(A,B,C,D); Parallel(Line(A,B),Line(C,D)); Equals(LengthOf(Line(A,B)),6); "
        "Equals(LengthOf(Line(C,D)),10); Equals(HeightOf(Trapezoid(A,B,C,D)),4); "
        "Find(AreaOf(Trapezoid(A,B,C,D)))",
        32,
    ),
    "hex": (
        "Regular(Hexagon($)); Equals(LengthOf(SideOf(Hexagon($))),6); Find(AreaOf(Hexagon($)))",
        54 * math.sqrt(3),
    ),
    "tangent": (
        "Tangent(Line(P,A),Circle(O)); PointLiesOnCircle(A,Circle(O)); Equals(LengthOf(Line(O,A)),5); "
        "Equals(LengthOf(Line(P,O)),13); Find(LengthOf(Line(P,A)))",
        12,
    ),
    "altitude": (
        "Triangle(A,B,C); Equals(MeasureOf(Angle(A,C,B)),90); IsAltitudeOf(Line(C,D),Triangle(A,B,C)); "
        "Equals(LengthOf(Line(A,D)),4); Equals(LengthOf(Line(D,B)),9); Find(LengthOf(Line(C,D)))",
        6,
    ),
    "bisector": (
        "Triangle(A,B,C); IsBisectorOf(Line(A,D),Triangle(A,B,C)); Equals(LengthOf(Line(A,B)),6); "
        "Equals(LengthOf(Line(A,C)),9); Equals(LengthOf(Line(B,C)),10); Find(LengthOf(Line(B,D)))",
        4,
    ),
    "sines": (
        "Triangle(A,B,C); Equals(MeasureOf(Angle(A)),30); Equals(MeasureOf(Angle(B)),45); "
        "Equals(LengthOf(Line(B,C)),10); Find(LengthOf(Line(A,C)))",
        math.sqrt(
            200,
        ),
    ),
    "cyclic": (
        "InscribedIn(Quadrilateral(A,B,C,D),Circle(O)); Equals(MeasureOf(Angle(A)),75); Find(MeasureOf(Angle(C)))",
        105,
    ),
    "mid": (
        "Triangle(A,B,C); IsMidpointOf(Point(M),Line(A,B)); IsMidpointOf(Point(N),Line(A,C)); "
        "Equals(LengthOf(Line(B,C)),14); Find(LengthOf(Line(M,N)))",
        7,
    ),
    "heron": (
        "Equals(LengthOf(Line(A,B)),13); Equals(LengthOf(Line(B,C)),14); Equals(LengthOf(Line(A,C)),15); "
        "Find(AreaOf(Triangle(A,B,C)))",
        84,
    ),
    "sine": (
        "Triangle(A,B,C); Equals(MeasureOf(Angle(A,C,B)),90); Equals(LengthOf(Line(A,C)),3); "
        "Equals(LengthOf(Line(B,C)),4); Find(SinOf(Angle(A)))",
        0.8,
    ),
    "sector": (
        "Sector(O,A,B); Equals(RadiusOf(Circle(O)),6); Equals(MeasureOf(Angle(A,O,B)),60); Find(AreaOf(Sector(O,A,B)))",
        6 * math.pi,
    ),
    "chords": (
        "PointLiesOnCircle(A,Circle(O)); PointLiesOnCircle(B,Circle(O)); PointLiesOnCircle(C,Circle(O)); "
        "PointLiesOnCircle(D,Circle(O)); IntersectAt(Line(A,B),Line(C,D),Point(E)); "
        "Equals(LengthOf(Line(A,E)),6); Equals(LengthOf(Line(E,B)),4); Equals(LengthOf(Line(C,E)),3); "
        "Find(LengthOf(Line(E,D)))",
        8,
    ),
    "rhomb": (
        "Rhombus(A,B,C,D); Equals(LengthOf(Line(A,C)),6); Equals(LengthOf(Line(B,D)),8); "
        "Find(PerimeterOf(Rhombus(A,B,C,D)))",
        20,
    ),
    "kite": (
        "Kite(A,B,C,D); Equals(LengthOf(Line(A,C)),10); Equals(LengthOf(Line(B,D)),6); Find(AreaOf(Kite(A,B,C,D)))",
        30,
    ),
    "chordperp": (
        "PointLiesOnCircle(A,Circle(O)); PointLiesOnCircle(B,Circle(O)); PointLiesOnLine(M,Line(A,B)); "
        "Perpendicular(Line(O,M),Line(A,B)); Equals(RadiusOf(Circle(O)),13); Equals(LengthOf(Line(A,B)),24); "
        "Find(LengthOf(Line(O,M)))",
        5,
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_worked_examples(name: str) -> None:
    forms, value = PROBLEMS[name]
    assert solve(forms.split("; ")).number == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize(
    ("forms", "theorem"),
    [
        (PROBLEMS["pyth"][0], "Pythagorean theorem"),
        (PROBLEMS["anglesum"][0], "angle sum of triangle ABC"),
        (PROBLEMS["iso"][0], "base angles of an isosceles triangle"),
        (PROBLEMS["sines"][0], "law of sines"),
        (PROBLEMS["thales"][0], "angle in a semicircle"),
        (PROBLEMS["chords"][0], "intersecting chords"),
        (PROBLEMS["bisector"][0], "angle bisector theorem"),
        (PROBLEMS["transversal"][0], "corresponding angles at parallel lines"),
        (PROBLEMS["heron"][0], "Heron's formula"),
    ],
)
def test_steps_name_the_theorem(forms: str, theorem: str) -> None:
    assert theorem in {step.theorem for step in solve(forms.split("; ")).steps}


def test_values_are_exact_where_that_is_short() -> None:
    assert solve(["Equals(RadiusOf(Circle(O)), 5)", "Find(AreaOf(Circle(O)))"]).exact == "25*pi"
    assert solve(PROBLEMS["square"][0].split("; ")).exact == "5*sqrt(2)"


def test_a_goal_can_be_given_apart_and_in_cdl() -> None:
    forms = ["Shape(AB,BC,CA)", "RightTriangle(ABC)", "Equal(LengthOfLine(AB),6)", "Equal(LengthOfLine(BC),8)"]
    assert solve(forms, "Value(LengthOfLine(AC))").number == 10
    assert solve(forms, "LengthOf(Line(A, C))").number == 10
    assert solve([*forms, "Find(x)"], "PerimeterOf(Triangle(A, B, C))").number == 24


def test_positions_tell_which_ray_is_inside() -> None:
    forms = ["Line(O, A)", "Line(O, B)", "Line(O, C)", "Equals(MeasureOf(Angle(A, O, B)), 30)"]
    forms += ["Equals(MeasureOf(Angle(B, O, C)), 40)", "Find(MeasureOf(Angle(A, O, C)))"]
    with pytest.raises(ToolInputError, match="cannot be solved"):
        solve(forms)
    places = {"O": (0.0, 0.0), "A": (10.0, 0.0), "B": (9.0, 5.0), "C": (3.0, 9.0)}
    assert solve(forms, positions=places).number == 70


@pytest.mark.parametrize(
    ("forms", "message"),
    [
        ("Triangle(A,B,C); Find(LengthOf(Line(A,B)))", "cannot be solved"),
        ("Triangle(A,B,C); Equals(LengthOf(Line(A,B)),5)", "nothing is asked for"),
        ("Triangle(A,B,C); Equals(MeasureOf(Angle(A)),100); Equals(MeasureOf(Angle(B)),90); Find(MeasureOf(Angle(C)))",
         "contradict"),
        ("Triangle(A,B,C); Equals(MeasureOf(Angle(A)),30); Equals(LengthOf(Line(B,C)),5); "
         "Equals(LengthOf(Line(A,B)),8); Find(LengthOf(Line(A,C)))", "several values fit"),
        ("Equals(LengthOf(Line(A,B)),3); Equals(LengthOf(Line(B,C)),4); Equals(LengthOf(Line(A,C)),9); "
         "Find(AreaOf(Triangle(A,B,C)))", "contradict|cannot be solved"),
        ("Triangle(A,B,C,D); Find(x)", "corners"),
        ("Triangle(A,B,B); Find(x)", "different corners"),
        ("Equals(LengthOf(Line(A,A)),1); Find(x)", "no length"),
        ("Parallel(Line(A,B)); Find(x)", "wrong number of arguments"),
        ("Equals(x/0,1); Find(x)", "division by zero"),
        ("Equals(x,9^9^9^9); Find(x)", "exponent"),
        ("Equals(x,Sqrt(-4)); Find(x)", "not a real number"),
        ("x; Find(x)", "expected a statement"),
        ("Equals(MeasureOf(Angle(A)),5); Find(x)", "not clear"),
        ("Find(AreaOf(Shape($)))", "which shape"),
        ("Frobnicate(A, B); Triangle(A,B,C); Find(LengthOf(Line(A,B)))", "Frobnicate"),
    ],
)  # fmt: skip
def test_what_cannot_be_solved_is_said(forms: str, message: str) -> None:
    with pytest.raises(ToolInputError, match=message):
        solve(forms.split("; "))


def test_a_crowded_figure_ends() -> None:
    points = "ABCDEFGHIJKLMNOPQ"
    with pytest.raises(ToolInputError, match="more than 16 points"):
        solve([f"Line({a}, {b})" for a, b in pairwise(points)] + ["Find(x)"])
    lines = [f"Line({a}, {b})" for a in points[:7] for b in points[:7] if a < b]
    with pytest.raises(ToolInputError, match="cannot be solved"):
        solve([*lines, "Equals(LengthOf(Line(A, B)), 3)", "Find(LengthOf(Line(C, D)))"])


@settings(max_examples=20)
@given(st.integers(20, 80), st.integers(20, 80))
def test_angles_of_a_triangle_sum_to_180(first: int, second: int) -> None:
    forms = [f"Equals(MeasureOf(Angle(A, B, C)), {first})", f"Equals(MeasureOf(Angle(B, C, A)), {second})"]
    assert solve([*forms, "Line(A, C)", "Find(MeasureOf(Angle(C, A, B)))"]).number == 180 - first - second


def test_the_tool_tells_value_and_steps() -> None:
    forms = "Equals(MeasureOf(Angle(A, B, C)), 90), Equals(LengthOf(Line(A, B)), 3)\nEquals(LengthOf(Line(B, C)), 6)"
    good, bad = SymbolicSolve().run(
        [
            ToolCall("symbolic_solve", {"forms": forms, "goal": "LengthOf(Line(A, C))"}),
            ToolCall("symbolic_solve", {"logic_forms": ["Find(x)"]}),
        ]
    )
    assert good.text.splitlines()[0] == "LengthOf(Line(A, C)) = 3*sqrt(5) = 6.708203932"
    assert "Pythagorean theorem" in good.text
    assert good.data["number"] == pytest.approx(math.sqrt(45))
    assert isinstance(bad.error, ModelError)
    assert bad.error.code == ErrorCode.ARGUMENT_CONTENT
