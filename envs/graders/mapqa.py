"""Set match (MapQA): a list is right when it has all its elements and no other; a value when it is the value."""

from __future__ import annotations

import json
import re
from collections import Counter

from envs.grade import Grader, Mode
from envs.graders.exact import exact_judge
from envs.graders.numbers import parse_quantity
from envs.graders.registry import register_grader
from envs.graders.rule import RuleGrader, Verdict, verdict
from envs.graders.text import extract, fold
from envs.task import Task

_STATE_WORDS = (
    "al alabama ak alaska az arizona ar arkansas ca california co colorado ct connecticut de delaware fl florida ga "
    "georgia hi hawaii id idaho il illinois in indiana ia iowa ks kansas ky kentucky la louisiana me maine md "
    "maryland ma massachusetts mi michigan mn minnesota ms mississippi mo missouri mt montana ne nebraska nv nevada "
    "nh new_hampshire nj new_jersey nm new_mexico ny new_york nc north_carolina nd north_dakota oh ohio ok oklahoma "
    "or oregon pa pennsylvania ri rhode_island sc south_carolina sd south_dakota tn tennessee tx texas ut utah vt "
    "vermont va virginia wa washington wv west_virginia wi wisconsin wy wyoming dc district_of_columbia"
)
_STATES = _STATE_WORDS.split()
STATES = {short: name.replace("_", " ") for short, name in zip(_STATES[::2], _STATES[1::2], strict=True)}
"""Postal abbreviations of the states that MapQA's maps show, lower case."""
_SEPARATOR = re.compile(r"\s*(?:[;\n|]|,(?![0-9]{3}(?![0-9])))\s*(?:and\s+)?|\s+and\s+", re.IGNORECASE)
_BULLET = re.compile(r"^(?:[-*•]|[0-9]{1,2}[.)])\s+")
_RANGE = re.compile(r"\s*([^\d\s-]?[\d.,]+\s*[%\w]*)\s*(?:-+|–|—|\bto\b)\s*([^\d\s-]?[\d.,]+\s*[%\w]*)\s*")
_MAX_ELEMENTS = 200
_LONGEST_RANGE = 60
"""Characters: the pattern of a range takes time that grows faster than its text."""


@register_grader("mapqa")
def mapqa(mode: Mode = "robust") -> Grader:
    """The set-match grader. Lists are `[...]` (JSON or plain) in the gold, or metadata `answer_list`."""
    return RuleGrader(_strict if mode == "strict" else _robust, max_length=4000)


def gold_list(gold: str, task: Task) -> list[str] | None:
    """Elements of a list gold; None for a single value."""
    listed = task.metadata.get("answer_list")
    if isinstance(listed, list | tuple):
        return [str(item) for item in listed]
    gold = gold.strip()
    if not (gold.startswith("[") and gold.endswith("]")):
        return None
    try:
        read = json.loads(gold)
    except (ValueError, RecursionError):
        return elements(gold[1:-1])
    return [str(item) for item in read]


def elements(text: str) -> list[str]:
    """Elements of `A, B and C`, of lines, of `[A, B]`; a comma inside 1,000 does not separate."""
    parts = (_BULLET.sub("", part.strip()).strip(" '\"`*.") for part in _SEPARATOR.split(text.strip().strip("[]")))
    return [part for part in parts if part][: _MAX_ELEMENTS + 1]


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    """Equal sets of strings, split at `, `; equal strings for a value."""
    listed = gold_list(gold, task)
    if listed is None:
        return verdict(answer == gold, answer, "exact text")
    given = gold_list(answer, Task("", "", "", "")) or answer.split(", ")
    return verdict(set(given) == set(listed), answer, "set")


def _robust(answer: str, gold: str, task: Task) -> Verdict:
    listed = gold_list(gold, task)
    if listed is None:
        return _value(answer, gold, task)
    plain = extract(answer)
    if plain is None:
        return verdict(False, answer, "several answers")
    given = Counter(map(_name, elements(plain)))
    wanted = Counter(map(_name, listed))
    missing, extra = len(wanted.keys() - given.keys()), len(given.keys() - wanted.keys())
    return verdict(not missing and not extra, plain, f"{missing} missing, {extra} too many")


def _name(text: str) -> str:
    """Comparable name of an element: a state in full, a range or a number by value."""
    folded = fold(text)
    if ends := read_range(text):
        return f"{ends[0]!r} to {ends[1]!r}"
    quantity = parse_quantity(text)
    if quantity is not None and any(c.isdigit() for c in text):
        return f"{quantity.value!r} {quantity.unit}"
    return STATES.get(folded.replace(".", ""), folded)


def read_range(text: str) -> tuple[float, float] | None:
    """Both ends of `1,231,000-4,782,400` or `5 % to 10 %`; None for anything else."""
    match = _RANGE.fullmatch(text) if len(text) <= _LONGEST_RANGE else None
    if match is None:
        return None
    low, high = parse_quantity(match[1].strip()), parse_quantity(match[2].strip())
    if low is None or high is None:
        return None
    scale = high.scale if low.scale == 1 else low.scale  # 1 - 2 million
    return low.mantissa * scale, high.value


def _value(answer: str, gold: str, task: Task) -> Verdict:
    plain = extract(answer)
    if plain is None:
        return verdict(False, answer, "several answers")
    ends = read_range(gold)
    if ends is not None:
        return verdict(read_range(plain) == ends, plain, "range, both ends")
    if plain and _name(plain) == _name(gold):
        return verdict(True, plain, "same name")
    return exact_judge(answer, gold, task)
