"""`ToolStats`: what a log says about one tool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tools.errors import ErrorCode

_CODES = frozenset(ErrorCode)


@dataclass(slots=True)
class ToolStats:
    """Calls of one tool over a log, in episodes that a fault voided too.

    Attributes:
        calls: calls that reached the tool.
        cached: of these, served from the cache.
        seconds: wall time of each call that ran.
        errors: what the policy asked wrongly, by code. Calls refused before they reached the tool are not among them:
            their turn counts (`Stats.errors`).
        faults: what we did wrong, by kind.
    """

    calls: int = 0
    cached: int = 0
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, call: Mapping[str, Any]) -> None:
        """Counts one entry of the log's `calls`; one that was parsed but not run (the last turn's) counts nowhere."""
        if call["wall_s"] is None:
            return
        self.calls += 1
        if call["cached"]:
            self.cached += 1
        else:
            self.seconds.append(call["wall_s"])
        if code := call["error_code"]:
            (self.errors if code in _CODES else self.faults)[code] += 1

    def percentile(self, percent: float) -> float:
        """Seconds within which that share of the calls that ran was done; 0 without any."""
        return float(np.percentile(self.seconds, percent)) if self.seconds else 0.0

    @property
    def total_s(self) -> float:
        """Seconds of all calls."""
        return float(sum(self.seconds))
