"""A rough table from `ocr`'s words: each number with the label beside, below or above it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from policies.table_qa.match import is_date
from policies.table_qa.table import Table, parse_number

_LINE = re.compile(r"(.+?) \[(-?\d+), (-?\d+), (-?\d+), (-?\d+)\]")
_ALIGNED = 0.6
"""A number belongs to a label whose row or column it shares within this many line heights."""


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    x: float
    y: float
    height: float


def table_from_words(text: str) -> Table | None:
    """Pairs labels and numbers by their places.

    Args:
        text: `ocr`'s result, lines `text [left, top, right, bottom]` in pixels.

    Returns:
        A table of labels and numbers, None when no label has a number.
    """
    words = []
    for line in text.splitlines():
        if match := _LINE.fullmatch(line.strip()):
            left, top, right, bottom = map(float, match.groups()[1:])
            words.append(_Word(match[1].strip(), (left + right) / 2, (top + bottom) / 2, bottom - top))
    numbers = [word for word in words if parse_number(word.text) is not None and not is_date(word.text)]
    rows = []
    for label in words:
        if label in numbers:
            continue
        near = [(_distance(label, number), number) for number in numbers]
        near = [item for item in near if item[0] is not None]
        if near:
            rows.append((label.text.replace("|", "/"), min(near, key=lambda item: item[0] or 0.0)[1].text))
    return Table("", ("Label", "Value"), tuple(rows)) if rows else None


def _distance(label: _Word, number: _Word) -> float | None:
    """Pixels between a label and a number of the same row or column; None when they share neither."""
    reach = _ALIGNED * max(label.height, number.height)
    across, down = abs(label.x - number.x), abs(label.y - number.y)
    if down <= reach:
        return across
    return down if across <= reach else None
