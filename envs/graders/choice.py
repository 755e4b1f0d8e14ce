"""Multiple choice: which option an answer names, by its letter, its text, its value or its place in the list."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import NamedTuple

from envs.grade import Grader, Mode
from envs.graders.maths import equivalent
from envs.graders.numbers import parse_quantity, plain_number
from envs.graders.registry import GradingError, register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import extract, fold
from envs.graders.units import compatible
from envs.plugins import PluginConfigError
from envs.task import Task

_NOUN = r"(?:option|choice|letter|answer)"
_LETTER = re.compile(rf"(?:{_NOUN}\s*)?[(\[]?\s*([A-Za-z])\s*[)\]]?\s*[.:)]?", re.IGNORECASE)
_LETTER_AND_REST = re.compile(r"(?:\(([A-Za-z])\)|([A-Za-z])\s*[.:)]|([A-Z])\s*(?:-+|,|;|\s(?=because\b)))\s*(.+)", re.DOTALL)
_REASON = re.compile(r"(?:because|since|as|for)\s", re.IGNORECASE)
_INDEX = re.compile(rf"(?:{_NOUN}\s*|number\s*|#)?\(?([0-9]{{1,2}})\)?\.?", re.IGNORECASE)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_ORDINAL = re.compile(rf"({'|'.join(_ORDINALS)})(?:\s+(?:option|choice|answer|image|picture|one))?", re.IGNORECASE)
_SAYING = re.compile(
    r"(?:i\s+(?:would\s+)?(?:choose|pick|select)\s+)|"
    r"(?:the\s+)?(?:correct\s+|right\s+|best\s+)?(?:option|choice|letter)\s*(?:is|was|:|=)\s*",
    re.IGNORECASE,
)
_CORRECT = re.compile(r"\s+is\s+(?:the\s+)?(?:correct|right)(?:\s+(?:answer|option|choice))?$", re.IGNORECASE)
_OFFICIAL = re.compile(r"The answer is ([A-Z])\.")


@register_grader("multiple_choice")
def multiple_choice(mode: Mode = "robust", index_base: int = 1) -> Grader:
    """The multiple-choice grader (ScienceQA, AI2D ...).

    Args:
        mode: `strict`: the letter alone, the option's text to the character, or one `The answer is B.` (ScienceQA's
            published pattern). `robust`: `(B)`, `B.`, `option B`, `B. text`, the text, its value or its place as well.
        index_base: number of the first option when an answer gives its place.

    Raises:
        PluginConfigError: `index_base` is neither 0 nor 1.
    """
    if index_base not in (0, 1):
        raise PluginConfigError(f"grader 'multiple_choice': index_base must be 0 or 1, got {index_base!r}")
    if mode == "strict":
        return ChoiceGrader(strict_choice, STRICT_MAX_LENGTH)
    return ChoiceGrader(partial(choice_judge, index_base=index_base))


class ChoiceGrader(RuleGrader):
    """A `RuleGrader` for one gold: `answers` of a multiple-choice task are those of its open variant."""

    def __init__(self, judge: object, max_length: int = 1000) -> None: ...


class Named(NamedTuple):
    """Attributes:
    index: place of the option that an answer names; None when it names none, or several.
    reason: how it was found, or why it was not.
    """

    index: int | None
    reason: str
