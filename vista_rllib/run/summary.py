"""`Summary`: what came of a run, as `summary.json`."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from vista_rllib.run.columns import FAULT_KINDS, FAULTS, TOOL_CALLS
from vista_rllib.run.files import plain

PACKAGES = ("vista-rllib", "ray", "torch", "transformers", "gymnasium", "numpy")


@dataclass(frozen=True, slots=True)
class Summary:
    """Attributes:
    status: `finished`, `interrupted` or `failed`.
    stopped_by: the criterion that ended training, in words.
    accuracy_before: held-out accuracy before training, None without evaluation.
    accuracy_after: held-out accuracy after training.
    accuracy_baseline: held-out accuracy of the baseline policy.
    tool_calls_per_episode: of the evaluation after training, else of the last iteration.
    iterations: iterations done.
    wall_s: seconds from the first start, evaluations included, time between processes left out.
    peak_rss_gib: largest resident memory of driver and children, GiB.
    faults: episodes voided by our faults, training and evaluation after it.
    faults_by_kind: those of training, by kind.
    config_digest: short hash of `params.json`.
    versions: of Python and the packages that matter.
    """

    status: str
    stopped_by: str
    accuracy_before: float | None
    accuracy_after: float | None
    accuracy_baseline: float | None
    tool_calls_per_episode: float | None
    iterations: int
    wall_s: float
    peak_rss_gib: float
    faults: int
    faults_by_kind: Mapping[str, int]
    config_digest: str
    versions: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def summarize(
    rows: Sequence[Mapping[str, Any]],
    *,
    status: str,
    stopped_by: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    baseline: Mapping[str, Any] | None,
    wall_s: float,
    peak_rss_gib: float,
    params: str,
) -> Summary:
    """Draws the summary of a run from its rows, evaluation reports and `params.json`."""
    last = rows[-1] if rows else {}
    tool_calls = after["tool_calls_per_episode"] if after else TOOL_CALLS.value(last)
    faults = sum(FAULTS.value(row) or 0 for row in rows) + (after["num_faults"] if after else 0)
    return Summary(
        status=status,
        stopped_by=stopped_by,
        accuracy_before=before["accuracy"] if before else None,
        accuracy_after=after["accuracy"] if after else None,
        accuracy_baseline=baseline["accuracy"] if baseline else None,
        tool_calls_per_episode=tool_calls,
        iterations=int(last.get("training_iteration", 0)),
        wall_s=round(wall_s, 1),
        peak_rss_gib=round(peak_rss_gib, 3),
        faults=int(faults),
        faults_by_kind=fault_kinds(rows),
        config_digest=hashlib.sha256(params.encode()).hexdigest()[:16],
        versions=versions(),
    )


def fault_kinds(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Faults of all iterations by kind."""
    kinds: Counter[str] = Counter()
    for row in rows:
        for key, value in row.items():
            if key.startswith(FAULT_KINDS) and value > 0:  # NaN is not
                kinds[key.removeprefix(FAULT_KINDS)] += int(value)
    return dict(kinds)


def dump_config(config: AlgorithmConfig) -> str:
    """The config as JSON; classes and functions by their names, so that equal configs give equal text."""
    return json.dumps(config.to_dict(), indent=2, sort_keys=True, default=plain, skipkeys=True) + "\n"


def versions() -> dict[str, str]:
    """Versions of Python and the packages that matter."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}
