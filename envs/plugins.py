"""`Plugins`: named factories that users add to (graders, rewards), with errors that name the nearest spelling."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from tools.errors import VistaError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class UnknownPluginError(VistaError):
    """Nothing of that name is registered. The message names the nearest."""


class PluginConfigError(VistaError):
    """A parameter is unknown, missing or out of range. The message names the parameter."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` when one of `known` resembles `name`, and always the list of what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}There is: {', '.join(names) or 'none'}"


class Plugins(Generic[T]):
    """A table from names to factories of `T`."""

    def __init__(self, kind: str) -> None:
        """`kind` is what messages call an entry: `grader`, `reward`."""
        self.kind = kind
        self._factories: dict[str, Callable[..., T]] = {}

    def register(self, name: str) -> Callable[[F], F]:
        """Decorator that registers a factory (a class or a function). The newest of a name wins, as in a notebook."""

        def add(factory: F) -> F:
            self._factories[name] = factory
            return factory

        return add

    def names(self) -> list[str]:
        """Registered names, sorted."""
        return sorted(self._factories)

    def make(self, name: str, config: Mapping[str, Any]) -> T:
        """Calls the factory of `name` with `config`.

        Raises:
            UnknownPluginError: no such name.
            PluginConfigError: `config` has a key that the factory does not take, or lacks one that it needs.
        """
        factory = self._factories.get(name)
        if factory is None:
            raise UnknownPluginError(f"no {self.kind} is named {name!r}; {nearest(name, self._factories)}")
        parameters = inspect.signature(factory).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            for key in config:
                if key not in parameters:
                    raise PluginConfigError(
                        f"{self.kind} {name!r} has no parameter {key!r}; {nearest(key, parameters)}"
                    )
        for key, parameter in parameters.items():
            required = parameter.default is parameter.empty and parameter.kind in (
                parameter.KEYWORD_ONLY,
                parameter.POSITIONAL_OR_KEYWORD,
            )
            if required and key not in config:
                raise PluginConfigError(f"{self.kind} {name!r} needs the parameter {key!r}")
        return factory(**config)
