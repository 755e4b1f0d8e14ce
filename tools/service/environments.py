"""Models whose released code runs only with old libraries: their replicas get a Python environment of their own.

Versions are those that the models' authors name (`transformers` before all, whose interfaces their code relies on).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.tool import Tool

PIP: Mapping[str, tuple[str, ...]] = {
    "chartmoe": ("torch==2.8.0", "transformers==4.53.2"),
    "diagram_formalizer": ("torch==2.4.0", "transformers==4.40.0"),
}
"""By the backend's name: what pip installs over this project's own libraries."""


def environment_of(backend: type[Tool]) -> dict[str, Any] | None:
    """Ray's runtime environment of a backend's replicas; None: this project's own."""
    pip = PIP.get(backend.backend)
    return {"pip": list(pip)} if pip else None
