"""Which of the policy's mistakes a tool's wrong arguments are, and how the policy is told."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tools.errors import ErrorCode, ModelError
from tools.tool import Tool

SHOWN = 60
"""Characters of what the policy wrote that a message repeats."""
_REASON_SHOWN = 120


def argument_error(tool: type[Tool], error: ValidationError) -> ModelError:
    """E2 for a wrong or missing name, otherwise E3; the first of each is told."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    names = [
        detail for detail in details if detail["type"] in ("extra_forbidden", "missing") and len(detail["loc"]) == 1
    ]
    if names:
        known = ", ".join(tool.schema()["parameters"].get("properties", {})) or "none"
        what = "unknown" if names[0]["type"] == "extra_forbidden" else "missing"
        message = f"{tool.name}: {what} argument {quote(_where(names[0]))}; its arguments are: {known}"
        return ModelError(ErrorCode.ARGUMENT_NAME, message)
    reason = _cut(details[0]["msg"], _REASON_SHOWN)
    return ModelError(ErrorCode.ARGUMENT_FORMAT, f"{tool.name}: argument {quote(_where(details[0]))}: {reason}")


def quote(text: str) -> str:
    """The beginning of a text, in quotes."""
    return f'"{_cut(text, SHOWN)}"'


def _cut(text: str, length: int) -> str:
    """At most so many characters of a text, and dots where some are left out."""
    return text if len(text) <= length else f"{text[:length]}…"


def _where(detail: ErrorDetails) -> str:
    return ".".join(map(str, detail["loc"])) or "arguments"
