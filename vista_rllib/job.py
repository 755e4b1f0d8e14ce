"""`RolloutJob`: one episode that an env runner is told to run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RolloutJob:
    """Attributes:
    task_id: the task; None lets the env choose.
    group_id: the group whose episodes share this task.
    replica: position within the group.
    seed: seed of everything sampled in this episode.
    iteration: training iteration that asked for it; -1 for evaluation.
    """

    task_id: str | None
    group_id: int = 0
    replica: int = 0
    seed: int = 0
    iteration: int = -1
