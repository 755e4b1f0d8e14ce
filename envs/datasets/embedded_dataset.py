"""The registered name of the embedded set. Light to import: drawing it needs `envs.datasets.embedded`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from envs.datasets import chartqa
from envs.datasets.registry import ReadRequest, Skip, register_dataset
from envs.task import Task


def embedded_version() -> str:
    """Digest of all that decides the set: its code, the drawing library and the tables. Names its cache folder."""
    digest = hashlib.sha256(f"{version('matplotlib')} {version('vega_datasets')}".encode())
    for file in sorted(Path(__file__).parent.glob("embedded*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@register_dataset("embedded", title="Embedded", layout="built in, no files needed", detect=lambda path: False)
def read(request: ReadRequest) -> Iterator[Task | Skip]:
    """Tasks of a folder that `build_release` wrote, ids `embedded-<split>-augmented-<n>`, dataset `chartqa`."""
    yield from chartqa.read_as(request, "embedded")
