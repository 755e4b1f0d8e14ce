"""`diagram_formalize`'s answers, and what DiagramFormalizer and FormalGeo need to run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tools.diagram_formalize import formalized
from tools.errors import ToolInputError, ToolUnavailableError
from tools.models.diagram_formalizer import DiagramFormalizer
from tools.models.formalgeo import problem_cdl
from tools.registry import backends_of, get_tool, select_backend

ANSWER = """The figure shows a triangle.
The construction_cdl is:
Shape(AB,BC,CA)
Collinear(ADB)
The image_cdl is:
Equal(LengthOfLine(AB),5)
The calibrate construction_cdl is:
Shape(AB,BC,CA)
Collinear(ADC)
The calibrate image_cdl is:
Equal(LengthOfLine(AB),5)
Equal(MeasureOfAngle(ABC),Add(x,20))
"""


def test_the_calibrated_formulas_of_an_answer_are_taken() -> None:
    result = formalized(ANSWER)
    assert result.data["construction_cdl"] == ["Shape(AB,BC,CA)", "Collinear(ADC)"]
    assert result.data["image_cdl"] == ["Equal(LengthOfLine(AB),5)", "Equal(MeasureOfAngle(ABC),Add(x,20))"]
    assert result.text.splitlines()[0] == "construction_cdl: Shape(AB,BC,CA), Collinear(ADC)"


def test_an_answer_without_headings_stays_as_it_is() -> None:
    result = formalized(" a circle \n")
    assert (result.text, result.data["construction_cdl"]) == ("a circle", [])


def test_there_is_no_embedded_reader_of_diagrams() -> None:
    assert list(backends_of("diagram_formalize")) == ["diagram_formalizer", "remote"]
    assert get_tool("DiagramFormalizer").name == "diagram_formalize"


def test_a_newer_transformers_is_told_with_the_way_round_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ToolUnavailableError, match=r"transformers 4\.40\.0.*remote"):
        select_backend("diagram_formalize", "diagram_formalizer")
    monkeypatch.setattr("tools.models.diagram_formalizer.version", lambda package: "4.40.0")
    with pytest.raises(ToolUnavailableError, match="hf download NaughtyDog97/DiagramFormalizer"):
        select_backend("diagram_formalize", "diagram_formalizer")
    (tmp_path / "config.json").write_text("{}")
    selected = select_backend("diagram_formalize", "diagram_formalizer", {"model": str(tmp_path)})
    assert selected.tool is DiagramFormalizer


def test_formalgeo_names_the_command_that_gets_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert list(backends_of("symbolic_solve")) == ["embedded", "formalgeo"]
    monkeypatch.setattr("tools.models.formalgeo.find_spec", lambda name: None)
    with pytest.raises(ToolUnavailableError, match=r"pip install formalgeo==0\.0\.6"):
        select_backend("symbolic_solve", "formalgeo")
    monkeypatch.setattr("tools.models.formalgeo.find_spec", lambda name: importlib.util.find_spec("json"))
    with pytest.raises(ToolUnavailableError, match="download_dataset"):
        select_backend("symbolic_solve", "formalgeo", {"gdl": str(tmp_path)})


def test_formulas_become_formalgeos_problem() -> None:
    forms = ["Shape(AB,BC,CA)", "Equal(LengthOfLine(AB), 3)", "RightTriangle(ABC)", "Value(LengthOfLine(AC))"]
    problem = problem_cdl(forms)
    assert problem["construction_cdl"] == ["Shape(AB,BC,CA)"]
    assert problem["text_cdl"] == ["Equal(LengthOfLine(AB),3)", "RightTriangle(ABC)"]
    assert problem["goal_cdl"] == "Value(LengthOfLine(AC))"
    assert problem_cdl(forms[:3], "MeasureOfAngle(ABC)")["goal_cdl"] == "Value(MeasureOfAngle(ABC))"
    with pytest.raises(ToolInputError, match="construction"):
        problem_cdl(forms[1:])
    with pytest.raises(ToolInputError, match="asked for"):
        problem_cdl(forms[:3])
