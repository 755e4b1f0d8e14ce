"""IconQA (Lu et al. 2021): choose a picture, choose a text, or fill in the blank."""

from __future__ import annotations

from envs.grade import Grader, Mode
from envs.graders.choice import choice_judge, strict_choice
from envs.graders.exact import equal_strings, exact_judge
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict
from envs.task import Task


@register_grader("iconqa")
def iconqa(mode: Mode = "robust") -> Grader:
    """The IconQA grader: the option's letter, text or place; the exact text or number where there are no options."""
    return RuleGrader(_strict, max_length=STRICT_MAX_LENGTH) if mode == "strict" else RuleGrader(_robust)


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    return strict_choice(answer, gold, task) if task.choices else equal_strings(answer, gold, task)


def _robust(answer: str, gold: str, task: Task) -> Verdict:
    return choice_judge(answer, gold, task) if task.choices else exact_judge(answer, gold, task)
