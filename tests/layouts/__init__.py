"""Fixtures: for each dataset a tiny release in its exact layout and its mirrors, all text written for this project.

root = write(tmp_path, FIXTURES["figureqa"].release())
"""

from __future__ import annotations

from layouts import charts, documents, geometry, mathematics, science, spatial
from layouts.files import Fixture, write, write_mirror, write_tar, write_zip

FIXTURES: dict[str, Fixture] = {
    **charts.FIXTURES,
    **geometry.FIXTURES,
    **documents.FIXTURES,
    **science.FIXTURES,
    **spatial.FIXTURES,
    **mathematics.FIXTURES,
}
"""By registered name, all 21."""

__all__ = ["FIXTURES", "Fixture", "write", "write_mirror", "write_tar", "write_zip"]
