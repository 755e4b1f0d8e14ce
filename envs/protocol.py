"""The protocol of a turn: `<think>…</think>`, then one `<tool_call>{json}</tool_call>` or one `<answer>…</answer>`.

`parse_turn` is lenient where a model's habits are harmless (no thoughts, text around the blocks, `tool` or `name`,
`arguments`, `parameters` or flat arguments) and otherwise returns a `ModelError` whose message says what to do.
`well_formed` is the paper's pattern to the letter, used by the format reward only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic
from pydantic_core import from_json
from rapidfuzz import process

from envs.message import FinishReason
from tools.argument_error import SHOWN, argument_error, quote
from tools.errors import ErrorCode, ModelError
from tools.tool import Tool

_TAG = re.compile(r"<(/?)(think|tool_call|answer)>")


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """A valid call: `name` is the tool's own name (aliases resolved), `arguments` as written and valid."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """The text inside `<answer>`, stripped; never empty."""

    text: str


Parsed = ParsedCall | ParsedAnswer | ModelError
ToolType = type[Tool]


def call_names(tools: Iterable[ToolType]) -> dict[str, ToolType]:
    """Every name that may stand in a call, aliases included, for `parse_turn`. A tool's own name wins over an alias."""
    tools = tuple(tools)
    return {alias: tool for tool in tools for alias in tool.aliases} | {tool.name: tool for tool in tools}


def parse_turn(text: str, tools: Mapping[str, ToolType], finish_reason: FinishReason = "stop") -> Parsed:
    """Reads one turn.

    Args:
        text: what the policy wrote.
        tools: callable names, from `call_names`.
        finish_reason: why sampling ended; tells a cut-off turn from a malformed one.

    Returns:
        The call, the answer, or what is wrong: E1 (no valid call), E2 and E3 (its arguments), E5 (the form of the
        turn: tags, neither or both of call and answer).
    """
    scan = _scan(text)
    if isinstance(scan, ModelError):
        if finish_reason != "stop":
            return _form("your turn was cut off because it was too long; think less and close every tag")
        return scan
    calls = [body for tag, body in scan.blocks if tag == "tool_call"]
    answers = [body for tag, body in scan.blocks if tag == "answer"]
    if calls and answers:
        return _form("a turn holds either a <tool_call> or an <answer>, not both; answer after the tool's result")
    if len(calls) > 1:
        return ModelError(ErrorCode.SCHEMA, "only one <tool_call> in a turn; call the next tool in the next turn")
    if len(answers) > 1:
        return _form("only one <answer> in a turn")
    if calls:
        return _parse_call(calls[0], tools)
    if answers:
        answer = answers[0].strip()
        return ParsedAnswer(answer) if answer else _form("the <answer> is empty; write the answer inside it")
    if finish_reason != "stop":
        return _form("your turn was cut off before a <tool_call> or an <answer>; think less")
    wanted = "a <tool_call>…</tool_call> or an <answer>…</answer>" if tools else "an <answer>…</answer>"
    return _form(f"the turn has no action; end it with {wanted}")


def well_formed(text: str) -> bool:
    """Whether the turn is exactly `<think>…</think>` and then one call or one answer, with only whitespace around.

    The paper's pattern (section 3 of arXiv 2511.19773); what stands inside the tags is not looked at.
    """
    scan = _scan(text)
    if isinstance(scan, ModelError) or not scan.bare:
        return False
    tags = [tag for tag, _ in scan.blocks]
    return len(tags) == 2 and tags[0] == "think" and tags[1] != "think"


@dataclass(frozen=True, slots=True)
class _Scan:
    """The top-level blocks (tag, body) in order; `bare`: nothing but whitespace stands outside of them."""

    blocks: list[tuple[str, str]]
    bare: bool


def _scan(text: str) -> _Scan | ModelError:
    """Splits a turn into its blocks. Inside `<think>` and `<tool_call>` only their own closing tag counts."""
    blocks: list[tuple[str, str]] = []
    bare, inside, start = True, "", 0
    for match in _TAG.finditer(text):
        closing, tag = match[1], match[2]
        if not inside:
            if closing:
                return _form(f"</{tag}> closes nothing; open <{tag}> first")
            bare = bare and not text[start : match.start()].strip()
            inside, start = tag, match.end()
        elif closing and tag == inside:
            blocks.append((tag, text[start : match.start()]))
            inside, start = "", match.end()
        elif inside == "answer":
            return _form(f"<{closing}{tag}> inside <answer>; close the answer with </answer>")
    if inside:
        return _form(f"<{inside}> is never closed; close it with </{inside}>")
    return _Scan(blocks, bare and not text[start:].strip())


def _form(message: str) -> ModelError:
    return ModelError(ErrorCode.OUTPUT_FORMAT, message)


def _schema(message: str) -> ModelError:
    return ModelError(ErrorCode.SCHEMA, message)


def _parse_call(body: str, tools: Mapping[str, ToolType]) -> ParsedCall | ModelError:
    try:
        call = from_json(body.strip(), allow_inf_nan=False)
    except ValueError as error:
        return _schema(f"the tool call is not valid JSON ({quote(str(error))})")
    if not isinstance(call, dict):
        return _schema('the tool call must be one JSON object: {"name": …, "arguments": {…}}')
    key = "tool" if "tool" in call else "name"
    name = call.pop(key, None)
    if not isinstance(name, str) or not name:
        return _schema('the tool call must name its tool as text: {"name": …, "arguments": {…}}')
    tool = tools.get(name)
    if tool is None:
        return _schema(_unknown_tool(name, tools))
    arguments = _arguments(call, tool)
    if isinstance(arguments, ModelError):
        return arguments
    try:
        tool.arguments.model_validate(arguments)
    except pydantic.ValidationError as error:
        return argument_error(tool, error)
    return ParsedCall(tool.name, arguments)


def _arguments(call: dict[str, Any], tool: ToolType) -> dict[str, Any] | ModelError:
    """The arguments of a call object from which the name was taken out."""
    key = next((key for key in ("arguments", "parameters") if key in call), None)
    if key is None:
        return call
    arguments = call.pop(key)
    if call:
        extra = ", ".join(quote(name) for name in call)
        return ModelError(ErrorCode.ARGUMENT_NAME, f'{tool.name}: {extra} stands outside "{key}"; put it inside')
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        return _schema(f'{tool.name}: "{key}" must be a JSON object')
    return arguments


def _unknown_tool(name: str, tools: Mapping[str, ToolType]) -> str:
    own = list(dict.fromkeys(tool.name for tool in tools.values()))
    if not own:
        return "there are no tools; reply with <answer>…</answer>"
    nearest = process.extractOne(name[:SHOWN], list(tools), score_cutoff=60)
    hint = f"; did you mean {tools[nearest[0]].name}?" if nearest else ""
    return f"there is no tool {quote(name)}{hint} Tools: {', '.join(own)}"
