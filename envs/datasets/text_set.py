"""`TextSet`: a set of texts of any number in little memory, for ids and hashes of sets with millions of tasks."""

from __future__ import annotations

import sqlite3

IN_MEMORY = 1 << 17
"""Texts held in memory; further ones go to a database in an unnamed temporary file."""


class TextSet:
    """Grows only. The temporary file goes with the object."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._limit = in_memory
        self._recent: set[str] = set()
        self._stored = 0
        self._database: sqlite3.Connection | None = None

    def add(self, text: str) -> bool:
        """Adds a text. Returns whether it is new."""
        if text in self:
            return False
        self._recent.add(text)
        if len(self._recent) > self._limit:
            self._spill()
        return True

    def _spill(self) -> None:
        if self._database is None:
            self._database = sqlite3.connect("")  # SQLite's name for a temporary database
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("PRAGMA cache_size = -32768")  # KiB
            self._database.execute("CREATE TABLE texts (text BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.executemany("INSERT INTO texts VALUES (?)", sorted((_key(text),) for text in self._recent))
        self._stored += len(self._recent)
        self._recent.clear()

    def __contains__(self, text: object) -> bool:
        if text in self._recent:
            return True
        if self._database is None or not isinstance(text, str):
            return False
        return self._database.execute("SELECT 1 FROM texts WHERE text = ?", (_key(text),)).fetchone() is not None

    def __len__(self) -> int:
        return self._stored + len(self._recent)


def _key(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
