"""UniGeo (Chen et al. 2022): calculation problems have options, proving problems a sequence of steps."""

from __future__ import annotations

import re
from functools import partial

from envs.grade import Grader, Mode
from envs.graders import geometry
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import extract, fold
from envs.task import Task

_STEP = re.compile(r"\s*(?:[;\n]|,|->|→)\s*")
_NUMBERING = re.compile(r"^(?:step\s*)?[0-9]{1,2}[.):]\s*", re.IGNORECASE)


@register_grader("unigeo")
def unigeo(mode: Mode = "robust", tolerance: float = 0.01) -> Grader:
    """The UniGeo grader: `geometry` for tasks with options; proofs step by step, in order, all of them."""
    calculation = geometry.geometry(mode, tolerance)
    long = STRICT_MAX_LENGTH if mode == "strict" else 4000
    return RuleGrader(partial(_judge, calculation=calculation, strict=mode == "strict"), max_length=long)


def steps(text: str) -> list[str]:
    """Steps of a proof: one a line, or separated by commas, semicolons or arrows; numbering dropped."""
    parts = (fold(_NUMBERING.sub("", part)) for part in _STEP.split((extract(text) or "").strip("[]")))
    return [part.strip("'\"") for part in parts if part]


def _judge(answer: str, gold: str, task: Task, calculation: Grader, strict: bool) -> Verdict:
    if task.choices:
        grade = calculation(answer, task)
        return Verdict(grade.score, grade.extracted, grade.reason)
    if strict:
        return verdict(answer.split() == gold.split(), answer, "exact steps")
    return verdict(steps(answer) == steps(gold) != [], answer, "steps in order")
