"""Graders by name: `@register_grader("chartqa")`, `get_grader("chartqa", "robust", tolerance=0.05)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

from envs.grade import Grader, Mode
from envs.plugins import PluginConfigError, Plugins, nearest
from tools.errors import VistaError

F = TypeVar("F", bound=Callable[..., Any])

_graders: Plugins[Grader] = Plugins("grader")


class GradingError(VistaError):
    """A task cannot be graded (it has no gold answer). The message names the task."""


def register_grader(name: str) -> Callable[[F], F]:
    """Registers a factory `(mode, **parameters) -> Grader` under a metric's name; `by_dataset` says who uses it.

    The grader should be picklable (a frozen dataclass with `__call__`), since it travels to Ray actors.
    """
    return _graders.register(name)


def grader_names() -> list[str]:
    """Registered names, sorted."""
    return _graders.names()


def get_grader(name: str, mode: Mode = "robust", **parameters: Any) -> Grader:
    """Makes the grader `name`.

    Args:
        name: a registered name.
        mode: `strict` (the official metric, verdict for verdict) or `robust` (the same after extraction).
        parameters: the grader's own, e.g. `tolerance` of ChartQA.

    Raises:
        UnknownPluginError: no grader has that name.
        PluginConfigError: an unknown mode or parameter, or a value out of range.
    """
    if mode not in get_args(Mode):
        raise PluginConfigError(f"grader {name!r} has no mode {mode!r}; {nearest(str(mode), get_args(Mode))}")
    return _graders.make(name, {"mode": mode, **parameters})
