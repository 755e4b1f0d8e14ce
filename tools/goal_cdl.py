"""`goal_cdl`: what a geometry problem's text asks for, in FormalGeo's CDL."""

from __future__ import annotations

from collections.abc import Sequence

from tools.diagram.form import write
from tools.diagram.text import logic_forms
from tools.diagram.vocabulary import to_cdl
from tools.errors import ToolInputError
from tools.registry import register_tool
from tools.text_cdl import ProblemArguments, asked
from tools.tool import Tool, ToolCall, ToolResult, run_each


@register_tool
class GoalCDL(Tool):
    """A rule grammar (`tools.diagram.text`)."""

    name = "goal_cdl"
    description = "Writes what a geometry problem's text asks for in FormalGeo's condition language (CDL)."
    arguments = ProblemArguments
    family = "diagram"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One formula per question in the text."""
        return run_each(_goal, calls)


def _goal(call: ToolCall) -> ToolResult:
    text = ProblemArguments.model_validate(dict(call.arguments)).text
    formulas = [write(to_cdl(node), ",") for node in logic_forms(text) if asked(node)]
    if not formulas:
        raise ToolInputError("no question was recognised in the text")
    return ToolResult("\n".join(formulas), data={"goal_cdl": formulas})
