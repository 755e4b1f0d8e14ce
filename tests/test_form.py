"""One grammar for logic forms, CDL and equations: trees, their text again, and that nothing is too deep or too long."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.diagram.form import Call, Name, Node, Number, Operation, parse, split, write
from tools.diagram.vocabulary import to_cdl, to_logic
from tools.errors import ToolInputError


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Equals(LengthOf(Line(A,B)),2x+3)", "Equals(LengthOf(Line(A, B)), 2*x+3)"),
        ("Equal(LengthOfLine(AB),Add(x,1))", "Equal(LengthOfLine(AB), Add(x, 1))"),
        ("3(x+1)-2(x-1)", "3*(x+1)-2*(x-1)"),
        ("x(x+1)", "x*(x+1)"),
        ("-x^2", "-x^2"),
        ("2^-1", "2^(-1)"),
        (r"\frac{1}{2}x", "1/2*x"),
        (r"5\sqrt{3}", "5*Sqrt(3)"),
        ("√3", "Sqrt(3)"),
        ("7*sqrt(2)", "7*Sqrt(2)"),
        ("1-(2-3)", "1-(2-3)"),
        ("x/(2y)", "x/(2*y)"),
        ("40°", "40"),
        ("Triangle($)", "Triangle($)"),
        ("Angle(A', B, C)", "Angle(A', B, C)"),
    ],
)
def test_forms_are_read_and_written(text: str, written: str) -> None:
    assert write(parse(text)) == written
    assert parse(write(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "end is missing"),
        ("Equals(x, 5", "end is missing|expected"),
        ("Equals(x, 5))", "not expected"),
        ("Equals(,)", "not expected"),
        ("x @ y", "'@' is not expected"),
        ("__import__('os')", "not expected"),
        ("A" * 5000, "longer"),
        ("9" * 100, "digits"),
        ("(" * 5000, "longer"),
        ("(" * 90 + "x" + ")" * 90, "deep"),
        ("-" * 90 + "x", "deep"),
        ("^".join("x" * 60), "deep"),
        ("+".join("x" * 300), "operations"),
        ("x " * 1000, "operations"),
        ("Aa(" * 40 + ")" * 40, "deep|not expected"),
    ],
)
def test_what_is_no_formula_is_refused(text: str, message: str) -> None:
    with pytest.raises(ToolInputError, match=message):
        parse(text)


leaves = st.one_of(st.sampled_from("ABCxyz").map(Name), st.integers(0, 99).map(lambda n: Number(Fraction(n))))
trees: st.SearchStrategy[Node] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Operation, st.sampled_from("+-*/^"), inner, inner),
        st.builds(Call, st.sampled_from(["Line", "Equals", "LengthOf"]), st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(trees)
def test_a_written_tree_reads_the_same(tree: Node) -> None:
    assert write(parse(write(tree))) == write(tree)


@given(st.text(alphabet="ABab01(),+-*/^ .$\\{}=x", max_size=60))
def test_any_text_is_a_tree_or_a_short_error(text: str) -> None:
    try:
        parse(text)
    except ToolInputError as error:
        assert len(str(error)) < 250


def test_formulas_are_split_at_lines_and_outer_commas() -> None:
    assert split("Line(A, B), Find(x)\nEquals(x, 5); y") == ["Line(A, B)", "Find(x)", "Equals(x, 5)", "y"]


@pytest.mark.parametrize(
    ("cdl", "logic"),
    [
        ("Equal(LengthOfLine(AB),2*x)", ["Equals(LengthOf(Line(A, B)), 2*x)"]),
        ("Equal(MeasureOfAngle(ABC),90)", ["Equals(MeasureOf(Angle(A, B, C)), 90)"]),
        ("Equal(MeasureOfArc(OAB),98)", ["Equals(MeasureOf(Arc(A, B)), 98)"]),
        ("Value(PerimeterOfTriangle(ABC))", ["Find(PerimeterOf(Triangle(A, B, C)))"]),
        ("Value(Div(LengthOfLine(AB),LengthOfLine(CD)))", ["Find(LengthOf(Line(A, B))/LengthOf(Line(C, D)))"]),
        ("ParallelBetweenLine(AB,CD)", ["Parallel(Line(A, B), Line(C, D))"]),
        ("IsMidpointOfLine(M,AB)", ["IsMidpointOf(M, Line(A, B))"]),
        ("CongruentBetweenTriangle(ABC,DEF)", ["Congruent(Triangle(A, B, C), Triangle(D, E, F))"]),
        ("MirrorSimilarBetweenTriangle(ABC,DEF)", ["Similar(Triangle(A, B, C), Triangle(D, F, E))"]),
        ("RightTriangle(ABC)", ["Right(Triangle(A, B, C))", "Equals(MeasureOf(Angle(A, B, C)), 90)"]),
        ("Shape(AB,BC,CA)", ["Triangle(A, B, C)"]),
        ("Shape(OAB,BO,OA)", ["Line(B, O)", "Line(O, A)"]),
        ("Collinear(ABC)", ["PointLiesOnLine(B, Line(A, C))"]),
        ("Cocircular(O,ABC)", ["Cocircular(Circle(O), A, B, C)"]),
        ("Parallelogram(ABCD)", ["Parallelogram(A, B, C, D)"]),
        ("Trapezoid(ABCD)", ["Trapezoid(A, B, C, D)", "Parallel(Line(A, D), Line(B, C))"]),
        ("Equals(LengthOf(Line(A, B)), 5)", ["Equals(LengthOf(Line(A, B)), 5)"]),
    ],
)
def test_cdl_becomes_logic_forms(cdl: str, logic: list[str]) -> None:
    assert [write(form) for form in to_logic(parse(cdl))] == logic


@pytest.mark.parametrize(
    "cdl",
    [
        "Equal(LengthOfLine(AB),2*x)",
        "Value(MeasureOfAngle(ABC))",
        "PerpendicularBetweenLine(AB,CD)",
        "SimilarBetweenTriangle(ABC,DEF)",
        "IsMidpointOfLine(M,AB)",
        "IsDiameterOfCircle(AB,O)",
        "EquilateralTriangle(ABC)",
        "Equal(AreaOfCircle(O),9*pi)",
        "Collinear(ABC)",
        "Rhombus(ABCD)",
    ],
)
def test_logic_forms_become_cdl_again(cdl: str) -> None:
    assert write(to_cdl(to_logic(parse(cdl))[0]), ",") == cdl


@pytest.mark.parametrize("cdl", ["ParallelBetweenLine(AB)", "MirrorSimilarBetweenTriangle(ABC,DE)", "Collinear(x+y)"])
def test_cdl_with_wrong_arguments_is_refused(cdl: str) -> None:
    with pytest.raises(ToolInputError):
        to_logic(parse(cdl))
