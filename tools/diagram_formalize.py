"""`diagram_formalize`: what a geometry diagram shows, in FormalGeo's CDL."""

from __future__ import annotations

import re

from pydantic import AliasChoices, Field

from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolResult

_SECTIONS = {"construction_cdl": r"cons(?:truction)?_?\s*cdl", "image_cdl": r"im(?:a?ge?|g)_?\s*cdl"}
_FORMULA = re.compile(r"[A-Z][A-Za-z]+\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")


class DiagramFormalizeArguments(ImageArguments):
    """Arguments of `diagram_formalize`."""

    problem: str = Field(
        "",
        validation_alias=AliasChoices("problem", "question", "text", "prompt"),
        max_length=4000,
        description="the problem's text, if it helps to read the diagram",
    )


@register_tool
class DiagramFormalize(Tool):
    """There is no rule-based reader of diagrams: a model or a service must do it."""

    name = "diagram_formalize"
    description = (
        "Reads a geometry diagram and writes its construction (shapes, points on lines and circles) and its labels "
        "in FormalGeo's condition language (CDL)."
    )
    arguments = DiagramFormalizeArguments
    aliases = ("diagram_formalizer", "DiagramFormalizer")
    family = "diagram"
    remote = True


def formalized(answer: str) -> ToolResult:
    """The result for a model's answer: the formulas under its headings `construction_cdl` and `image_cdl`.

    The text stays the model's own where it has no such headings.
    """
    found: dict[str, list[str]] = {name: [] for name in _SECTIONS}
    marks = sorted(
        (match.start(), match.end(), name)
        for name, pattern in _SECTIONS.items()
        for match in re.finditer(pattern, answer, re.IGNORECASE)
    )
    for index, (_, start, name) in enumerate(marks):
        end = marks[index + 1][0] if index + 1 < len(marks) else len(answer)
        found[name] = list(dict.fromkeys(_FORMULA.findall(answer[start:end]))) or found[name]
    if not any(found.values()):
        return ToolResult(answer.strip(), data={**found, "answer": answer.strip()})
    text = "\n".join(f"{name}: {', '.join(formulas)}" for name, formulas in found.items() if formulas)
    return ToolResult(text, data={**found, "answer": answer.strip()})
