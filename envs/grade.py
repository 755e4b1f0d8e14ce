"""`Grade`: a grader's verdict on one answer, and the contract of a grader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from envs.task import Task

Mode = Literal["strict", "robust"]
"""`strict`: the dataset's official metric, verdict for verdict. `robust`: the same after extracting the answer."""


@dataclass(frozen=True, slots=True)
class Grade:
    """Attributes:
    correct: the verdict.
    score: in [0, 1]; partial for metrics such as ANLS, otherwise 0 or 1.
    extracted: the answer that was compared, after extraction.
    reason: one short clause saying which rule decided. May contain the gold: never shown to an agent.
    """

    correct: bool
    score: float
    extracted: str
    reason: str


Grader = Callable[[str, Task], Grade]
"""A pure function of (text inside `<answer>`, task). Safe in threads, event loops and Ray actors: no signals."""
