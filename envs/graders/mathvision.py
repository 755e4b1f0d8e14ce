"""MATH-Vision (Wang et al. 2024): equal to the answer or to the right option's value, to two decimals."""

from __future__ import annotations

import re

from envs.grade import Grader, Mode
from envs.graders.choice import gold_index, named_choice
from envs.graders.latex import parse_answer
from envs.graders.latex.value import UndefinedError, value_of
from envs.graders.maths import maths_judge
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.task import Task

PLACES = 2
"""Decimal places to which values are compared."""

_PHRASES = ("the final answer is", "the answer is", "the correct answer is", "the answer should be")
_FLAGS = tuple(flag for phrase in _PHRASES for flag in (phrase, phrase.replace("the", "The")))
_LETTERS = "ABCDE"
_BOX = re.compile(r"oxed{(.*)}", re.DOTALL)
_REMOVED = (" ", "\\,")
_CLEANED = (
    ("\\\\", "\\"), ("\n", ""), ("\\text", ""), ("\\mbox", ""), ("bmatrix", "pmatrix"), ("\\left", ""), ("\\right", ""),
    ("^{\\circ}", ""), ("^\\circ", ""), ("{m}^3", ""), ("m^3", ""), ("{units}", ""), ("units", ""), ("{km}", ""),
    ("km", ""), ("\\!", ""), ("tfrac", "frac"), ("dfrac", "frac"), ("\\$", ""), ("$", ""),
)  # fmt: skip
_UNREAD = re.compile(
    r"[^\x00-\x7f]|%|\{,\}|\\[()\[\]]|\d[eE][-+]?\d|\\frac(?!\{)|circ|degree|\\mathrm|\\sqrt\[[^\]]*\]\{-"
)
_MIXED = re.compile(r"(\d)\\frac")
_TUPLE = re.compile(r"[(\[].*[)\]]", re.DOTALL)


@register_grader("mathvision")
def mathvision(mode: Mode = "robust") -> Grader:
    """The MATH-Vision grader. `strict` follows the published extraction and `is_equal`, without its `eval`."""
    return RuleGrader(_strict, max_length=STRICT_MAX_LENGTH) if mode == "strict" else RuleGrader(_robust)


def official_answer(response: str) -> str:
    """The published extraction of an answer from a response."""
    answer = response.strip()
    for letter in _LETTERS:
        ends = (f" {letter}.", f" ({letter}).")
        if answer.endswith(ends) or answer.startswith((f"{letter}\n", f"({letter})\n", f"({letter}) {letter}\n")):
            answer = letter
    last = answer.rpartition("is ")[2].rstrip(".")
    if _python_float(last) is not None:
        answer = last
    if "oxed{" not in answer:
        for flag in _FLAGS:
            if flag in answer:
                answer = answer.rpartition(flag)[2].strip().split("\n")[0].split(". ")[0]
            answer = answer.strip()
    elif answer.count("oxed{") > 1:
        answer = "\\boxed{" + answer.rpartition("oxed{")[2]
    answer = _cleaned(answer.lower().replace("{}", ""))
    for letter in _LETTERS.lower():
        answer = answer.replace(f"({letter})", letter).replace(f"{{{letter}}}", letter)
    return answer.rstrip(".").lstrip(":").strip()


def _cleaned(text: str) -> str:
    """The published clean-up of LaTeX, units and blanks; what follows the last equals sign."""
    boxes = _BOX.findall(text)
    text = boxes[-1] if boxes else text
    closing, opening = text.find("}"), text.find("{")
    if closing != -1 and (opening == -1 or closing < opening):
        text = text[:closing]
    text = text.rpartition("=")[2].rpartition("\\approx")[2]
    text = text.replace(" ", "").replace("\\,", "").replace("∞", "\\infty").replace("+\\infty", "\\infty")
    for old, new in _CLEANED:
        text = text.replace(old, new)
    text = text.partition("\\text{ ")[0].replace("\\%", "").replace("{.", "{0.")
    if text.startswith("."):
        text = "0" + text
    return text


def _python_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def is_equal(answer: str, gold: str) -> bool:
    """Equal texts but for case, equal tuples of rounded values, or values equal after rounding to two decimals."""
    answer, gold = answer.lower(), gold.lower()
    if not answer.replace(" ", "") or not gold.replace(" ", ""):
        return False
    if answer.strip() == gold.strip():
        return True
    answer, gold = _tuple(answer), _tuple(gold)
    if answer == gold:
        return True
    one, two = _rounded(answer), _rounded(gold)
    return one is not None and one == two


def _tuple(text: str) -> str:
    """`(2*3, 5+2)` as `(6,7)`: elements rounded, infinity and the letter a as they are; other texts unchanged."""
    parts = text[1:-1].split(",")
    if len(parts) < 2 or not _TUPLE.fullmatch(text) or (text[0], text[-1]) not in (("(", ")"), ("[", "]")):
        return text
    values = [part if "infty" in part or part in ("a", "-a") else _rounded(part) for part in parts]
    return text if None in values else f"{text[0]}{','.join(str(value) for value in values)}{text[-1]}"


def _rounded(text: str) -> float | None:
    """The value to two decimals; None for what the published LaTeX reader does not read or what has no real value."""
    if _UNREAD.search(text):
        return None
    answer = parse_answer(_MIXED.sub(r"\1*\\frac", text))  # 1\frac{1}{2} is a product there
    if (
        answer is not None
        and answer.kind == "relation"
        and answer.mark == "="
        and answer.parts[0].tree[:1] == ("name",)
    ):
        answer = answer.parts[1]
    if answer is None or answer.unit:
        return None
    tree = answer.tree
    if answer.kind == "ratio" and len(answer.parts) == 2:  # a colon divides there
        tree = ("/", answer.parts[0].tree, answer.parts[1].tree)
    if not tree or (answer.kind != "formula" and answer.kind != "ratio"):
        return None
    try:
        return round(float(value_of(tree, {})), PLACES)
    except (KeyError, UndefinedError, OverflowError):
        return None


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    given = official_answer(answer)
    if not task.choices:
        return verdict(is_equal(gold, given), given, "equal to two decimals")
    index = gold_index(gold, task)
    right = is_equal(chr(ord("A") + index), given) or is_equal(task.choices[index], given)
    return verdict(right, given, "the letter, or equal to two decimals")


def _robust(answer: str, gold: str, task: Task) -> Verdict:
    """The right option by letter, text or value; the same mathematics where there are no options."""
    if not task.choices:
        return maths_judge(answer, gold, task)
    index, named = gold_index(gold, task), named_choice(answer, task.choices)
    if named.place is None:
        return verdict(False, answer, named.reason)
    text = task.choices[named.place]
    return verdict(named.place == index or text == task.choices[index], text, named.reason)
