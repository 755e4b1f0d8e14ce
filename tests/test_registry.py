"""Registering tools and looking them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tools import registry
from tools.errors import ToolUnavailableError, UnknownToolError
from tools.registry import ToolContractError, get_tool, make_tools, register_tool, registered_tools, resolve_name
from tools.tool import Tool, ToolCall, ToolResult, ToolSettings


class Echo(Tool):
    name = "echo_test"
    description = "Says it again."
    aliases = ("Echo-Test",)

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [ToolResult(text=call.name) for call in calls]


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    registered_tools()  # the built-in ones first
    monkeypatch.setattr(registry, "_tools", dict(registry._tools))
    monkeypatch.setattr(registry, "_names", dict(registry._names))
    yield


def test_built_in_tools_are_found_by_name_and_alias() -> None:
    assert set(registered_tools()) >= {"ocr", "chart_to_table", "zoom", "calculator"}
    assert list(registered_tools()) == sorted(registered_tools())
    assert get_tool("image_zoom_in_tool") is get_tool("zoom")
    assert resolve_name("image_zoom_in_tool") == "zoom"
    assert resolve_name("no_such_tool") is None


def test_registered_tool_is_found_and_may_be_registered_again() -> None:
    assert register_tool(Echo) is Echo
    register_tool(Echo)
    assert get_tool("Echo-Test") is Echo


def test_unknown_tool_names_the_nearest() -> None:
    with pytest.raises(UnknownToolError, match="did you mean 'calculator'"):
        get_tool("calculater")
    with pytest.raises(UnknownToolError, match="zoom"):
        get_tool("qqqqqqqq")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Bad Name"}, "lower-case"),
        ({"name": "none"}, "lower-case"),
        ({"description": " "}, "description"),
        ({"arguments": dict}, "Arguments"),
        ({"aliases": "zoomer"}, "tuple"),
        ({"name": "zoom"}, "already taken"),
        ({"aliases": ("calculator",)}, "already taken"),
    ],
)
def test_contract_is_checked(changes: dict, message: str) -> None:
    with pytest.raises(ToolContractError, match=message):
        register_tool(
            type("Broken", (Echo,), {"__module__": "elsewhere", "name": "other_echo", "aliases": (), **changes})
        )


def test_abstract_tool_and_non_tool_are_refused() -> None:
    with pytest.raises(ToolContractError, match="run not implemented"):
        register_tool(type("NoRun", (Tool,), {"name": "no_run", "description": "Nothing."}))
    with pytest.raises(ToolContractError, match="subclass"):
        register_tool(dict)  # type: ignore[type-var]


def test_make_tools() -> None:
    assert make_tools("none") == {} == make_tools([]) == make_tools("")
    assert list(make_tools("calculator, zoom")) == ["calculator", "zoom"]
    assert list(make_tools(["image_zoom_in_tool", "zoom"])) == ["zoom"]
    with pytest.raises(UnknownToolError, match="alone"):
        make_tools(["none", "zoom"])


def test_make_tools_names_every_unavailable_tool() -> None:
    class Missing(Echo):
        name, aliases = "missing_test", ()

        @classmethod
        def unavailable(cls, settings: ToolSettings) -> str | None:
            return "weights absent; run `get weights`"

    register_tool(Missing)
    with pytest.raises(ToolUnavailableError, match=r"missing_test.*get weights"):
        make_tools(["zoom", "missing_test"])
