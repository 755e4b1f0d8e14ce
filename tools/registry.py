"""Tools by name: register a class, look it up, build the tools of a run.

The tools of this project are imported on the first look-up only, so that a run without OCR never loads its engine.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from functools import cache
from typing import TypeVar

from rapidfuzz import process

from tools.errors import ToolUnavailableError, UnknownToolError, VistaError
from tools.tool import Arguments, Tool

BUILT_IN_MODULES = (
    "tools.ocr",
    "tools.chart_to_table",
    "tools.chart_extract_data",
    "tools.chart_compare",
    "tools.chart_describe",
    "tools.zoom",
    "tools.calculator",
)
"""Modules that register this project's tools when they are imported."""

NO_TOOLS = "none"
"""In a list of tool names: no tool at all."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]*")
_tools: dict[str, type[Tool]] = {}
_names: dict[str, str] = {}

T = TypeVar("T", bound=type[Tool])


class ToolContractError(VistaError):
    """A class handed to `register_tool` breaks the contract of `tools.tool.Tool`, or its name is taken."""


def register_tool(tool: T) -> T:
    """Class decorator: makes `tool` known under its name and aliases.

    Registering the same class again (a module reload) replaces it.

    Raises:
        ToolContractError: the class breaks the contract, or one of its names belongs to another tool.
    """
    _check_contract(tool)
    for name in (tool.name, *tool.aliases):
        owner = _names.get(name)
        if owner is not None and not _same_class(_tools[owner], tool):
            raise ToolContractError(f"{tool.__qualname__}: the name {name!r} is already taken by tool {owner!r}")
    _tools[tool.name] = tool
    _names.update(dict.fromkeys((tool.name, *tool.aliases), tool.name))
    return tool


def get_tool(name: str) -> type[Tool]:
    """The tool class called `name` (a name or an alias).

    Raises:
        UnknownToolError: no such tool; the message names the nearest one and lists all.
    """
    resolved = resolve_name(name)
    if resolved is None:
        nearest = process.extractOne(name, list(_names), score_cutoff=60)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise UnknownToolError(f"unknown tool {name!r}{hint} (known: {', '.join(sorted(_tools))})")
    return _tools[resolved]


def resolve_name(name: str) -> str | None:
    """The registered name that `name` (a name or an alias) stands for, None when there is none."""
    if name not in _names:
        _import_built_in()
    return _names.get(name)


def registered_tools() -> dict[str, type[Tool]]:
    """All tools by name, in alphabetical order."""
    _import_built_in()
    return dict(sorted(_tools.items()))


def make_tools(names: str | Iterable[str]) -> dict[str, Tool]:
    """Builds one instance of each tool, in the order given.

    Args:
        names: names or aliases, or one string of them separated by commas. `none` or nothing: no tools.

    Raises:
        UnknownToolError: a name is not registered, or `none` stands beside other names.
        ToolUnavailableError: a tool cannot run here. All missing ones are named at once.
    """
    wanted = [part.strip() for part in (names.split(",") if isinstance(names, str) else names)]
    wanted = [name for name in wanted if name]
    if NO_TOOLS in wanted:
        if len(wanted) > 1:
            raise UnknownToolError(f"tools {wanted}: {NO_TOOLS!r} must stand alone")
        return {}
    classes = {tool.name: tool for tool in map(get_tool, wanted)}
    missing = {name: reason for name, tool in classes.items() if (reason := tool.unavailable()) is not None}
    if missing:
        raise ToolUnavailableError("; ".join(f"tool {name!r} cannot run here: {why}" for name, why in missing.items()))
    return {name: tool() for name, tool in classes.items()}


@cache
def _import_built_in() -> None:
    for module in BUILT_IN_MODULES:
        importlib.import_module(module)


def _same_class(old: type[Tool], new: type[Tool]) -> bool:
    return (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__)


def _check_contract(tool: type[Tool]) -> None:
    if not (isinstance(tool, type) and issubclass(tool, Tool)):
        raise ToolContractError(f"{tool!r}: a tool must be a subclass of tools.tool.Tool")
    where = tool.__qualname__
    name = getattr(tool, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == NO_TOOLS:
        raise ToolContractError(f"{where}.name = {name!r}: expected lower-case letters, digits and underscores")
    if not isinstance(getattr(tool, "description", None), str) or not tool.description.strip():
        raise ToolContractError(f"{where}.description: expected a sentence that tells the policy what the tool does")
    if not (isinstance(tool.arguments, type) and issubclass(tool.arguments, Arguments)):
        raise ToolContractError(f"{where}.arguments: expected a subclass of tools.tool.Arguments")
    if isinstance(tool.aliases, str) or not all(_ALIAS.fullmatch(alias) for alias in tool.aliases):
        raise ToolContractError(f"{where}.aliases = {tool.aliases!r}: expected a tuple of names")
    if abstract := sorted(getattr(tool, "__abstractmethods__", ())):
        raise ToolContractError(f"{where}: {', '.join(abstract)} not implemented")
