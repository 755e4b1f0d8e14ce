"""Mathematical equivalence: formulas, numbers, intervals, tuples, sets, ratios, equations, in LaTeX or plain text.

`math-verify` is not used: its time limits are SIGALRM, which Python refuses off the main thread, and without them
nothing bounds it. The reader here bounds length, depth and size, so it needs no clock.
"""

from __future__ import annotations

import re
from functools import lru_cache

from envs.grade import Grader, Mode
from envs.graders.latex import equal_answers, parse_answer
from envs.graders.numbers import parse_quantity
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import boxed, extract, fold, without_prefix
from envs.graders.units import compatible
from envs.task import Task

_MARKUP = re.compile(r"^(?:\\\(|\\\[|\$\$?)\s*|\s*(?:\\\)|\\\]|\$\$?)$")
_BLANKS = re.compile(r"\s+")
_EDGES = " \t\r\n*`\"'"


@register_grader("maths")
def maths(mode: Mode = "robust") -> Grader:
    """The maths grader. `strict`: equal strings but for blanks and dollar signs; `robust`: equal values."""
    return RuleGrader(_strict, max_length=STRICT_MAX_LENGTH) if mode == "strict" else RuleGrader(maths_judge)


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    bare = [_BLANKS.sub("", text).replace("$", "") for text in (answer, gold)]
    return verdict(bare[0] == bare[1], answer, "exact text")


def maths_judge(answer: str, gold: str, task: Task) -> Verdict:
    """Equal text, or equal value."""
    inside, wanted = formula_of(answer), formula_of(gold)
    if inside is None:
        return verdict(False, answer, "several answers")
    if not inside:
        return verdict(False, "", "empty answer")
    if equivalent(inside, gold if wanted is None else wanted):
        return verdict(True, inside, "equivalent")
    return verdict(False, inside, "not equivalent")


def formula_of(text: str) -> str | None:
    """The answer's formula, LaTeX kept: what is boxed, without `The answer is` and a final full stop. None: several."""
    boxes = boxed(text)
    if len(boxes) > 1:
        return None
    text = boxes.pop() if boxes else text
    text = without_prefix(text.strip(_EDGES).rstrip(".,;:").strip(_EDGES))
    return _MARKUP.sub("", text)


@lru_cache(maxsize=1 << 12)
def equivalent(given: str, gold: str, ordered: bool = False) -> bool:
    """Whether two texts are the same mathematics, the same quantity, or the same words.

    Args:
        ordered: values in a row must come in the same order (options of a multiple-choice question).
    """
    if given == gold:
        return bool(given)
    one, two = parse_answer(given), parse_answer(gold)
    if one is not None and two is not None:
        return equal_answers(one, two, ordered)
    plain, wanted = extract(given), extract(gold)
    if plain is None or wanted is None:
        return False
    if one is None and two is None and fold(plain) == fold(wanted):
        return bool(plain)
    number, quantity = parse_quantity(plain), parse_quantity(wanted)
    if number is None or quantity is None or not compatible(number, quantity):
        return False
    return number.value == quantity.value and number.percent == quantity.percent
