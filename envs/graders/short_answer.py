"""Short answers of mixed kinds (MathV360K, ThinkVL): an option, yes or no, mathematics, or words, as the gold is."""

from __future__ import annotations

import re

from envs.grade import Grader, Mode
from envs.graders.choice import choice_judge, gold_index
from envs.graders.exact import exact_judge
from envs.graders.maths import maths_judge
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import extract
from envs.task import Task

_WRAPPER = re.compile(r"^\s*(?:the answer is|answer:)\s*", re.IGNORECASE)
_LETTER = re.compile(r"\(?([A-Ha-h])\)?\.?")
_LETTERED = re.compile(
    r"(?:(?:option|choice)\s*)?(?:\(([A-Za-z])\)|([A-Za-z]))\s*(?:[.:)]\s*(.*))?", re.DOTALL | re.IGNORECASE
)


@register_grader("short_answer")
def short_answer(mode: Mode = "robust") -> Grader:
    """The short-answer grader.

    `strict`: equal texts but for case after taking `The answer is` off both, or the option's letter. `robust`: options
    by letter, text or value; a gold letter without known options by the letter; all else as mathematics or exact text.
    """
    return RuleGrader(_strict, max_length=STRICT_MAX_LENGTH) if mode == "strict" else RuleGrader(_robust)


def unwrapped(text: str) -> str:
    """Without `The answer is` and a final full stop."""
    return _WRAPPER.sub("", text).strip().removesuffix(".")


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    given, golds = unwrapped(answer), {unwrapped(gold).lower()}
    if task.choices:
        golds.add(chr(ord("a") + gold_index(gold, task)))
    return verdict(given.lower() in golds, given, "exact text")


def _robust(answer: str, gold: str, task: Task) -> Verdict:
    gold = unwrapped(gold)
    if task.choices:
        return choice_judge(answer, gold, task)
    letter = _LETTER.fullmatch(gold)
    if letter is not None:
        return _letter(answer, letter[1])
    exact = exact_judge(answer, gold, task)
    return exact if exact.score == 1.0 else maths_judge(answer, gold, task)


def _letter(answer: str, gold: str) -> Verdict:
    """The gold is the letter of an option that the record does not list; what follows the letter is its text."""
    plain = extract(answer)
    match = _LETTERED.fullmatch(plain) if plain else None
    if match is None:
        return verdict(False, answer, "no option named")
    rest = match[3] or ""
    other = _LETTERED.fullmatch(rest)
    if other is not None and (other[1] or other[2]).upper() != (match[1] or match[2]).upper():
        return verdict(False, answer, "several options named")
    return verdict((match[1] or match[2]).upper() == gold.upper(), plain or "", "letter")
