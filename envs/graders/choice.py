"""Multiple choice: which option an answer names, by its letter, its text, its value or its place in the list."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import NamedTuple

from envs.grade import Grader, Mode
from envs.graders.maths import equivalent, formula_of
from envs.graders.numbers import parse_quantity
from envs.graders.registry import GradingError, register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import extract, fold
from envs.graders.units import compatible
from envs.plugins import PluginConfigError
from envs.task import Task

_NOUN = r"(?:option|choice|letter|answer)"
_LETTER = re.compile(rf"(?:{_NOUN}\s*)?[(\[]?\s*([A-Za-z])\s*[)\]]?\s*[.:)]?", re.IGNORECASE)
_LETTER_AND_REST = re.compile(
    r"(?:\(([A-Za-z])\)[.:]?|([A-Za-z])\s*[.:)]|([A-Z])\s*(?:[-,;]|(?=\bbecause\b)))\s*(.+)", re.DOTALL
)
_REASON = re.compile(r"(?:because|since|as)\s", re.IGNORECASE)
_INDEX = re.compile(rf"(?:{_NOUN}\s*|number\s*|#)?\(?([0-9]{{1,2}})\)?\.?", re.IGNORECASE)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_ORDINAL = re.compile(rf"({'|'.join(_ORDINALS)})(?:\s+(?:option|choice|answer|image|picture|one))?", re.IGNORECASE)
_SAYING = re.compile(
    r"i\s+(?:would\s+)?(?:choose|pick|select)\s+|"
    r"(?:the\s+)?(?:correct\s+|right\s+|best\s+)?(?:option|choice|letter)\s*(?:is|was|:|=)\s*",
    re.IGNORECASE,
)
_CORRECT = re.compile(r"\s+is\s+(?:the\s+)?(?:correct|right)(?:\s+(?:answer|option|choice))?$", re.IGNORECASE)
_QUICK = re.compile(r"(?:The answer is )?\(?([A-Z])\)?\.?")
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
        return RuleGrader(strict_choice, max_length=STRICT_MAX_LENGTH)
    return RuleGrader(partial(choice_judge, index_base=index_base))


class Named(NamedTuple):
    """Attributes:
    place: of the option that an answer names, from 0; None when it names none, or several.
    reason: how it was found, or why it was not.
    """

    place: int | None
    reason: str


def letter_index(letter: str) -> int:
    """0 for A or a."""
    return ord(letter.upper()) - ord("A")


@lru_cache(maxsize=1 << 13)
def gold_choice(gold: str, choices: tuple[str, ...]) -> int | None:
    """Place of the gold: an option's text (exactly, then folded) before a letter. None when it is neither."""
    if gold in choices:
        return choices.index(gold)
    folded = [fold(choice) for choice in choices]
    if fold(gold) in folded:
        return folded.index(fold(gold))
    letter = gold.strip("() .")
    if len(letter) == 1 and letter.isascii() and letter.isalpha() and letter_index(letter) < len(choices):
        return letter_index(letter)
    return None


def gold_index(gold: str, task: Task) -> int:
    """Place of the right option: metadata `answer_index` (from 0) where the release has it, otherwise from the gold.

    Raises:
        GradingError: the gold is none of the options.
    """
    choices = task.choices
    index = task.metadata.get("answer_index")
    if not isinstance(index, int):
        index = choices.index(gold) if gold in choices else gold_choice(gold, choices)
    if index is None or not 0 <= index < len(task.choices):
        raise GradingError(f"task {task.id}: gold {gold!r} is none of its {len(task.choices)} options")
    return index


def strict_choice(answer: str, gold: str, task: Task) -> Verdict:
    """A letter, an option's exact text, or `The answer is B.`, once."""
    index = gold_index(gold, task)
    if len(answer) == 1 and "A" <= answer <= "Z":
        return verdict(letter_index(answer) == index, answer, "letter")
    if answer in task.choices:
        return verdict(answer == task.choices[index], answer, "option text")
    letters = _OFFICIAL.findall(answer)
    if len(letters) == 1:
        return verdict(letter_index(letters[0]) == index, letters[0], "letter")
    return verdict(False, answer, "no option named")


def choice_judge(answer: str, gold: str, task: Task, index_base: int = 1) -> Verdict:
    """Whether the option that the answer names is the gold one (or has the same text)."""
    index = gold_index(gold, task)
    place, reason = named_choice(answer, task.choices, index_base)
    if place is None:
        return verdict(False, answer, reason)
    text = task.choices[place]
    return verdict(place == index or text == task.choices[index], text, reason)


def named_choice(answer: str, choices: tuple[str, ...], index_base: int = 1) -> Named:
    """Which option an answer names. A lone letter is the option's label, even where an option's text is a letter."""
    if letter := _QUICK.fullmatch(answer):  # most answers
        return _by_letter(letter[1], choices)
    if answer in choices and len(answer) > 1:
        return Named(choices.index(answer), "option text")
    return _named(answer, choices, index_base)


@lru_cache(maxsize=1 << 14)
def _named(answer: str, choices: tuple[str, ...], index_base: int) -> Named:
    plain = extract(answer)
    if plain is None:
        return Named(None, "several answers")
    if saying := _SAYING.match(plain):
        plain = plain[saying.end() :]
    plain = _CORRECT.sub("", plain).strip(" *`\"'")
    if not plain:
        return Named(None, "empty answer")
    if letter := _LETTER.fullmatch(plain):
        return _by_letter(letter[1], choices)
    by_text = _by_text(fold(plain), choices)
    if by_text is not None:
        return by_text
    if match := _LETTER_AND_REST.fullmatch(plain):
        return _letter_and_rest(match[1] or match[2] or match[3], match[4], choices)
    by_value = _by_value(answer, plain, choices)
    if by_value is not None:
        return by_value
    if ordinal := _ORDINAL.fullmatch(fold(plain)):
        return _by_place(_ORDINALS.index(ordinal[1].lower()), choices)
    if (place := _INDEX.fullmatch(plain)) and not any(parse_quantity(extract(choice) or "") for choice in choices):
        return _by_place(int(place[1]) - index_base, choices)
    return Named(None, "no option named")


def _by_letter(letter: str, choices: tuple[str, ...]) -> Named:
    index = letter_index(letter)
    return Named(index, "letter") if index < len(choices) else Named(None, "no option of that letter")


def _by_place(place: int, choices: tuple[str, ...]) -> Named:
    return Named(place, "place") if 0 <= place < len(choices) else Named(None, "no option at that place")


@lru_cache(maxsize=1 << 12)
def _folded(choices: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(fold(extract(choice) or choice) for choice in choices)


def _by_text(folded: str, choices: tuple[str, ...]) -> Named | None:
    texts = _folded(choices)
    return Named(texts.index(folded), "option text") if folded in texts else None


def _letter_and_rest(letter: str, rest: str, choices: tuple[str, ...]) -> Named:
    """`B. Paris`: the text must be that option's, or a reason."""
    by_letter = _by_letter(letter, choices)
    if by_letter.place is None or _REASON.match(rest):
        return by_letter
    folded = fold(extract(rest) or rest)
    if folded == _folded(choices)[by_letter.place] or equivalent(rest, choices[by_letter.place], ordered=True):
        return by_letter
    if _LETTER.fullmatch(rest) and letter_index(rest.strip("() .")[:1] or "A") == by_letter.place:
        return by_letter  # (B) B
    return Named(None, "letter and text disagree")


def _by_value(answer: str, plain: str, choices: tuple[str, ...]) -> Named | None:
    """The one option of the same quantity or formula: `40 degrees` is `40°`, `0.5` is `$\\frac{1}{2}$`."""
    quantity, formula = parse_quantity(plain), formula_of(answer) or plain
    equal = []
    for index, choice in enumerate(choices):
        other = parse_quantity(extract(choice) or "") if quantity else None
        if quantity and other and (other.unit == "" or any(c.isdigit() for c in choice)):
            same = quantity.value == other.value and quantity.percent == other.percent and compatible(quantity, other)
        else:
            same = equivalent(formula, formula_of(choice) or choice, ordered=True)
        if same:
            equal.append(index)
    if not equal:
        return None
    return Named(equal[0], "value") if len(equal) == 1 else Named(None, "the value of several options")
