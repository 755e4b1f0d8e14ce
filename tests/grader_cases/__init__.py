"""Labelled cases of every grader: what an answer's verdict must be. Written by hand, one module a group of metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from envs.task import Task


class Case(NamedTuple):
    """One labelled answer."""

    grader: str
    mode: str
    gold: str
    answer: str
    right: bool
    config: Mapping[str, Any]
    choices: tuple[str, ...]
    metadata: Mapping[str, Any]
    answers: tuple[str, ...]
    question: str
    score: float | None

    def task(self) -> Task:
        return Task(
            "t1", "x", self.question, self.gold, answers=self.answers, choices=self.choices, metadata=self.metadata
        )

    @property
    def label(self) -> str:
        verdict = "right" if self.right else "wrong"
        return f"{self.grader}-{self.mode}-{self.gold[:30]!r}-{self.answer[:30]!r}-{verdict}"


def cases(
    grader: str,
    mode: str,
    rows: Iterable[tuple[Any, ...]],
    *,
    choices: tuple[str, ...] = (),
    question: str = "What is it?",
    config: Mapping[str, Any] | None = None,
    **metadata: Any,
) -> list[Case]:
    """Cases of rows `(gold, answer, right)` or `(gold, answer, right, score)`; a tuple of golds is `answers`."""
    made = []
    for gold, answer, right, *score in rows:
        golds = gold if isinstance(gold, tuple) else ()
        one = golds[0] if golds else gold
        expected = score[0] if score else None
        made.append(Case(grader, mode, one, answer, right, config or {}, choices, metadata, golds, question, expected))
    return made


LONG = [
    ("", False),
    ("   ", False),
    ("...", False),
    ("\x00", False),
    ("\ud800", False),
    ("x" * 100_000, False),
    ("7 " * 50_000, False),
    (r"\boxed{" * 130, False),
    ("(" * 900, False),
    ("nan", False),
    ("inf", False),
    ("1e999", False),
    ("<think>{gold}</think>", False),
    ("not {gold}", False),
]
"""What is wrong under every grader, whatever the gold."""


def hopeless(gold: str, *, but: tuple[str, ...] = ()) -> list[tuple[str, str, bool]]:
    """Rows of `LONG` for a gold; `but` leaves some out."""
    return [(gold, answer.replace("{gold}", gold), right) for answer, right in LONG if answer not in but]
