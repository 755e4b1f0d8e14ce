"""The metrics a user watches: where they are in a row, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of the live table.

    Attributes:
        title: heading.
        keys: names in a row, the first present counts. Algorithms of RLlib's own have the later ones.
        form: format specification of the number.
        width: characters.
    """

    title: str
    keys: tuple[str, ...]
    form: str
    width: int

    def value(self, row: Mapping[str, Any]) -> float | None:
        """The metric, None where the row has none or it is not a number."""
        for key in self.keys:
            value = row.get(key)
            if isinstance(value, int | float) and not math.isnan(value):
                return value
        return None


REWARD = Column("reward", ("reward_mean", "env_runners/episode_return_mean"), ".3f", 8)
ACCURACY = Column("accuracy", ("accuracy",), ".1%", 8)
TOOL_CALLS = Column("tools", ("tool_calls_per_episode",), ".2f", 5)
LENGTH = Column("length", ("response_tokens",), ".1f", 6)
FAULTS = Column("faults", ("fault_count",), ".0f", 6)
FAULT_KINDS = "fault_count/"
"""Beginning of the metrics that count faults by kind."""
KL = Column("KL", ("kl", "learners/default_policy/mean_kl_loss"), ".2e", 9)

COLUMNS = (
    Column("iter", ("training_iteration",), ".0f", 5),
    REWARD,
    ACCURACY,
    TOOL_CALLS,
    LENGTH,
    FAULTS,
    KL,
    Column("clip", ("clip_fraction",), ".1%", 6),
    Column("tok/s", ("tokens_per_s",), ".0f", 7),
    Column("seconds", ("time_this_iter_s",), ".1f", 8),
)
"""Columns of the live table, in order; one that no row has is left out."""
