"""Writing small files so that a reader sees the old one or the new one, whatever happens in between."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tools.errors import VistaError


class ResultsError(VistaError):
    """A results folder is missing, incomplete or in use. The message names it."""


def write_text(path: Path, text: str) -> None:
    """Replaces the file in one step."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def write_json(path: Path, value: Any) -> None:
    """Replaces the file by `value` as JSON; what JSON has no word for is written as `plain` says."""
    write_text(path, json.dumps(value, indent=2, default=plain) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        ResultsError: the file is missing or is no JSON object.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise ResultsError(f"{path}: expected a JSON object, got a {type(value).__name__}")
    return value


def link(path: Path, target: str) -> None:
    """Points the symbolic link `path` at `target` (relative to its folder), replacing an older link in one step."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, path)


def plain(value: Any) -> Any:
    """JSON for `json.dumps(default=...)`: numbers of numpy, mappings, sets, and names of classes and functions.

    Anything else becomes its type's name, never a memory address, so that equal configs give equal text.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, Path):
        return str(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
