"""`text_cdl`: the conditions in a geometry problem's text, in FormalGeo's CDL."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import AliasChoices, Field

from tools.diagram.form import Call, Node, write
from tools.diagram.text import logic_forms
from tools.diagram.vocabulary import to_cdl
from tools.errors import ToolInputError
from tools.registry import register_tool
from tools.tool import Arguments, Tool, ToolCall, ToolResult, run_each


class ProblemArguments(Arguments):
    """Arguments of tools that read a problem's text."""

    text: str = Field(
        validation_alias=AliasChoices("text", "problem", "question", "problem_text"),
        description="the problem's text, for example: In triangle ABC, AB = 5 and angle A = 60 degrees. Find BC.",
    )


@register_tool
class TextCDL(Tool):
    """A rule grammar (`tools.diagram.text`)."""

    name = "text_cdl"
    description = "Writes the conditions in a geometry problem's text in FormalGeo's condition language (CDL)."
    arguments = ProblemArguments
    family = "diagram"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One formula per line; what the grammar does not know is left out."""
        return run_each(_conditions, calls)


def asked(node: Node) -> bool:
    """Whether a logic form is what is asked for."""
    return isinstance(node, Call) and node.name == "Find"


def _conditions(call: ToolCall) -> ToolResult:
    text = ProblemArguments.model_validate(dict(call.arguments)).text
    formulas = [write(to_cdl(node), ",") for node in logic_forms(text) if not asked(node)]
    if not formulas:
        raise ToolInputError("no condition was recognised in the text")
    return ToolResult("\n".join(formulas), data={"text_cdl": formulas})
