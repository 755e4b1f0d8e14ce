"""`symbolic_solve`: the value that a geometry problem in logic forms or CDL asks for, and the theorems that give it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field, FiniteFloat

from tools.diagram.solver import Solution, solve
from tools.registry import register_tool
from tools.symbolic_parse import listed
from tools.tool import Arguments, Tool, ToolCall, ToolResult, run_each

MAX_STEPS = 12
"""Steps that are told to the policy; the last ones when there are more."""


class SymbolicSolveArguments(Arguments):
    """Arguments of `symbolic_solve`."""

    forms: Annotated[list[str], BeforeValidator(listed)] = Field(
        validation_alias=AliasChoices("forms", "logic_forms", "cdl", "conditions"),
        min_length=1,
        max_length=80,
        description='the problem, one formula each: ["Triangle(A, B, C)", "Equals(LengthOf(Line(A, B)), 5)", '
        '"Find(x)"], or CDL: ["Equal(LengthOfLine(AB),5)", "Value(x)"]',
    )
    goal: str = Field(
        "",
        validation_alias=AliasChoices("goal", "goal_cdl"),
        description="what is asked for, when it is not among the forms: MeasureOf(Angle(A, B, C))",
    )
    positions: dict[str, tuple[FiniteFloat, FiniteFloat]] = Field(
        default_factory=dict,
        validation_alias=AliasChoices("positions", "point_positions"),
        max_length=26,
        description='where points are drawn, in pixels: {"A": [10, 200]}; tells which angles lie inside which',
    )


@register_tool
class SymbolicSolve(Tool):
    """Theorems and sympy (`tools.diagram.solver`)."""

    name = "symbolic_solve"
    description = (
        "Solves a plane geometry problem given in logic forms or CDL: lengths, angles, arcs, areas, unknowns in them."
    )
    arguments = SymbolicSolveArguments
    aliases = ("geometry_solver", "GeometrySolver")
    family = "diagram"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The goal's value, then the steps: an equation and its theorem each."""
        return run_each(_solve, calls)


def told(solution: Solution) -> ToolResult:
    """A solution as a policy reads it."""
    value = (
        solution.exact if solution.exact == f"{solution.number:.10g}" else f"{solution.exact} = {solution.number:.10g}"
    )
    lines = [f"{solution.goal} = {value}"]
    steps = solution.steps[-MAX_STEPS:]
    lines += [f"{index}. {step.text} ({step.theorem})" for index, step in enumerate(steps, 1)]
    if solution.unread:
        lines.append(f"not used: {', '.join(solution.unread)}")
    data = {
        "goal": solution.goal,
        "value": solution.exact,
        "number": solution.number,
        "steps": [{"equation": step.text, "theorem": step.theorem} for step in solution.steps],
        "unread": list(solution.unread),
    }
    return ToolResult("\n".join(lines), data=data)


def _solve(call: ToolCall) -> ToolResult:
    arguments = SymbolicSolveArguments.model_validate(dict(call.arguments))
    return told(solve(arguments.forms, arguments.goal, arguments.positions))
