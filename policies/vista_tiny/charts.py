"""Charts to learn reading from: variations of the embedded set's training charts, and charts of invented words.

Words alone would teach the model the few hundred labels of the public tables. Invented ones make it copy.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from envs.datasets.embedded import ChartSpec, sample_tables

_ONSETS = (
    *"bcdfghjklmnprstvwz",
    *("br", "ch", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "pl", "pr", "sh", "sl", "sp", "st", "th", "tr"),
)
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ee", "ie", "oa", "ou"]
_CODAS = ["", "", "n", "r", "s", "t", "l", "m", "nd", "st", "rn", "ck"]
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MAX_LABEL = 14
_PUBLIC = 0.5
"""Share of charts that vary the embedded set's training charts; the others are invented."""


@dataclass
class ChartSource:
    """An endless, seeded stream of charts; none is from, or close to, a held-out table of the embedded set."""

    seed: int
    _words: list[str] = field(init=False)
    _measures: list[str] = field(init=False)
    _categories: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        seen = list(sample_tables(self.seed, 600))
        texts = [text for spec in seen for text in (spec.title, *spec.labels, *spec.series)]
        self._words = sorted({word for text in texts for word in text.replace(",", " ").split()})
        self._measures = sorted({spec.measure for spec in seen})
        self._categories = sorted({spec.category for spec in seen})

    def __iter__(self) -> Iterator[ChartSpec]:
        rng = random.Random(self.seed)
        public = sample_tables(self.seed + 1, 10**9)
        while True:
            yield next(public) if rng.random() < _PUBLIC else self._invented(rng)

    def _word(self, rng: random.Random) -> str:
        if rng.random() < 0.5:
            return rng.choice(self._words)
        syllables = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.randint(1, 3))]
        return "".join(syllables) + rng.choice(_CODAS)

    def _label(self, rng: random.Random) -> str:
        match rng.choices(("year", "hour", "date", "number", "code", "name"), (12, 6, 6, 4, 4, 68))[0]:
            case "year":
                return str(rng.randint(1850, 2025))
            case "hour":
                return f"{rng.randint(0, 23):02d}:00"
            case "date":
                return f"{rng.choice(_MONTHS)} {rng.randint(1, 60)}"
            case "number":
                return f"No. {rng.randint(1, 600)}"
            case "code":
                return "".join(rng.choices(string.ascii_uppercase, k=rng.randint(2, 4)))
        word = self._word(rng)
        name = word[0].upper() + word[1:]
        if rng.random() < 0.25:
            second = self._word(rng)
            name += " " + (second if rng.random() < 0.6 else second.capitalize())
        return name[:_MAX_LABEL].strip()

    def _labels(self, rng: random.Random) -> tuple[str, ...]:
        size = rng.randint(3, 7 if rng.random() < 0.9 else 9)
        if rng.random() < 0.3:
            step = rng.choice((1, 1, 1, 2, 5))
            first = rng.randint(1850, 2015)
            return tuple(str(first + step * i) for i in range(size))
        labels: dict[str, None] = {}
        while len(labels) < size:
            labels[self._label(rng)] = None
        return tuple(labels)

    def _column(self, rng: random.Random, size: int, decimals: int) -> tuple[Decimal, ...]:
        top = rng.choice((30, 100, 400, 1000, 4000)) if decimals == 0 else 10 ** (3 - decimals) * rng.choice((0.3, 1.0))
        low = 1 if decimals == 0 else 0.1
        return tuple(Decimal(f"{max(low, rng.uniform(0.03, 1.0) * top):.{decimals}f}") for _ in range(size))

    def _invented(self, rng: random.Random) -> ChartSpec:
        labels = self._labels(rng)
        measure = rng.choice(self._measures)
        if rng.random() < 0.4:
            measure = " ".join(self._word(rng).lower() for _ in range(rng.randint(1, 2)))
        series: tuple[str, ...] = (measure,)
        if rng.random() < 0.25:
            first, second = self._label(rng), self._label(rng)
            if first != second and not {first, second} & set(labels):
                series = (first, second)
        category = rng.choice(self._categories)
        if rng.random() < 0.2:
            word = self._word(rng).lower()
            category = (word, word + "s")
        title = " ".join(self._word(rng) for _ in range(rng.randint(2, 5))).capitalize()
        if rng.random() < 0.4:
            title += f", {rng.randint(1850, 2020)}"
        if rng.random() < 0.3:
            title += f" ({self._word(rng)})"
        decimals = rng.choice((0, 0, 1, 1, 2))
        return ChartSpec(
            kind="h_bar" if len(series) == 1 else "v_bar",
            title=title,
            measure=measure,
            category=category,
            labels=labels,
            series=series,
            values=tuple(self._column(rng, len(labels), decimals) for _ in series),
            decimals=decimals,
            source="invented",
            style=rng.randrange(1 << 30),
        )
