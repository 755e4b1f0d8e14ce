"""ANLS (DocVQA, InfographicVQA): average normalised Levenshtein similarity (Biten et al. 2019), cut off at 0.5."""

from __future__ import annotations

import itertools
import math
import re
from functools import partial

from rapidfuzz.distance import Levenshtein

from envs.grade import Grader, Mode
from envs.graders.numbers import parse_quantity
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict
from envs.graders.text import extract
from envs.graders.units import compatible
from envs.plugins import PluginConfigError
from envs.task import Task

_DIGITS = re.compile(r"[0-9]+")
_SPANS = re.compile(r"\s*(?:[;\n]|,(?![0-9]{3}(?![0-9]))|\band\b)\s*", re.IGNORECASE)
_MAX_PERMUTED = 5
"""Spans whose every order the strict rule tries, as the release lists them."""


@register_grader("anls")
def anls(mode: Mode = "robust", threshold: float = 0.5) -> Grader:
    """The ANLS grader. An answer is correct when its similarity reaches the threshold; below it the score is 0.

    `robust` compares extracted answers, wants numbers to be equal (edit distance forgives misread letters, and 1985 is
    no misread 1990), and pairs the spans of a multi-span answer in any order, none missing and none left over.

    Args:
        mode: `strict` or `robust`.
        threshold: smallest similarity that counts; 0.5 is official.

    Raises:
        PluginConfigError: the threshold is not within 0 to 1.
    """
    if not (isinstance(threshold, int | float) and 0 < threshold <= 1):
        raise PluginConfigError(f"grader 'anls': threshold must be above 0 and at most 1, got {threshold!r}")
    judge = partial(_strict if mode == "strict" else _robust, threshold=float(threshold))
    return RuleGrader(judge, float(threshold), STRICT_MAX_LENGTH if mode == "strict" else 1000)


def is_multi_span(task: Task) -> bool:
    """Whether the gold is a list whose order does not matter (InfographicVQA's `answer_type`)."""
    kinds = task.metadata.get("answer_type")
    return "multi-span" in (kinds if isinstance(kinds, list | tuple) else (kinds,))


def _plain(text: str) -> str:
    return " ".join(text.strip().lower().split())


def _official(answer: str, gold: str) -> float:
    """The distance is between folded texts, the length that of the texts as given."""
    length = max(len(gold.upper()), len(answer.upper()))
    return 1.0 - Levenshtein.distance(_plain(gold), _plain(answer)) / length if length else 1.0


def _strict(answer: str, gold: str, task: Task, threshold: float) -> Verdict:
    golds = [gold]
    if is_multi_span(task):
        spans = gold.split(", ")
        if 1 < len(spans) <= _MAX_PERMUTED:
            golds = [", ".join(order) for order in itertools.permutations(spans)]
    return _cut(max(_official(answer, one) for one in golds), answer, threshold)


def _cut(similarity: float, extracted: str, threshold: float) -> Verdict:
    return Verdict(similarity if similarity >= threshold else 0.0, extracted, "similarity")


def _robust(answer: str, gold: str, task: Task, threshold: float) -> Verdict:
    plain = extract(answer)
    if plain is None:
        return Verdict(0.0, answer, "several answers")
    if is_multi_span(task):
        return _robust_spans(plain, gold, threshold)
    similarity, reason = _similarity(plain, extract(gold) or gold)
    return Verdict(similarity if similarity >= threshold else 0.0, plain, reason)


def _similarity(given: str, gold: str) -> tuple[float, str]:
    one, two = _plain(given), _plain(gold)
    if one == two:
        return (1.0, "exact text") if one else (0.0, "empty answer")
    quantity = parse_quantity(gold)
    if quantity is not None and any(c.isdigit() for c in gold):
        number = parse_quantity(given)
        if number is None:
            return 0.0, "not one number"
        if number.value != quantity.value or not compatible(number, quantity):
            return 0.0, "different number"
        if number.percent >= quantity.percent:
            return 1.0, "number"
    if "".join(_DIGITS.findall(one)) != "".join(_DIGITS.findall(two)):
        return 0.0, "different digits"
    return 1.0 - Levenshtein.distance(one, two) / max(len(one), len(two)), "similarity"


def _robust_spans(answer: str, gold: str, threshold: float) -> Verdict:
    """Every gold span paired with its most similar given span; the score is the mean, 0 when one is missing."""
    given, left = _spans(answer), _spans(gold)
    if len(given) != len(left):
        return Verdict(0.0, answer, f"{len(given)} spans, not {len(left)}")
    total = 0.0
    pairs = sorted(
        ((_similarity(one, two)[0], i, j) for i, one in enumerate(given) for j, two in enumerate(left)), reverse=True
    )
    used: tuple[set[int], set[int]] = (set(), set())
    for similarity, i, j in pairs:
        if i not in used[0] and j not in used[1]:
            if similarity < threshold:
                return Verdict(0.0, answer, "a span is wrong")
            used[0].add(i)
            used[1].add(j)
            total += similarity
    mean = total / len(left) if left else 0.0
    return Verdict(mean if math.isfinite(mean) else 0.0, answer, "spans in any order")


def _spans(text: str) -> list[str]:
    return [part for part in _SPANS.split(text.strip().strip("[]")) if part]
