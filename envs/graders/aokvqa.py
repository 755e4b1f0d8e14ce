"""A-OKVQA (Schwenk et al. 2022): the option's text when there are options, otherwise agreement with the annotators."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from envs.grade import Grade, Grader, Mode
from envs.graders.choice import choice_judge, gold_index
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.vqa import ConsensusGrader
from envs.task import Task


@register_grader("aokvqa")
def aokvqa(mode: Mode = "robust", threshold: float = 0.5) -> Grader:
    """The A-OKVQA grader.

    Multiple choice is `answer` among `choices`; direct answers are `answers`, right in full when three agree.
    `strict` compares strings, as published; `robust` reads letters and processes texts as the VQA scorer does.

    Args:
        mode: `strict` or `robust`.
        threshold: smallest score of a correct direct answer.
    """
    choice = RuleGrader(_strict, max_length=STRICT_MAX_LENGTH) if mode == "strict" else RuleGrader(choice_judge)
    return AOKVQAGrader(choice, ConsensusGrader(mode, threshold, leave_one_out=False))


@dataclass(frozen=True, slots=True)
class AOKVQAGrader:
    """Attributes:
    choice: grades tasks with options.
    direct: grades tasks without.
    """

    choice: RuleGrader
    direct: ConsensusGrader

    def __call__(self, answer: str, task: Task) -> Grade:
        """Grades the text inside `<answer>`. Raises `GradingError` when the task has no gold answer."""
        if not task.choices:
            return self.direct(answer, task)
        return self.choice(answer, dataclasses.replace(task, answers=()) if task.answers and task.answer else task)


def _strict(answer: str, gold: str, task: Task) -> Verdict:
    return verdict(answer == task.choices[gold_index(gold, task)], answer, "option text")
