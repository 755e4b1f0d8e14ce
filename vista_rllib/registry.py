"""`Registry`: named functions that a user can add to, and that a config names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from tools.errors import VistaError

F = TypeVar("F", bound=Callable[..., Any])


class RegistryError(VistaError):
    """A name is unknown, or already taken by another function."""


class Registry(Mapping[str, F]):
    """Functions of one kind by name.

    Args:
        noun: what the functions are, for error messages: `policy loss`.
    """

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._functions: dict[str, F] = {}

    def register(self, name: str) -> Callable[[F], F]:
        """Decorator: makes the function known as `name`; defining it again (a notebook cell) replaces it.

        Raises:
            RegistryError: another function has that name.
        """

        def add(function: F) -> F:
            known = self._functions.get(name)
            if known is not None and _origin(known) != _origin(function):
                raise RegistryError(f"{self.noun} {name!r} is already registered by {'.'.join(_origin(known))}")
            self._functions[name] = function
            return function

        return add

    def resolve(self, item: str | F) -> F:
        """The function named `item`; a function is returned as it is.

        A config resolves on the driver and ships the function: a registration made in a user's file or notebook is not
        known in remote processes.
        """
        return self[item] if isinstance(item, str) else item

    def __getitem__(self, name: str) -> F:
        """Raises `RegistryError` for an unknown name (not `KeyError`: the message lists what there is)."""
        if name not in self._functions:
            nearest = difflib.get_close_matches(name, self._functions, n=1)
            hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
            raise RegistryError(f"unknown {self.noun} {name!r}{hint}: expected one of {', '.join(sorted(self))}")
        return self._functions[name]

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    return (function.__module__, function.__qualname__)
