"""Questions about a `ChartSpec`, with answers computed from its printed numbers. Rows are named as they are printed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from envs.datasets.embedded_spec import ChartSpec

QuestionKind = Literal["retrieve", "compare", "count", "difference", "yes_no"]


@dataclass(frozen=True, slots=True)
class Question:
    """Attributes:
    kind: what it takes to answer.
    query: the question.
    label: the answer, written as ChartQA writes it.
    program: operation and operands, enough to compute the answer from the table: `("difference", series, a, b)`.
    """

    kind: QuestionKind
    query: str
    label: str
    program: tuple[str, ...]


_RETRIEVE = (
    "What is the {measure} {prep} {a}?",
    "What was the {measure} {prep} {a}?",
    "How much is the {measure} {prep} {a}?",
    "What {measure} is shown for {a}?",
    "What {measure} does the chart show for {a}?",
)
_EXTREME = {
    "max": (
        "Which {one} has the highest {measure}?",
        "Which {one} shows the largest {measure}?",
        "What is the {one} with the highest {measure}?",
        "Which {one} is the greatest in {measure}?",
    ),
    "min": (
        "Which {one} has the lowest {measure}?",
        "Which {one} shows the smallest {measure}?",
        "What is the {one} with the lowest {measure}?",
        "Which {one} is the least in {measure}?",
    ),
    "second_max": (
        "Which {one} has the second highest {measure}?",
        "Which {one} shows the second largest {measure}?",
        "What is the {one} with the second highest {measure}?",
        "Which {one} ranks second in {measure}?",
    ),
}
_HIGHER_OF_TWO = (
    "Which has the higher {measure}, {a} or {b}?",
    "Which {one} has a higher {measure}, {a} or {b}?",
    "Between {a} and {b}, which has the larger {measure}?",
    "Which is larger in {measure}, {a} or {b}?",
)
_LOWER_OF_TWO = (
    "Which has the lower {measure}, {a} or {b}?",
    "Which {one} has a lower {measure}, {a} or {b}?",
    "Between {a} and {b}, which has the smaller {measure}?",
    "Which is smaller in {measure}, {a} or {b}?",
)
_COUNT_ROWS = (
    "How many {many} are shown in the chart?",
    "How many {many} does the chart show?",
    "How many {many} are there in the chart?",
    "What is the number of {many} in the chart?",
)
_COUNT_ABOVE = (
    "How many {many} have a {measure} above {t}?",
    "How many {many} have a {measure} greater than {t}?",
    "In how many {many} is the {measure} over {t}?",
    "For how many {many} is the {measure} more than {t}?",
)
_COUNT_BELOW = (
    "How many {many} have a {measure} below {t}?",
    "How many {many} have a {measure} less than {t}?",
    "In how many {many} is the {measure} under {t}?",
    "For how many {many} is the {measure} smaller than {t}?",
)
_DIFFERENCE = (
    "What is the difference in {measure} between {a} and {b}?",
    "How much higher is the {measure} {prep} {a} than {prep} {b}?",
    "By how much does the {measure} of {a} exceed that of {b}?",
    "What is the gap in {measure} between {a} and {b}?",
)
_RANGE = (
    "What is the difference between the highest and the lowest {measure}?",
    "How far apart are the highest and the lowest {measure}?",
    "What is the gap between the largest and the smallest {measure}?",
    "By how much does the highest {measure} exceed the lowest {measure}?",
)
_IS_HIGHER = (
    "Is the {measure} {prep} {a} higher than {prep} {b}?",
    "Is the {measure} of {a} greater than that of {b}?",
    "Does {a} have a higher {measure} than {b}?",
    "Is {a} larger than {b} in {measure}?",
)
_IS_LOWER = (
    "Is the {measure} {prep} {a} lower than {prep} {b}?",
    "Is the {measure} of {a} smaller than that of {b}?",
    "Does {a} have a lower {measure} than {b}?",
    "Is {a} smaller than {b} in {measure}?",
)
_IS_ABOVE = (
    "Is the {measure} {prep} {a} above {t}?",
    "Is the {measure} of {a} greater than {t}?",
    "Does {a} have a {measure} above {t}?",
    "Is the {measure} {prep} {a} more than {t}?",
)


class _Asker:
    """One series of a chart, seen as a source of questions."""

    def __init__(self, spec: ChartSpec, series: int, rng: random.Random) -> None:
        self.spec, self.rng, self.name = spec, rng, spec.series[series]
        self.value = dict(zip(spec.labels, spec.values[series], strict=True))
        self.measure = spec.measure if len(spec.series) == 1 else f"{self.name} {spec.measure}"
        self.order = sorted(self.value, key=lambda row: self.value[row])

    def ask(self, kind: QuestionKind, forms: tuple[str, ...], label: str, *program: str, **words: str) -> Question:
        one, many = self.spec.category
        prep = "in" if self.spec.temporal else "for"
        query = self.rng.choice(forms).format(measure=self.measure, one=one, many=many, prep=prep, **words)
        return Question(kind, query, label, (program[0], self.name, *program[1:]))

    def pair(self) -> tuple[str, str] | None:
        """Two rows of different numbers, the larger one first."""
        for _ in range(8):
            a, b = self.rng.sample(list(self.value), 2)
            if self.value[a] != self.value[b] and not (a in b or b in a):
                return (a, b) if self.value[a] > self.value[b] else (b, a)
        return None

    def threshold(self) -> str | None:
        """A round number between two neighbouring numbers, equal to neither."""
        gaps = [(self.value[x], self.value[y]) for x, y in itertools.pairwise(self.order)]
        low, high = self.rng.choice(gaps)
        for step in (100, 50, 10, 5, 1, Decimal("0.5"), Decimal("0.1"), Decimal("0.05")):
            candidate = (low // Decimal(step) + 1) * Decimal(step)
            if low < candidate < high:
                return f"{candidate.normalize():f}"
        return None

    def retrieve(self) -> Question | None:
        row = self.rng.choice(list(self.value))
        return self.ask("retrieve", _RETRIEVE, self.spec.text(self.value[row]), "value", row, a=row)

    def compare(self) -> Question | None:
        if self.rng.random() < 0.35:
            found = self.pair()
            if found is None:
                return None
            a, b = self.rng.sample(found, 2)
            if self.rng.random() < 0.5:
                return self.ask("compare", _HIGHER_OF_TWO, found[0], "higher", a, b, a=a, b=b)
            return self.ask("compare", _LOWER_OF_TWO, found[1], "lower", a, b, a=a, b=b)
        which = self.rng.choice(("max", "max", "min", "min", "second_max"))
        rank = {"max": -1, "min": 0, "second_max": -2}[which]
        row = self.order[rank]
        if sum(value == self.value[row] for value in self.value.values()) > 1:
            return None
        if which == "second_max" and self.value[self.order[-1]] == self.value[row]:
            return None
        return self.ask("compare", _EXTREME[which], row, which)

    def count(self) -> Question | None:
        if self.rng.random() < 0.4:
            return self.ask("count", _COUNT_ROWS, str(len(self.value)), "rows")
        limit = self.threshold()
        if limit is None:
            return None
        above = sum(value > Decimal(limit) for value in self.value.values())
        if self.rng.random() < 0.6:
            return self.ask("count", _COUNT_ABOVE, str(above), "above", limit, t=limit)
        return self.ask("count", _COUNT_BELOW, str(len(self.value) - above), "below", limit, t=limit)

    def difference(self) -> Question | None:
        if self.rng.random() < 0.25:
            gap = self.value[self.order[-1]] - self.value[self.order[0]]
            return self.ask("difference", _RANGE, self.spec.text(gap), "range") if gap else None
        found = self.pair()
        if found is None:
            return None
        gap = self.value[found[0]] - self.value[found[1]]
        return self.ask("difference", _DIFFERENCE, self.spec.text(gap), "difference", *found, a=found[0], b=found[1])

    def yes_no(self) -> Question | None:
        wanted = self.rng.random() < 0.5  # drawn first, so that both answers are equally frequent
        label = "Yes" if wanted else "No"
        if self.rng.random() < 0.3:
            limit = self.threshold()
            rows = [row for row, value in self.value.items() if limit and (value > Decimal(limit)) == wanted]
            if limit is None or not rows:
                return None
            row = self.rng.choice(rows)
            return self.ask("yes_no", _IS_ABOVE, label, "is_above", row, limit, a=row, t=limit)
        found = self.pair()
        if found is None:
            return None
        if self.rng.random() < 0.5:
            a, b = found if wanted else found[::-1]
            return self.ask("yes_no", _IS_HIGHER, label, "is_higher", a, b, a=a, b=b)
        a, b = found[::-1] if wanted else found
        return self.ask("yes_no", _IS_LOWER, label, "is_lower", a, b, a=a, b=b)


_KINDS: tuple[tuple[QuestionKind, float], ...] = (
    ("retrieve", 0.40), ("compare", 0.17), ("count", 0.10), ("difference", 0.15), ("yes_no", 0.18),
)  # fmt: skip


_SEEN_WITHOUT_NUMBERS = {"rows", "max", "min", "second_max", "higher", "lower", "is_higher", "is_lower"}
"""Operations that can be carried out on marks that carry no numbers."""


def questions_for(spec: ChartSpec, rng: random.Random, n: int | None = None) -> list[Question]:
    """`n` (four or five by default) different questions about the chart, kinds drawn in the set's proportions."""
    wanted = rng.choice((4, 5)) if n is None else n
    found: dict[tuple[str, ...], Question] = {}
    for kind in _draw_kinds(rng, attempts=20 * wanted):
        asker = _Asker(spec, rng.randrange(len(spec.series)), rng)
        question: Question | None = getattr(asker, kind)()
        if question is not None and (spec.labelled or question.program[0] in _SEEN_WITHOUT_NUMBERS):
            found.setdefault(question.program, question)
        if len(found) == wanted:
            break
    return list(found.values())


def _draw_kinds(rng: random.Random, attempts: int) -> Iterator[QuestionKind]:
    kinds, weights = zip(*_KINDS, strict=True)
    return iter(rng.choices(kinds, weights, k=attempts))
