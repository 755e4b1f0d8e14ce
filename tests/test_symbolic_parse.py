"""The rule grammar for problem texts, and whole problems from text to value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.diagram.form import write
from tools.diagram.solver import solve
from tools.diagram.text import logic_forms
from tools.errors import ErrorCode, ModelError, ToolInputError
from tools.goal_cdl import GoalCDL
from tools.symbolic_parse import SymbolicParse
from tools.text_cdl import TextCDL
from tools.tool import ToolCall

TEXTS = [
    ("In triangle ABC, angle A = 50° and angle B = 60°. Find angle C.", 70),
    ("Find the area of a square with side length 5.", 25),
    ("In $\\triangle ABC$, $AB = AC$ and $\\angle A = 40^{\\circ}$. What is the measure of $\\angle B$?", 70),
    ("A right triangle has legs of length 3 and 4. What is the length of the hypotenuse?", 5),
    ("The hypotenuse of a right triangle is 13 and one leg is 5. Find the other leg.", 12),
    ("In rhombus ABCD, AB = 2x + 3 and BC = 5x. Find x.", 1),
    ("MNPQ is a parallelogram with m∠M = 10x and m∠N = 20x. Find m∠Q.", 120),
    ("Parallelogram MNPQ with m∠M = 10x and m∠N = 20x. Find m∠Q.", 120),
    ("A circle has radius 5. Find its circumference.", 31.4159265),
    ("The radius of circle O is 7 cm. Find the area of circle O.", 153.93804),
    ("A rectangle has length 8 and width 5. What is its perimeter?", 26),
    ("The area of a rectangle is 48 and its perimeter is 28. Find the length of its diagonal.", 10),
    ("In trapezoid ABCD, AB ∥ CD, AB = 6, CD = 10 and the height is 4. Find the area of trapezoid ABCD.", 32),
    ("In triangle ABC, D is the midpoint of AB and E is the midpoint of AC. If BC = 14, find DE.", 7),
    ("AB is a diameter of circle O. C is on circle O. If ∠CAB = 25°, find ∠ABC.", 65),
    ("In triangle ABC, AB = 13, BC = 14 and AC = 15. Find the area of triangle ABC.", 84),
    ("Triangle ABC is similar to triangle DEF. AB = 4, BC = 6, DE = 8. Find EF.", 12),
    ("In the diagram, PA is tangent to circle O at A. OA = 5 and PO = 13. Find PA.", 12),
    ("Find the area of a regular hexagon with side length 6.", 93.5307436),
    ("In triangle ABC, AD bisects ∠BAC and D is on BC. AB = 6, AC = 9, BC = 10. Find BD.", 4),
    ("In right triangle ABC with right angle at C, AC = 3 and BC = 4. Find AB.", 5),
    ("Chords AB and CD intersect at E. AE = 6, EB = 4, CE = 3. Find ED. A, B, C and D are on circle O.", 8),
    ("Quadrilateral ABCD is inscribed in circle O. If ∠A = 75°, what is ∠C?", 105),
    ("Angle 1 and angle 2 are supplementary. Angle 1 = 3x + 10 and angle 2 = 2x + 20. Find x.", 30),
    ("Find the perimeter of an equilateral triangle with side 7.", 21),
    ("△ABC ≅ △DEF. AB = 3x - 1, DE = 2x + 4. Find x.", 5),
    ("∠A is twice ∠B in right triangle ABC with right angle at C. Find ∠A.", 60),
    ("The diagonals of a rhombus are 6 and 8. Find the perimeter of the rhombus.", 20),
    ("Find the area of a sector with radius 6 and central angle 60°.", 18.8495559),
    ("In triangle ABC, ∠C = 90°, CD is the altitude. AD = 4, DB = 9. Find CD.", 6),
    ("The perimeter of a square is 36. Find its area.", 81),
    ("Points A, B and C lie on circle O. If ∠AOB = 80°, find ∠ACB.", 40),
]


@pytest.mark.parametrize(("text", "value"), TEXTS)
def test_problems_are_solved_from_their_text(text: str, value: float) -> None:
    assert solve([write(form) for form in logic_forms(text)]).number == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("AB = BC = 5.", ["Equals(LengthOf(Line(A, B)), LengthOf(Line(B, C)))", "Equals(LengthOf(Line(B, C)), 5)"]),
        ("AB and CD are 5 and 7 respectively.",
         ["Equals(LengthOf(Line(A, B)), 5)", "Equals(LengthOf(Line(C, D)), 7)"]),
        ("AB ⊥ CD.", ["Perpendicular(Line(A, B), Line(C, D))"]),
        (r"$\\overline{AB} \\parallel \\overline{CD}$", ["Parallel(Line(A, B), Line(C, D))"]),
        ("AB and CD are parallel.", ["Parallel(Line(A, B), Line(C, D))"]),
        ("EG is perpendicular to FG, HC is perpendicular to KC.",
         ["Perpendicular(Line(E, G), Line(F, G))", "Perpendicular(Line(H, C), Line(K, C))"]),
        ("The measure of arc AB is 98 degrees.", ["Equals(MeasureOf(Arc(A, B)), 98)"]),
        ("QSR is a straight line.", ["PointLiesOnLine(S, Line(Q, R))"]),
        ("ABCD is a rectangle.", ["Rectangle(A, B, C, D)"]),
        ("Triangle ABC is equilateral.", ["Triangle(A, B, C)", "Equilateral(Triangle(A, B, C))"]),
        ("Find the ratio of AB to CD.", ["Find(RatioOf(LengthOf(Line(A, B)), LengthOf(Line(C, D))))"]),
        ("Find sin A.", ["Find(SinOf(Angle(A)))"]),
        ("∠ABC is equal to", ["Find(MeasureOf(Angle(A, B, C)))"]),
        ("Find x if AB = 2x and BC = 10.",
         ["Equals(LengthOf(Line(A, B)), 2*x)", "Equals(LengthOf(Line(B, C)), 10)", "Find(x)"]),
        ("The area of triangle ABC is 12 cm^2.", ["Triangle(A, B, C)", "Equals(AreaOf(Triangle(A, B, C)), 12)"]),
    ],
)  # fmt: skip
def test_phrases(text: str, forms: list[str]) -> None:
    assert [write(form) for form in logic_forms(text)] == forms


@pytest.mark.parametrize(
    "text",
    [
        "AB is 5 less than CD.",
        "The shaded area is 27.",
        "The areas of 3 parts are given.",
        "A is not B.",
        "A train leaves at noon.",
        "",
    ],
)
def test_what_is_not_understood_is_left_out(text: str) -> None:
    assert not [form for form in map(write, logic_forms(text)) if form.startswith("Equals")]


words = st.sampled_from(
    [
        "find",
        "the",
        "area",
        "of",
        "triangle",
        "ABC",
        "circle",
        "O",
        "with",
        "radius",
        "is",
        "5",
        "x",
        "AB",
        "CD",
        "parallel",
        "to",
        "and",
        ",",
        ".",
        "angle",
        "∠A",
        "=",
        "2x",
        "$",
        "legs",
        "square",
        "on",
        "E",
    ]
)


@settings(max_examples=30)
@given(st.lists(words, max_size=14).map(" ".join))
def test_any_words_give_forms_that_can_be_read_again(text: str) -> None:
    forms = [write(form) for form in logic_forms(text)]
    if forms:
        try:
            solve(forms)
        except ToolInputError as error:
            assert str(error)


QUESTION = "In parallelogram ABCD, AB = 2x + 1, CD = x + 5 and AC ⊥ BD. Find the perimeter of parallelogram ABCD."


def test_text_and_goal_in_cdl() -> None:
    (conditions,) = TextCDL().run([ToolCall("text_cdl", {"problem": QUESTION})])
    assert conditions.data["text_cdl"] == [
        "Parallelogram(ABCD)",
        "Equal(LengthOfLine(AB),2*x+1)",
        "Equal(LengthOfLine(CD),x+5)",
        "PerpendicularBetweenLine(AC,BD)",
    ]
    (goal,) = GoalCDL().run([ToolCall("goal_cdl", {"text": QUESTION})])
    assert goal.text == "Value(PerimeterOfQuadrilateral(ABCD))"


def test_the_diagram_is_joined_with_the_text() -> None:
    call = ToolCall(
        "symbolic_parse", {"text": "Find x. AB = 5.", "diagram": "Collinear(ADB), Equal(LengthOfLine(AD),x)"}
    )
    (result,) = SymbolicParse().run([call])
    assert result.text.splitlines() == [
        "PointLiesOnLine(D, Line(A, B))",
        "Equals(LengthOf(Line(A, D)), x)",
        "Equals(LengthOf(Line(A, B)), 5)",
        "Find(x)",
    ]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (TextCDL(), {"text": "Hello there"}),
        (GoalCDL(), {"text": "AB = 5."}),
        (SymbolicParse(), {"text": ""}),
        (SymbolicParse(), {"text": "Find x.", "diagram": ["Equals("]}),
        (TextCDL(), {"text": "AB = 5. " * 1000}),
    ],
)
def test_nothing_understood_is_the_policys_error(tool: TextCDL | GoalCDL | SymbolicParse, arguments: dict) -> None:
    (result,) = tool.run([ToolCall(tool.name, arguments)])
    assert isinstance(result.error, ModelError)
    assert result.error.code == ErrorCode.ARGUMENT_CONTENT
