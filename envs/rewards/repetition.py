"""Degenerate repetition in sampled text: the detector behind the paper's R_rep (arXiv 2511.19773, section 4)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.plugins import PluginConfigError

TOKEN_PENALTY, PHRASE_PENALTY, CHAR_PENALTY = -3.0, -2.0, -1.5
"""The paper's three levels, from the most to the least severe; which is which level is our reading."""

TOKEN_RUN, PHRASE_RUN, CHAR_RUN = 12, 5, 30
"""Default thresholds: Markdown tables, rows of equal numbers and rules of dashes pass."""

_WORD = re.compile(r"\w+")
_BLANK = re.compile(r"\s+")
_MAX_PHRASE = 30
_MAX_CHARS = 8


@dataclass(frozen=True, slots=True)
class RepetitionDetector:
    """Finds a unit that is written over and over, back to back.

    Attributes:
        token_run: one word this many times in a row is a token loop (-3).
        phrase_run: 2 to 30 words (not all the same) this many times in a row is a phrase loop (-2).
        char_run: 1 to 8 characters (not all blank) this many times in a row is a character loop (-1.5).
    """

    token_run: int = TOKEN_RUN
    phrase_run: int = PHRASE_RUN
    char_run: int = CHAR_RUN

    def __post_init__(self) -> None:
        for key in ("token_run", "phrase_run", "char_run"):
            value = getattr(self, key)
            if not isinstance(value, int) or value < 2:
                raise PluginConfigError(f"repetition: {key} must be an integer >= 2, got {value!r}")

    def penalty(self, text: str) -> float:
        """-3, -2, -1.5 or 0: the most severe loop in `text`."""
        words = _WORD.findall(text.casefold())
        spaced = _BLANK.sub(" ", text)
        if not _can_loop(words, min(self.token_run, self.phrase_run)) and not _can_loop(spaced, self.char_run):
            return 0.0
        ids = np.unique(np.array(words), return_inverse=True)[1] if words else np.empty(0, np.int64)
        if longest_run(ids, 1) >= self.token_run:
            return TOKEN_PENALTY
        ids = ids[np.diff(ids, prepend=-1) != 0]  # a word said twice is not a phrase
        if any(longest_run(ids, size) >= self.phrase_run for size in range(2, _MAX_PHRASE + 1)):
            return PHRASE_PENALTY
        chars = np.frombuffer(spaced.encode("utf-32-le", "surrogatepass"), np.uint32)
        if any(longest_run(chars, size) >= self.char_run for size in range(1, _MAX_CHARS + 1)):
            return CHAR_PENALTY
        return 0.0


def _can_loop(items: Sequence[str], run: int) -> bool:
    """Whether any item occurs often enough for a loop; most turns are ruled out by this."""
    return len(items) >= run and max(Counter(items).values()) >= run


def longest_run(items: np.ndarray, size: int) -> int:
    """How many times in a row the most repeated unit of `size` items occurs.

    Args:
        items: [N] comparable items.
        size: length of a unit, at least 1.

    Returns:
        At least 1 when there are `size` items, otherwise 0.
    """
    if len(items) < size:
        return 0
    same = items[size:] == items[:-size]
    breaks = np.flatnonzero(~same)
    longest = int(np.diff(np.concatenate(([-1], breaks, [len(same)]))).max()) - 1
    return longest // size + 1
