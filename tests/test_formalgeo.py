"""`symbolic_solve` through the package `formalgeo`, with a small GDL in the released layout. Skipped without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.errors import ErrorCode, ModelError
from tools.registry import make_tools
from tools.tool import Tool, ToolCall

pytest.importorskip("formalgeo", reason="formalgeo is not installed: pip install formalgeo==0.0.6")

LENGTH = {"ee_check": ["Line(AB)"], "sym": "ll", "multi": ["BA"]}
ANGLE = {"ee_check": ["Angle(ABC)"], "sym": "ma", "multi": []}
RIGHT_TRIANGLE = {"ee_check": ["Polygon(ABC)"], "multi": [], "extend": ["Equal(MeasureOfAngle(ABC),90)"]}
PREDICATES = {
    "Preset": {
        "FixLength": ["Point", "Line", "Arc", "Angle", "Circle", "Equation"],
        "VariableLength": ["Shape", "Collinear", "Cocircular", "Polygon"],
        "Construction": ["Shape", "Collinear", "Cocircular"],
        "BasicEntity": ["Point", "Line", "Arc", "Angle", "Polygon", "Circle"],
        "Attribution": ["Free"],
        "Algebra": ["Equal", "Equation"],
    },
    "Entity": {"RightTriangle(ABC)": RIGHT_TRIANGLE},
    "Relation": {},
    "Attribution": {"LengthOfLine(AB)": LENGTH, "MeasureOfAngle(ABC)": ANGLE},
}
SQUARES = "Equal(Add(Pow(LengthOfLine(AB),2),Pow(LengthOfLine(BC),2)),Pow(LengthOfLine(AC),2))"
ANGLES = "Equal(Add(MeasureOfAngle(ABC),MeasureOfAngle(BCA),MeasureOfAngle(CAB)),180)"
THEOREMS = {
    "right_triangle_property_pythagorean(ABC)": {"1": {"premise": "RightTriangle(ABC)", "conclusion": [SQUARES]}},
    "triangle_property_angle_sum(ABC)": {"1": {"premise": "Polygon(ABC)", "conclusion": [ANGLES]}},
}


@pytest.fixture(scope="module")
def solver(tmp_path_factory: pytest.TempPathFactory) -> Tool:
    folder: Path = tmp_path_factory.mktemp("gdl")
    (folder / "predicate_GDL.json").write_text(json.dumps(PREDICATES))
    (folder / "theorem_GDL.json").write_text(json.dumps(THEOREMS))
    options: dict[str, Any] = {"backend": "formalgeo", "settings": {"gdl": str(folder), "max_steps": 20}}
    return make_tools("symbolic_solve", {"symbolic_solve": options})["symbolic_solve"]


def solve(solver: Tool, forms: list[str], goal: str) -> Any:
    (result,) = solver.run([ToolCall("symbolic_solve", {"forms": forms, "goal": goal})])
    return result


def test_a_length_and_an_angle(solver: Tool) -> None:
    forms = ["Shape(AB,BC,CA)", "RightTriangle(ABC)", "Equal(LengthOfLine(AB),3)", "Equal(LengthOfLine(BC),4)"]
    found = solve(solver, forms, "Value(LengthOfLine(AC))")
    assert (found.error, found.data["number"]) == (None, 5)
    assert "pythagorean" in found.text
    angle = solve(solver, [*forms, "Equal(MeasureOfAngle(BCA),30)"], "Value(MeasureOfAngle(CAB))")
    assert angle.data["number"] == 60
    assert "angle_sum" in angle.text


def test_what_no_theorem_reaches_is_the_policys_error(solver: Tool) -> None:
    result = solve(solver, ["Shape(AB,BC,CA)"], "Value(LengthOfLine(AC))")
    assert isinstance(result.error, ModelError)
    assert result.error.code == ErrorCode.ARGUMENT_CONTENT
    assert "cannot be solved" in result.error.message
