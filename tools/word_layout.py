"""What the words of a page make up together: a table, or mathematics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tools.chart.text import Word

SAME_LINE = 0.5
"""Words belong to one line when their middles are nearer than this share of their height."""
SAME_CELL = 0.6
"""Words belong to one cell when the gap between them is less than this share of their height."""

_ASCII = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "≤": "<=", "≥": ">=", "≠": "!=", "²": "^2", "³": "^3"}
_SIGNS = set("=<>≤≥≠+-−–±*/×÷·^√π∠°∑∫∞%²³()[]|")
_TOKEN = re.compile(r"[0-9]+(?:[.,][0-9]+)*|[^\W\d_]+|\S")
_NAMES = {"sin", "cos", "tan", "cot", "log", "ln", "exp", "sqrt", "lim", "max", "min", "mod", "pi"}
_NUMBER = re.compile(r"[-−–+]?[$€£¥]?\d+(?:[.,]\d+)*\s*[%°]?")


@dataclass(frozen=True, slots=True)
class MathElement:
    """A word that is mathematics.

    Attributes:
        word: as it was read.
        kind: `number`, `relation` (it has an equals or inequality sign) or `expression`.
        ascii: the same with ASCII operators (`×` is `*`, `²` is `^2`); digits and degree signs are never changed.
    """

    word: Word
    kind: str
    ascii: str


def lines(words: Sequence[Word]) -> list[list[Word]]:
    """Words by line, top to bottom, each line left to right."""
    found: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.centre[1]):
        last = found[-1][-1] if found else None
        if last and word.centre[1] - last.centre[1] < SAME_LINE * max(1.0, min(word.line_height, last.line_height)):
            found[-1].append(word)
        else:
            found.append([word])
    return [sorted(line, key=lambda word: word.box[0]) for line in found]


def table(words: Sequence[Word]) -> list[list[str]]:
    """The rows of a table of equally many cells; no rows where the words stand in fewer than two rows or columns.

    Columns are what the words of the rows leave between them: words that overlap sideways are in one column. Lines of
    one word (titles, notes) do not count for that, and are left out when they span several columns.
    """
    rows = lines(words)
    spans = _columns([word for row in rows if len(row) > 1 for word in row])
    if len(spans) < 2:
        return []
    cells = []
    for row in rows:
        texts: list[list[str]] = [[] for _ in spans]
        for word in row:
            x1, _, x2, _ = word.box
            inside = [index for index, (left, right) in enumerate(spans) if x1 < right and left < x2]
            if len(inside) == 1:
                texts[inside[0]].append(word.text)
        if any(texts):
            cells.append([" ".join(parts) for parts in texts])
    return cells if len(cells) > 1 else []


def mathematics(words: Sequence[Word]) -> list[MathElement]:
    """The words that are mathematics, in their order: numbers, relations, expressions; prose is left out."""
    return [MathElement(word, kind, _ascii(word.text)) for word in words if (kind := _kind(word.text))]


def _columns(words: Sequence[Word]) -> list[tuple[float, float]]:
    """Left and right ends of the columns: words that overlap, or are as near as words of one cell, joined."""
    space = SAME_CELL * median(word.line_height for word in words) if words else 0.0
    spans: list[tuple[float, float]] = []
    for left, right in sorted((word.box[0], word.box[2]) for word in words):
        if spans and left < spans[-1][1] + space:
            spans[-1] = (spans[-1][0], max(spans[-1][1], right))
        else:
            spans.append((left, right))
    return spans


def _kind(text: str) -> str | None:
    if _NUMBER.fullmatch(text.strip()):
        return "number"
    tokens = _TOKEN.findall(_ascii(text))
    terms = [token for token in tokens if token[0].isdigit() or _is_variable(token)]
    if any(token[0].isalpha() and not _is_variable(token) for token in tokens) or not terms:
        return None
    if any(sign in text for sign in "=<>≤≥≠"):
        return "relation"
    return "expression" if any(token in _SIGNS for token in tokens) else None


def _is_variable(token: str) -> bool:
    """A letter, a name such as `sin`, or capitals that name points (`AB`, `ABC`)."""
    return token[0].isalpha() and (len(token) == 1 or token.lower() in _NAMES or (token.isupper() and len(token) <= 4))


def _ascii(text: str) -> str:
    return "".join(_ASCII.get(character, character) for character in text)
