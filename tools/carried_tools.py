"""`CarriedTools`: tool classes that are known wherever they arrive, a user's own among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.registry import backends_of, get_tool, register_backend, register_tool
from tools.remote import RemoteTool
from tools.tool import Tool


@dataclass(frozen=True)
class CarriedTools:
    """Classes that register themselves in the process in which they are unpickled.

    A decorator ran in the process that defined the class, and nowhere else: inside a config, this brings the class to
    env runners and learners. Classes of a tuned example (or of `__main__`) travel by value, others by import.

    Attributes:
        tools: the tools.
        backends: their registered backends.
    """

    tools: tuple[type[Tool], ...] = ()
    backends: tuple[type[Tool], ...] = ()

    @classmethod
    def of(cls, names: Iterable[str]) -> CarriedTools:
        """The registered classes of these tools. Raises `UnknownToolError`."""
        tools = tuple(get_tool(name) for name in names)
        known = [backend for tool in tools for backend in backends_of(tool.name).values()]
        return cls(tools, tuple(one for one in known if one not in tools and not issubclass(one, RemoteTool)))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_arrive, (self.tools, self.backends))

    def __deepcopy__(self, memo: dict[int, Any]) -> CarriedTools:
        return self


def _arrive(tools: tuple[type[Tool], ...], backends: tuple[type[Tool], ...]) -> CarriedTools:
    for tool in tools:
        register_tool(tool)
    for backend in backends:
        register_backend(backend)
    return CarriedTools(tools, backends)
