"""TABMWP (Lu et al. 2023): the published extraction and normalisation, and the same after proper extraction."""

from __future__ import annotations

import re

from envs.grade import Grader, Mode
from envs.graders.choice import choice_judge, gold_index
from envs.graders.exact import exact_judge
from envs.graders.number import read_quantity, rounded
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import extract
from envs.task import Task

PLACES = 3
"""Decimal places to which numbers are rounded."""

_FRACTION = re.compile(r"\$?\\frac\{([\d.,-]+)\}\{([\d.,]+)\}\$?")
_FINAL_STOP = re.compile(r"(?<![AP]\.M)\.$")
_EQUALS = re.compile(r"(?<=\d)=(?=[-$\d])")
_OPTION_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"^\(([A-Za-z])\)$",
        r"^([A-Za-z])$",
        r"^([A-Za-z]). ",
        r"[Th]he answer is ([A-Z])",
        r"^\(([A-Za-z])\) [\s\S]+$",
        r"[Th]he answer is \(([A-Za-z])\) [\s\S]+$",
    )
)
_VALUE_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"[Th]he answer is ([\s\S]+)$",
        r"[Th]he table shows that ([\d$.,/:]+) ",
        r" = ([\d$.,/:]+)",
        r"(?:(?<= be)|(?<= is)) ([-\d$.,/:]*\d+)",
        r"(?:(?<= are)|(?<= was)) ([-\d$.,/:]*\d+)",
        r"(?<= were) ([-\d$.,/:]*\d+)",
        r" ([\d$.,/:]+ [AP]\.M\.)",
    )
)
_SIGNS_AND_DIGITS = re.compile(r"[-\d$.,/:]+")
_LAST_DIGIT = re.compile(r"\D*$")
_NUMBER = re.compile(r"[-+]?[\d,./]+")
_WHOLE = re.compile(r"[-+]?\d+")
_ZEROS = re.compile(r"\.0+$")


@register_grader("tabmwp")
def tabmwp(mode: Mode = "robust") -> Grader:
    """The TABMWP grader; metadata `unit` is the unit that a free-text answer may have."""
    return RuleGrader(_strict, max_length=STRICT_MAX_LENGTH) if mode == "strict" else RuleGrader(_robust)


def normalize_answer(text: str, unit: str | None) -> str:
    """The published normalisation: numbers to three places without separators, fractions divided, the unit removed."""
    text = text.removeprefix("$")
    text = text[:-1] if text[-1:] in (",", ".", "/") and text else text
    if not _NUMBER.fullmatch(text):
        return text.replace(unit, "").strip() if unit else text
    text = text.replace(",", "")
    try:
        if _WHOLE.fullmatch(text):
            return _ZEROS.sub("", str(int(text)))
        over, slash, under = text.partition("/")
        value = float(over) / float(under.split("/")[0]) if slash else float(text)
        return _ZEROS.sub("", str(round(value, PLACES)))
    except (ValueError, ZeroDivisionError, OverflowError):
        return text


def extract_prediction(output: str, options: tuple[str, ...]) -> str:
    """The published extraction. An option letter past the last option is no option (the original draws one by lot)."""
    output = _FRACTION.sub(r"\1/\2", output)
    output = _FINAL_STOP.sub("", output)
    output = _EQUALS.sub(" = ", output).replace("\u2212", "-")
    if options:
        for pattern in _OPTION_PATTERNS:
            if found := pattern.findall(output):
                index = ord(found[0].upper()) - ord("A")
                if index < len(options):
                    return options[index]
                if index < 6:  # the six letters that the original knows
                    return ""
        return max(options, key=lambda option: _similarity(option, output))
    for pattern in _VALUE_PATTERNS:
        if found := pattern.findall(output):
            return _without_stop(found[-1].strip())
    runs = (_LAST_DIGIT.sub("", run) for run in _SIGNS_AND_DIGITS.findall(output))
    values = [run for run in runs if run]
    return _without_stop(values[-1]) if values else output


def _without_stop(text: str) -> str:
    return text[:-1] if text.endswith(".") and ".M." not in text else text


def _similarity(first: str, second: str) -> float:
    """Shared words over the longer text's words; 2 for equal texts."""
    if first == second:
        return 2.0
    if " " not in first and " " not in second:
        return 0.0
    one, two = first.split(" "), second.split(" ")
    return len(set(one) & set(two)) / max(len(one), len(two))


def _unit(task: Task) -> str | None:
    unit = task.metadata.get("unit")
    return unit if isinstance(unit, str) else None


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    given = extract_prediction(answer, task.choices)
    unit = _unit(task)
    right = normalize_answer(given, unit).lower() == normalize_answer(gold, unit).lower()
    return verdict(right, given, "normalised text")


def _robust(answer: str, gold: str, task: Task) -> Verdict:
    """Options as in any multiple choice; numbers equal to three places; other texts exact."""
    if task.choices:
        gold_index(gold, task)
        return choice_judge(answer, gold, task)
    wanted = read_quantity(gold)
    if wanted is None or not any(c.isdigit() for c in gold):
        return exact_judge(answer, gold, task)
    unit = _unit(task)
    plain = extract(answer)
    if plain is None:
        return verdict(False, answer, "several answers")
    number = read_quantity(plain)
    if number is not None and unit and (number.unit or number.currency):
        wanted = read_quantity(f"{unit}{gold}" if unit == "$" else f"{gold} {unit}") or wanted
    return rounded(number, wanted, PLACES, plain)
