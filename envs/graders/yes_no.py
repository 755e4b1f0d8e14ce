"""Yes or no (FigureQA): the released answers are 1 and 0, `Yes` and `No` in words."""

from __future__ import annotations

from envs.grade import Grader, Mode
from envs.graders.registry import GradingError, register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import extract, fold, yes_no
from envs.task import Task

_STRICT = {"yes": "yes", "1": "yes", "no": "no", "0": "no"}
_ROBUST = {"1": "yes", "0": "no"}


@register_grader("yes_no")
def yes_no_grader(mode: Mode = "robust") -> Grader:
    """The yes-or-no grader. `strict` takes the four released spellings and nothing else."""
    return RuleGrader(_strict, max_length=STRICT_MAX_LENGTH) if mode == "strict" else RuleGrader(_robust)


def _gold(gold: str, task: Task) -> str:
    wanted = _STRICT.get(gold.lower())
    if wanted is None:
        raise GradingError(f"task {task.id}: gold {gold!r} is neither yes nor no")
    return wanted


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    return verdict(_STRICT.get(answer.lower()) == _gold(gold, task), answer, "yes or no")


def _robust(answer: str, gold: str, task: Task) -> Verdict:
    wanted, given = _gold(gold, task), extract(answer)
    if given is None:
        return verdict(False, answer, "several answers")
    folded = fold(given)
    return verdict((_ROBUST.get(folded) or yes_no(folded)) == wanted, given, "yes or no")
