"""What can go wrong, in two families that never mix.

A `ModelError` is the policy's doing: it is shown to the policy as a short text and is part of what is learned.
A `Fault` is our doing: it is logged, counted, and its episode is left out of group statistics and of the loss.
Both are data (frozen dataclasses that travel inside results). `VistaError` and its subclasses are the exceptions
raised to the *user* of the library for bad input; `boundary` turns whatever is raised inside it into a `Fault`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class ErrorCode(enum.StrEnum):
    """Error taxonomy of the VISTA paper (arXiv 2511.19773, table 1)."""

    SCHEMA = "E1"
    """The turn is not a well-formed tool call (bad JSON, unknown tool, several calls, no name)."""
    ARGUMENT_NAME = "E2"
    """An argument is unknown, or a required one is missing."""
    ARGUMENT_FORMAT = "E3"
    """An argument has the wrong type or an out-of-range value."""
    ARGUMENT_CONTENT = "E4"
    """The arguments are valid, but nothing can be done with them (an empty region, a division by zero)."""
    OUTPUT_FORMAT = "E5"
    """The turn neither calls a tool nor answers, or its tags are unbalanced."""
    REASONING = "E6"
    """A wrong answer after at least one successful tool result."""


@dataclass(frozen=True, slots=True)
class ModelError:
    """The policy's fault: `message` is what the policy reads."""

    code: ErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Our fault. `kind` is the exception's class name, `where` the component (`tool:ocr`, `grader`, `env`)."""

    kind: str
    where: str
    message: str


class VistaError(Exception):
    """Base of every error that this project raises to its user."""


class ToolInputError(VistaError):
    """Raised by a tool when valid-looking arguments cannot be served: becomes a `ModelError` (E4)."""


class ToolUnavailableError(VistaError):
    """The tool cannot run here. The message says why and how to get it."""


class UnknownToolError(VistaError):
    """No tool of that name is registered."""


class ImageError(VistaError):
    """An image is missing, corrupt, or too large. The message names the file."""


class FaultError(VistaError):
    """Raised by `boundary`: carries the `Fault` that an exception was turned into."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.where}: {fault.kind}: {fault.message}")
        self.fault = fault

    def __reduce__(self) -> tuple[type[FaultError], tuple[Fault]]:
        return (type(self), (self.fault,))


@contextmanager
def boundary(where: str) -> Iterator[None]:
    """Turns any exception raised inside into a `FaultError` whose fault names `where`.

    This is the project's one broad `except`. `FaultError` passes through unchanged, so the innermost boundary names
    the place.
    """
    try:
        yield
    except FaultError:
        raise
    except Exception as error:  # the named boundary
        raise FaultError(Fault(type(error).__name__, where, str(error))) from error
