"""`EvaluationPlan`: what a training run evaluates before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from vista_rllib.run.overrides import OverrideError, nearest, override_fields, parse_value, split_setting

PREFIX = "evaluation"


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """Held-out evaluation around training: the `evaluation` dict of a tuned example.

    Attributes:
        data: folder of converted tasks; None for the env's own.
        split: which split; None for the env's held-out one.
        limit: at most so many tasks; None for all.
        tools: names of the tools on offer; None for the env's own.
        max_attempts: answers per task.
        feedback: feedback level between attempts.
        tolerance: relative error at which a numerical answer counts as right; None for the grader's own.
        baseline: a named policy evaluated once for comparison; None for none.
    """

    data: str | None = None
    split: str | None = None
    limit: int | None = None
    tools: tuple[str, ...] | None = None
    max_attempts: int = 1
    feedback: str = "verdict"
    tolerance: float | None = None
    baseline: str | None = "scripted"

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> EvaluationPlan:
        """Builds a plan from a plain dict.

        Raises:
            OverrideError: naming an unknown key.
        """
        names = [f.name for f in fields(cls)]
        for key in settings:
            if key not in names:
                raise OverrideError(f"evaluation.{key}: no such setting{nearest(key, names)}")
        return cls(**settings)

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `vista_rllib.evaluation.evaluate` that the plan fixes."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "baseline"}


def plan_evaluation(settings: Mapping[str, Any] | None, overrides: Sequence[str]) -> EvaluationPlan | None:
    """The plan of a tuned example after `--set evaluation.X=...`; `--set evaluation=none` switches it off.

    Raises:
        OverrideError: an unknown field, or a value of the wrong type.
    """
    plan = EvaluationPlan.from_dict(settings) if settings is not None else None
    for override in overrides:
        key, text = split_setting(override)
        if key != PREFIX:
            plan = override_fields(plan or EvaluationPlan(), [override], PREFIX)
        elif text == "none" or parse_value(text) is None:
            plan = None
        else:
            raise OverrideError(f"{PREFIX}: expected none, or {PREFIX}.limit=... and the like, got {text}")
    return plan


def is_evaluation(override: str) -> bool:
    """Whether a `--set` concerns the plan and not the algorithm."""
    return split_setting(override)[0].split(".")[0] == PREFIX
