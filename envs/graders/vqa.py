"""VQA consensus (VizWiz): agreement with ten annotators, each left out in turn (Antol et al. 2015)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from envs.grade import Grade, Grader, Mode
from envs.graders.registry import register_grader
from envs.graders.rule import MAX_LENGTH, STRICT_MAX_LENGTH, golds_of
from envs.graders.text import extract
from envs.graders.vqa_text import one_line, processed
from envs.plugins import PluginConfigError
from envs.task import Task

ENOUGH = 3
"""Annotators whose agreement makes an answer fully right."""
_REFUSALS = """
unanswerable
cannot be answered
can't be answered
not answerable
cannot be determined
can't be determined
unclear
cannot tell
can't tell
cannot determine
can't determine
unknown
not enough information
i don't know
don't know
"""
_UNANSWERABLE = frozenset(_REFUSALS.strip().splitlines())


@register_grader("vqa")
def vqa(mode: Mode = "robust", threshold: float = 0.5) -> Grader:
    """The VQA consensus grader; `answers` are all annotators' answers, repetitions included.

    `strict` processes texts as the official scorer does (not at all when all annotators agree); `robust` extracts the
    answer first, always processes, and reads the usual refusals as VizWiz's `unanswerable`.

    Args:
        mode: `strict` or `robust`.
        threshold: smallest score of a correct answer; with ten annotators, two that agree give 0.6.

    Raises:
        PluginConfigError: the threshold is not within 0 to 1.
    """
    if not (isinstance(threshold, int | float) and 0 < threshold <= 1):
        raise PluginConfigError(f"grader 'vqa': threshold must be above 0 and at most 1, got {threshold!r}")
    return ConsensusGrader(mode, float(threshold))


@dataclass(frozen=True, slots=True)
class ConsensusGrader:
    """Attributes:
    mode: `strict` or `robust`.
    threshold: smallest score of a correct answer.
    leave_one_out: average over the annotators, each left out (VQA), or count all of them (A-OKVQA).
    """

    mode: Mode
    threshold: float
    leave_one_out: bool = True

    def __call__(self, answer: str, task: Task) -> Grade:
        """Grades the text inside `<answer>`. Raises `GradingError` when the task has no gold answer."""
        golds = golds_of(task)
        if len(answer) > (MAX_LENGTH if self.mode == "robust" else STRICT_MAX_LENGTH):
            return Grade(False, 0.0, answer[:MAX_LENGTH], "too long for an answer")
        if self.mode == "robust":
            given, counts = read_answer(answer), _counts(golds)
        elif self.leave_one_out:
            given, counts = _official(answer, golds)
        else:
            given, counts = answer, Counter(golds)
        votes = counts[given]
        score = consensus(votes, len(golds)) if self.leave_one_out else min(votes / ENOUGH, 1.0)
        return Grade(score >= self.threshold, score, given, f"{votes} of {len(golds)} annotators")


def consensus(votes: int, annotators: int) -> float:
    """Mean over the annotators of min(matches among the others / 3, 1)."""
    if annotators == 1:
        return 1.0 if votes else 0.0  # nobody else: one gold that is no vote (other data sets)
    agreeing, others = min((votes - 1) / ENOUGH, 1.0), min(votes / ENOUGH, 1.0)
    return (votes * agreeing + (annotators - votes) * others) / annotators if votes else 0.0


def _official(answer: str, golds: Sequence[str]) -> tuple[str, Counter[str]]:
    lines = [one_line(gold) for gold in golds]
    given = one_line(answer)
    if len(set(lines)) > 1:
        return processed(given), Counter(processed(line) for line in lines)
    return given, Counter(lines)


def read_answer(text: str) -> str:
    """The extracted and processed answer; empty when several are boxed."""
    plain = processed(extract(text) or "")
    return "unanswerable" if plain in _UNANSWERABLE else plain


@lru_cache(maxsize=1 << 12)
def _counts(golds: tuple[str, ...]) -> Counter[str]:
    counts = Counter(processed(gold) for gold in golds)
    del counts[""]
    return counts
