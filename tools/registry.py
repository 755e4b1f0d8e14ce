"""Tools by name and their backends: register a class, look it up, build the tools of a run.

The tools of this project are imported on the first look-up only, so that a run without OCR never loads its engine.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError
from rapidfuzz import process

from tools.errors import ToolUnavailableError, UnknownToolError, VistaError
from tools.remote import RemoteTool, remote_backend
from tools.tool import Arguments, Tool, ToolSettings

BUILT_IN_MODULES = (
    "tools.ocr",
    "tools.chart_to_table",
    "tools.chart_extract_data",
    "tools.chart_compare",
    "tools.chart_describe",
    "tools.chart_title",
    "tools.chart_trend",
    "tools.chart_analyze",
    "tools.chart_summarize",
    "tools.chart_caption",
    "tools.chart_answer",
    "tools.chart_to_svg",
    "tools.chart_to_scene_graph",
    "tools.models.deplot",
    "tools.models.unichart",
    "tools.models.chartmoe",
    "tools.zoom",
    "tools.rotate",
    "tools.mark",
    "tools.measure",
    "tools.enhance",
    "tools.detect",
    "tools.segment",
    "tools.models.easyocr",
    "tools.models.grounding_dino",
    "tools.models.sam2",
    "tools.models.swin2sr",
    "tools.calculator",
    "tools.geometry_calculator",
    "tools.text_cdl",
    "tools.goal_cdl",
    "tools.symbolic_parse",
    "tools.symbolic_solve",
    "tools.diagram_formalize",
    "tools.models.diagram_formalizer",
    "tools.models.formalgeo",
    "tools.multimath",
    "tools.gllava",
    "tools.python",
    "tools.vlm_expert",
)
"""Modules that register this project's tools when they are imported."""

NO_TOOLS = "none"
"""In a list of tool names: no tool at all."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]*")
_tools: dict[str, type[Tool]] = {}
_names: dict[str, str] = {}
_backends: dict[str, dict[str, type[Tool]]] = {}
"""Tool name to backend name to class, without `embedded` and `remote`, in the order of registration."""

T = TypeVar("T", bound=type[Tool])


class ToolSettingsError(VistaError):
    """A backend's setting is unknown or wrong. The message names the tool, the backend and the setting."""


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


def register_backend(backend: T) -> T:
    """Class decorator: makes a subclass of a registered tool known as the backend that its `backend` names.

    Registering the same class again (a module reload) replaces it.

    Raises:
        ToolContractError: it is no subclass of a registered tool, or the backend's name is taken.
    """
    _check_contract(backend)
    tool = _tools.get(backend.name)
    where = backend.__qualname__
    if tool is None or not issubclass(backend, tool) or backend is tool:
        raise ToolContractError(f"{where}: a backend must be a subclass of the registered tool {backend.name!r}")
    if backend.backend in ("embedded", RemoteTool.backend) or not _NAME.fullmatch(backend.backend):
        raise ToolContractError(f"{where}.backend = {backend.backend!r}: expected a name of its own")
    known = _backends.setdefault(tool.name, {})
    if backend.backend in known and not _same_class(known[backend.backend], backend):
        raise ToolContractError(f"{where}: tool {tool.name!r} already has a backend {backend.backend!r}")
    known[backend.backend] = backend
    return backend


def backends_of(name: str) -> dict[str, type[Tool]]:
    """Backend name to class, in the order in which they are preferred: `embedded`, models, `remote`.

    Raises:
        UnknownToolError: no such tool.
    """
    _import_built_in()  # a module of one tool may be imported before those of its models
    tool = get_tool(name)
    own = {"embedded": tool} if not getattr(tool, "__abstractmethods__", ()) else {}
    served = {RemoteTool.backend: remote_backend(tool)} if tool.remote else {}
    return {**own, **_backends.get(tool.name, {}), **served}


@dataclass(frozen=True, slots=True)
class Selection:
    """A backend and its settings, checked and able to run here, but not built.

    Attributes:
        tool: the class.
        settings: its settings; None where nothing was set.
    """

    tool: type[Tool]
    settings: ToolSettings | None = None

    def build(self) -> Tool:
        """An instance; loads what it needs."""
        return self.tool() if self.settings is None else self.tool(self.settings)


def select_backend(name: str, backend: str = "", settings: Mapping[str, Any] | None = None) -> Selection:
    """The backend that serves a tool.

    Args:
        name: the tool's name or alias.
        backend: the backend's name; empty: the first one that can run here.
        settings: fields of the backend's `settings_type`; naming any asks for a `backend` unless the tool has only one.

    Raises:
        UnknownToolError: no such tool or backend.
        ToolSettingsError: a setting is unknown or wrong.
        ToolUnavailableError: it cannot run here; the message says why and how to get it.
    """
    known = backends_of(name)
    if backend and backend not in known:
        raise UnknownToolError(f"tool {name!r} has no backend {backend!r}: there are {', '.join(known)}")
    if settings and not backend and len(known) > 1:
        raise ToolSettingsError(f"tool {name!r}: name the backend that the settings are for: {', '.join(known)}")
    reasons = []
    for candidate in [known[backend]] if backend else known.values():
        checked = _settings(candidate, settings or {})
        reason = candidate.unavailable(checked)
        if reason is None:
            return Selection(candidate, checked if settings else None)
        reasons.append(f"{candidate.backend}: {reason}" if len(known) > 1 else reason)
    raise ToolUnavailableError(f"tool {name!r} cannot run here: {'; '.join(reasons)}")


def select_tools(
    names: str | Iterable[str], options: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Selection]:
    """Checks that tools exist and can run here, without building them.

    Args:
        names: names or aliases, or one string of them separated by commas. `none` or nothing: no tools.
        options: by tool name: `backend` and `settings`, as for `select_backend`.

    Returns:
        Selections by tool name, in the order given.

    Raises:
        UnknownToolError: a name is not registered, or `none` stands beside other names.
        ToolSettingsError: a setting is unknown or wrong.
        ToolUnavailableError: a tool cannot run here. All missing ones are named at once.
    """
    wanted = [part.strip() for part in (names.split(",") if isinstance(names, str) else names)]
    wanted = [name for name in wanted if name]
    if NO_TOOLS in wanted:
        if len(wanted) > 1:
            raise UnknownToolError(f"tools {wanted}: {NO_TOOLS!r} must stand alone")
        return {}
    selected, missing = {}, []
    for name in dict.fromkeys(get_tool(name).name for name in wanted):
        chosen = (options or {}).get(name, {})
        try:
            selected[name] = select_backend(name, chosen.get("backend", ""), chosen.get("settings"))
        except ToolUnavailableError as error:
            missing.append(str(error))
    if missing:
        raise ToolUnavailableError("; ".join(missing))
    return selected


def make_tools(names: str | Iterable[str], options: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Tool]:
    """Builds one instance of each tool, in the order given. Arguments and errors as for `select_tools`."""
    return {name: selection.build() for name, selection in select_tools(names, options).items()}


def _settings(backend: type[Tool], settings: Mapping[str, Any]) -> ToolSettings:
    try:
        return backend.settings_type(**settings)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(backend.settings_type.model_fields) or "none"
        raise ToolSettingsError(
            f"tool {backend.name!r}, backend {backend.backend!r}: {problems} (settings: {known})"
        ) from error


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
    # Without an embedded backend there is nothing to run in a class of its own: a service or a model must be.
    abstract = sorted(getattr(tool, "__abstractmethods__", ()))
    if abstract and (abstract != ["run"] or not tool.remote):
        raise ToolContractError(f"{where}: {', '.join(abstract)} not implemented")
    if not (isinstance(tool.settings_type, type) and issubclass(tool.settings_type, ToolSettings)):
        raise ToolContractError(f"{where}.settings_type: expected a subclass of tools.tool.ToolSettings")
