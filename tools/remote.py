"""The `remote` backend of every tool: a client of the tool service."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from tools.tool import Tool, ToolCall, ToolResult, ToolSettings


class RemoteSettings(ToolSettings):
    """Where the tool service is."""

    url: str = ""
    """Base address; empty: the environment variable `VISTA_TOOL_SERVICE`."""


class RemoteTool(Tool):
    """What the remote backends of all tools share."""

    backend = "remote"
    settings_type = RemoteSettings

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """Why the service cannot be asked."""
        return "not implemented yet"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Asks the service."""
        raise NotImplementedError


@cache
def remote_backend(tool: type[Tool]) -> type[Tool]:
    """The class that serves `tool` from a tool service."""
    return type(f"Remote{tool.__name__}", (RemoteTool, tool), {"__doc__": RemoteTool.__doc__, "shared": False})
