"""`TaskSetError`: a stored task set cannot be read or written."""

from __future__ import annotations

from tools.errors import VistaError


class TaskSetError(VistaError):
    """A task set is missing, damaged or inconsistent, or would be overwritten. Names the file and the field."""
