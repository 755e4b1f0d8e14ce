"""What kind of question it is, read from its wording alone (upstream's thirteen types)."""

from __future__ import annotations

import re
from typing import Literal, get_args

QuestionType = Literal[
    "yes_no", "counting", "average", "difference", "ratio", "summation", "percentage", "comparison", "minmax", "trend",
    "numerical", "retrieval", "other",
]  # fmt: skip
QUESTION_TYPES: tuple[QuestionType, ...] = get_args(QuestionType)

_AUXILIARY = r"is|are|was|were|do|does|did|has|have|had|can|could|will|would|should"
_RULES: tuple[tuple[QuestionType, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))  # type: ignore[misc]
    for kind, pattern in (
        ("yes_no", rf"^(?:{_AUXILIARY})\b(?!.*\bor\b)|\byes or no\b|\btrue or false\b"),
        ("average", r"\b(?:average|mean|median|mode)\b"),
        (
            "difference",
            r"\b(?:difference|gap|how (?:much|many) (?:more|less|fewer|higher|lower|greater|larger)|change[ds]?)\b",
        ),
        ("ratio", r"\bratio\b|\bhow many times\b|\bdivided? by\b"),
        ("summation", r"\b(?:sum|total|altogether|combined|added?|adding)\b"),
        (
            "minmax",
            r"\b(?:highest|lowest|maximum|minimum|largest|smallest|biggest|most|least|greatest|longest|shortest|peak)\b",
        ),
        ("comparison", r"\b(?:more|less|fewer|higher|lower|greater|larger|smaller|above|below|exceeds?) than\b|\bor\b"),
        ("trend", r"\b(?:trend|increas\w+|decreas\w+|ris(?:e|ing)|fall(?:ing)?|grow\w*|declin\w+)\b"),
        ("counting", r"\b(?:how many|number of|count)\b"),
        ("percentage", r"\b(?:percent\w*|share|proportion|fraction)\b|%"),
        ("numerical", r"\b(?:how much|value|amount|price|rate)\b"),
        ("retrieval", r"^(?:what|which|who|whose|when|where|in (?:which|what))\b"),
    )
)


def question_type(question: str) -> QuestionType:
    """The first type whose wording is found; `other` when none is."""
    question = question.strip()
    return next((kind for kind, pattern in _RULES if pattern.search(question)), "other")
