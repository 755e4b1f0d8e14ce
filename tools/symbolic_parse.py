"""`symbolic_parse`: a geometry problem in Inter-GPS's logic forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from tools.diagram.form import parse, split, write
from tools.diagram.text import logic_forms
from tools.diagram.vocabulary import to_logic
from tools.errors import ToolInputError
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each


def listed(value: Any) -> Any:
    """Formulas in one text, one a line or separated by commas, as a list."""
    return split(value) if isinstance(value, str) else value


class SymbolicParseArguments(ImageArguments):
    """Arguments of `symbolic_parse`."""

    text: str = Field(
        validation_alias=AliasChoices("text", "problem", "question", "problem_text"), description="the problem's text"
    )
    diagram: Annotated[list[str], BeforeValidator(listed)] = Field(
        default_factory=list,
        validation_alias=AliasChoices("diagram", "diagram_logic_forms", "diagram_forms"),
        max_length=80,
        description="what is known of the diagram already, as logic forms or CDL; it is joined with the text's",
    )


@register_tool
class SymbolicParse(Tool):
    """The text by a rule grammar; the diagram only where a service reads it."""

    name = "symbolic_parse"
    description = (
        "Writes a geometry problem in logic forms such as Equals(LengthOf(Line(A, B)), 5), Find(AreaOf(Circle(O)))."
    )
    arguments = SymbolicParseArguments
    aliases = ("inter_gps", "InterGPS", "Inter-GPS")
    family = "diagram"
    remote = True

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One logic form per line, what is asked for last."""
        return run_each(_parse, calls)


def _parse(call: ToolCall) -> ToolResult:
    arguments = SymbolicParseArguments.model_validate(dict(call.arguments))
    diagram = [write(form) for text in arguments.diagram for form in to_logic(parse(text))]
    text = [write(form) for form in logic_forms(arguments.text)]
    forms = list(dict.fromkeys([*diagram, *text]))
    if not forms:
        raise ToolInputError("nothing was recognised in the text")
    forms.sort(key=lambda form: form.startswith("Find("))
    return ToolResult("\n".join(forms), data={"logic_forms": forms})
