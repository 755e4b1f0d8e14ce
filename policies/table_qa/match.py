"""Which row or column labels a question names: fuzzy, and aware of how dates are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(
    r"\b(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_COUNTED = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNT_WORD = re.compile(rf"\b({'|'.join(_COUNTED)})\b")
_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[’‘`´]", "'"),
        (r"[–—−]", "-"),
        (r"\bunited states(?: of america)?\b|\bu\.\s?s\.(?:\s?a\.)?|\busa\b", "us"),
        (r"\bunited kingdom\b|\bu\.\s?k\.", "uk"),
        (r"(?<=\d),(?=\d{3})", ""),
        (r"\b((?:19|20)\d\d)\s?[/-]\s?(?:19|20)?(\d\d)\b(?![/-]?\d)", r"\1/\2"),  # 2019-2020, 2019/20: a season
        (r"(?<![\d.])'(\d\d)\b", r"20\1"),
        (r"\bq\s?([1-4])\b|\b([1-4])\s?q\b", r"q\1\2"),
        (r"\bh\s?([12])\b|\b([12])\s?h\b", r"h\1\2"),
        (r"\b(?:fy|fiscal year)\s?(?=(?:19|20)\d\d)", ""),
        (r"'s\b|s'(?=\s)", " "),
    )
)
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an the of in on at to for from by and or with was were is are be been did do does has have had what which "
        "who how much many percent percentage share number total value average its their as that this per year",
    )
)
_TOKEN = re.compile(r"\d+:\d\d|[a-z0-9]+(?:/\d\d)?(?:\.\d+)?")
_YEAR = re.compile(r"(?:19|20)\d\d(?:/\d\d)?")
MIN_COVERAGE = 0.62
"""Part of a label (by characters, stop words counting little) that must be found in the question."""

_HEAD_COVERAGE = 0.9
"""Coverage of a label of which all was found that stands before its first comma or bracket."""


@dataclass(frozen=True, slots=True)
class Match:
    """A label found in a question.

    Attributes:
        index: which label.
        coverage: part of the label that was found, in [0, 1].
        weight: characters found: of two labels found whole, the longer one is meant.
        position: index of the first question token that belongs to it.
        tokens: indices of the question tokens that belong to it.
    """

    index: int
    coverage: float
    weight: float
    position: int
    tokens: frozenset[int]


def tokens(text: str) -> list[str]:
    """Lower-case words and numbers, with dates, seasons, quarters and country names in one spelling."""
    text = unicodedata.normalize("NFKD", text.lower())
    text = "".join(char for char in text if not unicodedata.combining(char))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = re.sub(r"\b(first|1st|second|2nd|third|3rd|fourth|4th) quarter\b", lambda m: f"q{_ORDINALS[m[1]]}", text)
    text = re.sub(r"\b(first|1st|second|2nd) (?:half|semester)\b", lambda m: f"h{_ORDINALS[m[1]]}", text)
    text = re.sub(r"(?<![\d/])(\d\d)/(\d\d)(?![\d/])", _season, spell_out(text))
    text = _MONTH.sub(lambda m: m[1][:3] + " ", text)
    return _TOKEN.findall(text)


def spell_out(text: str) -> str:
    """`two` to `twelve` as digits."""
    return _COUNT_WORD.sub(lambda match: str(_COUNTED.index(match[1]) + 2), text)


def _season(match: re.Match[str]) -> str:
    """`19/20` as `2019/20`; other fractions as they stand."""
    first, second = int(match[1]), int(match[2])
    return f"20{match[0]}" if second == (first + 1) % 100 else match[0]


def is_date(label: str) -> bool:
    """Whether a label is a point in time or a period."""
    words = [word for word in tokens(label) if word not in ("fiscal", "year", "to", "season")]
    dated = [_YEAR.fullmatch(word) or word in _MONTHS or re.fullmatch(r"[qh][1-4]", word) for word in words]
    return (
        bool(words) and any(dated) and all(d or re.fullmatch(r"\d{1,2}", w) for d, w in zip(dated, words, strict=True))
    )


def date_key(label: str) -> tuple[int, int]:
    """Sorts dates: (year, quarter or month or half); 0 for what is not given. The latest part of a period counts."""
    words = tokens(label)
    years = [int(word[:4]) for word in words if _YEAR.fullmatch(word)]
    parts = [_MONTHS.index(word) + 1 for word in words if word in _MONTHS]
    parts += [int(word[1]) * (3 if word[0] == "q" else 6) for word in words if re.fullmatch(r"[qh][1-4]", word)]
    return (max(years, default=0), parts[-1] if parts else 0)


def years_in(text: str) -> list[str]:
    """Years and seasons named in a text."""
    return [word for word in tokens(text) if _YEAR.fullmatch(word)]


def find_labels(question: str, labels: Sequence[str]) -> list[Match]:
    """Labels that the question names, best first. A label inside a longer one that was found is left out."""
    words = tokens(question)
    joined = "".join(words)
    found = [
        match
        for i, label in enumerate(labels)
        if (not _is_code(label) or re.search(rf"\b{re.escape(label)}\b", question))
        and (match := _match(words, joined, i, label)) is not None
    ]
    found.sort(key=lambda match: (-round(match.coverage * match.weight, 3), match.index))
    kept: list[Match] = []
    for match in found:
        if not any(match.tokens < other.tokens for other in kept):
            kept.append(match)
    return kept


def _is_code(label: str) -> bool:
    """Whether case matters: `IN` and `OR` are states, `in` and `or` are not."""
    return label.isupper() and label.lower() in _STOP | {"me", "hi", "oh", "ok"}


def _match(words: list[str], joined: str, index: int, label: str) -> Match | None:
    parts = tokens(label)
    if not parts:
        return None
    head = tokens(re.split(r"[,(]", label, maxsplit=1)[0])  # `Seattle` of `Seattle, WA`
    for phrase, coverage in ((parts, 1.0), (head, _HEAD_COVERAGE)):
        for start in range(len(words) - len(phrase) + 1 if phrase else 0):
            end = start + len(phrase)
            if words[start:end] == phrase:
                return Match(index, coverage, sum(map(_size, phrase)), start, frozenset(range(start, end)))
    total = weight = 0.0
    used: set[int] = set()
    for part in parts:
        size = _size(part) if len(parts) > 1 else 1.0
        total += size
        position, score = _find(part, words)
        weight += size * score
        if score and size > 0.3:
            used.add(position)
    coverage = weight / total
    whole = "".join(parts)
    if coverage < 1 and len(whole) >= 6 and not any(char.isdigit() for char in whole):
        closeness = fuzz.partial_ratio(whole, joined) / 100 if len(whole) < len(joined) else 0.0
        if closeness >= 0.88 and 0.97 * closeness > coverage:
            coverage, weight = 0.97 * closeness, 0.97 * closeness * total
            used = used or {_position(whole, words, joined)}
    if coverage < MIN_COVERAGE or not used:
        return None
    return Match(index, coverage, weight, min(used), frozenset(used))


def _size(part: str) -> float:
    """How much of a label a word is: its characters, little for stop words, more for numbers."""
    return 0.3 if part in _STOP else float(len(part)) if part.isalpha() else len(part) + 2.0


def _find(part: str, words: list[str]) -> tuple[int, float]:
    """(position, closeness) of the question word nearest to one word of a label; closeness 0 when there is none."""
    if part in words:
        return words.index(part), 1.0
    if "/" in part:  # a season named by one of its years
        for year, closeness in ((part[:4], 0.7), (part[:2] + part[-2:], 0.8)):
            if year in words:
                return words.index(year), closeness
        return 0, 0.0
    if len(part) == 2 and part.isdigit() and f"20{part}" in words:  # `Jun 15` for June 2015
        return words.index(f"20{part}"), 0.9
    if not part.isalpha() or len(part) < 4:
        return 0, 0.0
    scores = [fuzz.ratio(part, word) / 100 if word.isalpha() and word[0] == part[0] else 0.0 for word in words]
    best = max(scores, default=0.0)
    return (scores.index(best), 0.95 * best) if best >= 0.8 else (0, 0.0)


def _position(whole: str, words: list[str], joined: str) -> int:
    alignment = fuzz.partial_ratio_alignment(whole, joined)
    start, passed = alignment.dest_start if alignment else 0, 0
    for index, word in enumerate(words):
        passed += len(word)
        if passed > start:
            return index
    return 0
